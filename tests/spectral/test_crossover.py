"""The choice of method: never what is computed, only how."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nifconv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, LCConv2d
from nifconv.functional import fft_conv
from nifconv.spectral import Crossover, _crossover, _direct, use_crossover
from tests import oracles, programs
from tests.tolerances import assert_near

CIRCULAR = {"depthwise circular": [(64, 4)], "dense circular": [(64, 1)]}
LIMITS = {"depthwise": [(64, 9), (4096, 121)], "dense": [(64, 9)], **CIRCULAR}
TRAINING = {"depthwise": [(64, 1)], "dense": [(64, 1)], **CIRCULAR}
TABLE = {"limits": {"inference": LIMITS, "training": TRAINING}, "origin": {}}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    use_crossover(None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "table.json"
    file.write_text(json.dumps(TABLE))
    return file


@pytest.mark.parametrize(
    ("taps", "pixels", "training", "depthwise", "expected"),
    [
        (9, 64, False, True, True),
        (10, 64, False, True, False),
        (121, 1000, False, True, True),  # nearer to 4096 on a logarithmic scale
        (10, 4096, False, False, False),
        (9, 64, True, True, False),
        (1, 10**6, True, False, True),
    ],
)
def test_takes_the_limit_of_the_nearest_map(
    path: Path, taps: int, pixels: int, training: bool, depthwise: bool, expected: bool
) -> None:
    table = Crossover.load(path)
    found = table.prefers_direct(taps=taps, pixels=pixels, training=training, depthwise=depthwise, wraps=False)
    assert found is expected


@pytest.mark.parametrize(("taps", "depthwise", "expected"), [(4, True, True), (5, True, False), (4, False, False)])
def test_circular_padding_has_limits_of_its_own(path: Path, taps: int, depthwise: bool, expected: bool) -> None:
    table = Crossover.load(path)
    found = table.prefers_direct(taps=taps, pixels=64, training=False, depthwise=depthwise, wraps=True)
    assert found is expected


def used(layer: Any, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> str:
    calls: list[int] = []
    conv = _direct.sum_over_taps
    with monkeypatch.context() as patch:
        patch.setattr(_direct, "sum_over_taps", lambda *a, **k: calls.append(1) or conv(*a, **k))  # type: ignore[func-returns-value]
        layer(x)
    return "direct" if calls else "fft"


def test_layers_choose_by_table_mode_and_dtype(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_crossover(path)
    layer, x = FrequencyConv2d(4, 4, 3, groups=4, padding_mode="zeros"), torch.randn(1, 4, 8, 8)
    assert used(layer, x, monkeypatch) == "fft"
    with torch.no_grad():
        assert used(layer, x, monkeypatch) == "direct"
        assert used(layer, x.bfloat16(), monkeypatch) == "fft"
        assert used(FrequencyConv2d(4, 4, 3, groups=4), x, monkeypatch) == "fft"
        assert used(FrequencyConv2d(4, 4, 2, groups=4), x, monkeypatch) == "direct"
        assert used(FrequencyConv2d(4, 4, 3, groups=4, padding_mode="zeros", method="fft"), x, monkeypatch) == "fft"
    assert used(layer.requires_grad_(False), x, monkeypatch) == "direct"
    assert used(layer, x.requires_grad_(), monkeypatch) == "fft"
    assert used(FrequencyConv2d(4, 4, method="direct"), x, monkeypatch) == "direct"
    assert used(FrequencyConv2d(4, 4, groups=4), x.detach(), monkeypatch) == "fft"


def test_a_table_in_use_can_be_given_as_an_object_and_put_back(path: Path) -> None:
    committed = dict(_crossover._active)
    use_crossover(Crossover.load(path))
    assert _crossover._active["cpu"].limits["inference"]["depthwise"] == [(64, 9), (4096, 121)]
    use_crossover(None)
    assert _crossover._active == committed


def test_the_environment_names_a_table(path: Path) -> None:
    code = "from nifconv.spectral import _crossover; print(_crossover._active['cpu'].limits['training']['dense'])"
    done = programs.run(code, **{_crossover.VARIABLE: str(path)})
    assert done.stdout.strip() == "[(64, 1)]", done.stderr


@pytest.mark.parametrize(
    "content",
    [
        "nonsense",
        "{}",
        '{"limits": [], "origin": {}}',
        json.dumps({**TABLE, "limits": {"training": LIMITS}}),
        json.dumps(TABLE).replace("4096", "Infinity"),
    ],
)
def test_refuses_what_is_no_table(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(ValueError, match=r"table\.json does not hold a table of crossovers.*nifconv bench --crossover"):
        use_crossover(path)


def test_refuses_tables_without_maps(path: Path) -> None:
    empty = {**LIMITS, "depthwise": []}
    path.write_text(json.dumps({"limits": {"inference": empty, "training": empty}, "origin": {}}))
    with pytest.raises(ValueError, match=r"a list without maps, or a map without pixels"):
        use_crossover(path)


@pytest.mark.parametrize("padding_mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize("layer_type", [FrequencyConv1d, FrequencyConv2d, FrequencyConv3d])
@pytest.mark.parametrize("method", ["fft", "direct", "auto"])
def test_every_method_computes_the_same(layer_type: Any, padding_mode: str, method: str) -> None:
    for options in ({"kernel_size": 4, "stride": 2}, {"kernel_size": 3, "dilation": 2, "padding": 1}, {}):
        layer = layer_type(4, 6, groups=2, padding_mode=padding_mode, method=method, **options).double()
        x = torch.randn(2, 4, *(9, 8, 7)[: layer.ndim], dtype=torch.float64)
        kernel_size = layer.applied_size(tuple(x.shape[2:]))
        if padding_mode == "reflect" and not options:
            # A map cannot be reflected twice.
            continue
        if layer.kernel_size is None and padding_mode == "circular":
            expected = oracles.circular_conv(x, layer.filter.taps(kernel_size), 2)
        else:
            expected = oracles.padded_conv(
                x,
                layer.filter.taps(kernel_size),
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                groups=2,
                padding_mode=padding_mode,
            )
        assert_near(layer(x), expected)


def test_blocks_pass_the_method_on() -> None:
    block = LCConv2d(4, 6, 3, expansion=2, method="direct").double()
    assert block.spatial.method == "direct"
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    assert_near(block(x), block.pointwise(block.spatial(x)))
    assert "method='direct'" in repr(block)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_direct_sums_of_half_precision_are_summed_in_float32(dtype: torch.dtype) -> None:
    layer, x = FrequencyConv2d(64, 4, 3, method="direct"), torch.randn(2, 64, 9, 8).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == dtype
    assert_near(y, layer.double()(x.double()))


@pytest.mark.parametrize("refused", ["FFT", "conv"])
def test_refuses_unknown_methods(refused: str) -> None:
    with pytest.raises(
        ValueError, match=f"method='{refused}' is unknown; use one of 'auto', 'fft', 'native', 'fused', 'direct'"
    ):
        FrequencyConv2d(2, 2, method=refused)
    with pytest.raises(ValueError, match=f"method='{refused}' is unknown"):
        fft_conv(torch.zeros(1, 1, 4), torch.zeros(1, 1, 1), padding=[(0, 0)], method=refused)


def test_a_kernel_larger_than_the_map_takes_the_fft_whatever_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    always = {kind: [(64, 10**9)] for kind in LIMITS}
    use_crossover(Crossover({"inference": always, "training": always}, {}))
    x = torch.randn(1, 3, 16, 4)
    assert used(FrequencyConv2d(3, 16, padding_mode="zeros"), x, monkeypatch) == "fft"  # 31x7 taps
    assert used(FrequencyConv2d(3, 16, 5, padding_mode="zeros"), x, monkeypatch) == "fft"
    assert used(FrequencyConv2d(3, 16, 3, padding_mode="zeros"), x, monkeypatch) == "direct"


def test_a_direct_sum_over_a_kernel_as_large_as_the_map_survives_training() -> None:
    """In a process of its own, since torch's own convolution corrupts the heap there; the last line names the case."""
    code = """
import torch
from nifconv import FrequencyConv2d
for padding_mode in ("zeros", "circular"):
    for size in ((16, 4), (16, 16), (8, 8)):
        print(padding_mode, size, flush=True)
        layer = FrequencyConv2d(3, 16, padding_mode=padding_mode, method="direct")
        x = torch.randn(4, 3, *size, requires_grad=True)
        for _ in range(5):
            direct = torch.autograd.grad(layer(x).square().mean(), [x, *layer.parameters()])
        layer.method = "fft"
        for ours, other in zip(direct, torch.autograd.grad(layer(x).square().mean(), [x, *layer.parameters()])):
            torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-6)
print("survived")
"""
    done = programs.run(code)
    assert done.stdout.endswith("survived\n"), done.stdout + done.stderr


def test_limits_against_the_native_engine_come_first_where_they_were_measured(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text(
        json.dumps({**TABLE, "limits": {"inference": {**LIMITS, "depthwise native": [(64, 1)]}, "training": TRAINING}})
    )
    table = Crossover.load(file)
    given = {"taps": 9, "pixels": 64, "depthwise": True, "wraps": False}
    assert table.prefers_direct(**given, training=False)
    assert not table.prefers_direct(**given, training=False, native=True)
    assert table.prefers_direct(
        **{**given, "taps": 1}, training=True, native=True
    )  # not measured: as against torch.fft
