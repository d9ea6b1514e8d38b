"""What the fused kernels take on, and that without a GPU torch.fft does everything."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from nifconv import FrequencyConv2d, frequency
from nifconv.spectral import _products, fused
from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused import _launch, _plans
from tests import programs


class OnGpu:
    """As much of a tensor on a GPU as `supports` looks at."""

    is_cuda = True
    device = torch.device("cuda", 0)

    def __init__(self, *shape: int, dtype: torch.dtype = torch.float32) -> None:
        self.shape, self.dtype = torch.Size(shape), dtype

    def dim(self) -> int:
        return len(self.shape)

    def numel(self) -> int:
        return self.shape.numel()


@pytest.fixture(autouse=True)
def architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_launch, "architecture", lambda device: "sm_80")
    monkeypatch.setattr(_launch, "absence", lambda: "")


def _supports(x: Any, *, channels_per_group: int = 1, step: tuple[int, int] = (1, 1), **changes: Any) -> bool:
    size = tuple(x.shape[2:])
    spectrum = torch.empty(x.shape[1], channels_per_group, *frequency.half_shape(size), 2)
    placement = Placement(size, size, (1, 1))
    arguments = {"spectrum": spectrum, "groups": x.shape[1], "source": placement, **changes}
    return fused.supports(x, target=Placement(size, size, step), **arguments)


def test_depthwise_maps_on_a_gpu_are_supported() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for size in ((4, 4), (7, 7), (14, 28), (31, 32)):
            assert _supports(OnGpu(2, 3, *size, dtype=dtype))
            assert _supports(OnGpu(2, 3, *size, dtype=dtype), gradients=True)


@pytest.mark.parametrize(
    ("x", "changes"),
    [
        (torch.empty(2, 3, 7, 7), {}),
        (OnGpu(2, 3, 7, 7, dtype=torch.float64), {}),
        (OnGpu(2, 3, 7), {}),
        (OnGpu(2, 3, 7, 7, 7), {}),
        (OnGpu(0, 3, 7, 7), {}),
        (OnGpu(2, 3, 3, 7), {}),
        (OnGpu(2, 3, 7, 113), {}),
        (OnGpu(2, 3, 112, 112), {}),
        (OnGpu(2, 3, 64, 64), {"gradients": True}),
        (OnGpu(2, 3, 7, 7), {"step": (1, 2)}),
        (OnGpu(2, 3, 7, 7), {"channels_per_group": 3, "groups": 1}),
        (OnGpu(2, 3, 7, 7), {"spectrum": torch.empty(3, 1, 7, 4, 2, dtype=torch.float64)}),
    ],
)
def test_everything_else_is_not(x: Any, changes: dict[str, Any]) -> None:
    assert not _supports(x, **changes)


def test_maps_that_32_bits_cannot_count_are_not() -> None:
    channels = 2**30 // 49 + 1
    x, placement = OnGpu(1, channels, 7, 7), Placement((7, 7), (7, 7), (1, 1))
    spectrum = torch.empty(1, 1, 7, 4, 2).expand(channels, 1, 7, 4, 2)
    assert not fused.supports(x, spectrum, channels, placement, placement)
    assert fused.supports(OnGpu(1, 7, 7, 7), spectrum[:7], 7, placement, placement)


@pytest.fixture
def absence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """The real one, which remembers what it found."""
    monkeypatch.undo()
    _launch.absence.cache_clear()
    yield _launch.absence
    _launch.absence.cache_clear()


def test_a_missing_gpu_is_a_reason(absence: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert absence() == "torch sees no GPU"


@pytest.mark.parametrize("error", [ImportError("libtriton.so: cannot open"), RuntimeError("half installed")])
def test_without_a_triton_that_works_nothing_is_supported(
    error: Exception, absence: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> None:
        assert name == "triton"
        raise error

    monkeypatch.setattr(_launch, "architecture", lambda device: "sm_80")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(_launch.importlib, "import_module", broken)
    assert f"triton, which compiles the kernels, cannot be imported ({type(error).__name__}: {error})" == absence()
    assert not _supports(OnGpu(2, 3, 7, 7))


def test_an_unknown_gpu_has_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.version, "hip", None)
    name = _plans.architecture(torch.device("cuda", 0))
    assert _plans.plan((14, 14), torch.float32, name, gradients=False) is None


def test_a_size_without_a_plan_is_refused() -> None:
    x, placement = torch.empty(1, 1, 3, 3), Placement((3, 3), (3, 3), (1, 1))
    with pytest.raises(ValueError, match=r"no fused kernel for maps of size=\(3, 3\) in torch.float32"):
        _launch.forward(x, torch.empty(1, 1, 3, 2, 2), 1, placement, placement)


def test_on_a_cpu_torch_fft_computes_both() -> None:
    x, dy = torch.randn(2, 2, 3, 6, 6)
    spectrum, placement = torch.randn(3, 1, 6, 4, 2), Placement((6, 6), (6, 6), (1, 1))
    rest = (3, placement, placement)
    actual = fused.forward(x, spectrum, *rest), *fused.gradients(x, spectrum, dy, *rest, True, True)
    expected = _products.forward(x, spectrum, *rest), *_products.gradients(x, spectrum, dy, *rest, True, True)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    assert fused.proven.verdicts == []


def test_that_torch_fft_stands_in_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "absence", lambda: "a reason of this test")
    layer, x = FrequencyConv2d(2, 2, groups=2, method="fused"), torch.randn(1, 2, 6, 6)
    with pytest.warns(RuntimeWarning, match="method='fused' is computed by torch.fft: a reason of this test") as caught:
        torch.nn.Sequential(layer, layer)(x)
    assert len(caught) == 1


def test_importing_needs_no_triton() -> None:
    program = "import sys; sys.modules['triton'] = None; import nifconv.spectral.fused"
    done = programs.run(program)
    assert done.returncode == 0, done.stderr
