"""Proof at first use, with backends in place of a GPU: right, wrong, or raising."""

import dataclasses
import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from nifconv import frequency
from nifconv.spectral import _products
from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused._proof import Proven

_forward, _gradients = _products.forward, _products.gradients


@dataclasses.dataclass
class Fake:
    """Computes as torch.fft does, up to what `spoil` makes of it."""

    spoil: Any = torch.Tensor.contiguous
    supported: bool = True
    calls: Counter[str] = dataclasses.field(default_factory=Counter)

    def supports(self, *_: Any, gradients: bool) -> bool:  # noqa: ARG002 - the contract's name
        return self.supported

    def forward(self, *arguments: Any) -> Tensor:
        self.calls["forward"] += 1
        return self.spoil(_forward(*arguments))

    def gradients(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        self.calls["gradients"] += 1
        dx, dh = _gradients(*arguments)
        return dx, self.spoil(dh)


def _raise(_: Tensor) -> Tensor:
    raise RuntimeError("no kernel image is available")


def _raise_memory(_: Tensor) -> Tensor:
    raise torch.OutOfMemoryError("out of memory")


def _case(size: tuple[int, int] = (6, 7), dtype: torch.dtype = torch.float32) -> tuple[Any, ...]:
    x, dy = torch.randn(2, 5, 3, *size).to(dtype)
    spectrum = torch.randn(3, 1, *frequency.half_shape(size), 2)
    placement = Placement(size, size, (1, 1))
    return x, spectrum, dy, 3, placement, placement


def _both(proven: Proven, case: tuple[Any, ...], *wants: bool) -> tuple[Tensor, Tensor, Tensor]:
    x, spectrum, dy, *rest = case
    return proven.forward(x, spectrum, *rest), *proven.gradients(x, spectrum, dy, *rest, *(wants or (True, True)))


def test_a_right_kernel_is_compared_once_and_then_used() -> None:
    fake, reference = Fake(), Fake()
    proven = Proven(fake, reference)
    for _ in range(3):
        _both(proven, _case())
    assert fake.calls == {"forward": 4, "gradients": 4}
    assert reference.calls == {"forward": 1, "gradients": 1}
    assert [verdict.proven for verdict in proven.verdicts] == [True, True]
    assert str(proven.verdicts[0]) == "forward of maps of (6, 7) on a grid of (6, 7) in torch.float32 on cpu"
    assert "relative error" in proven.verdicts[0].reason


@pytest.mark.parametrize("spectrum_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_a_low_precision_kernel_rounds_is_not_an_error(dtype: torch.dtype, spectrum_dtype: torch.dtype) -> None:
    x, spectrum, *rest = _case(dtype=dtype)
    proven = Proven(Fake(), Fake())
    _both(proven, (x, spectrum.to(spectrum_dtype), *rest))
    assert all(verdict.proven for verdict in proven.verdicts)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda result: result * (1 + 1e-4), "relative error 1.0e-04, limit 5e-06"),
        (lambda result: result * torch.nan, "relative error inf"),
        (lambda result: result.roll(1, 0), "relative error"),
        (_raise, "RuntimeError: no kernel image is available"),
    ],
    ids=["coarse", "nan", "another plane", "raises"],
)
def test_a_wrong_kernel_is_never_used_and_said_once(spoil: Any, reason: str) -> None:
    fake = Fake(spoil)
    proven = Proven(fake, _products)
    case = _case()
    x, spectrum, dy, *rest = case
    with pytest.warns(RuntimeWarning, match="report this together with the output of `nifconv doctor`") as caught:
        results = _both(proven, case)
    assert len(caught) == 1
    wanted: Any = (*rest, True, True)
    expected = _products.forward(x, spectrum, *rest), *_products.gradients(x, spectrum, dy, *wanted)
    torch.testing.assert_close(results, expected, rtol=0, atol=0)
    calls = dict(fake.calls)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _both(proven, case)
    assert fake.calls == calls
    assert [verdict.proven for verdict in proven.verdicts] == [False, False]
    assert all(reason in verdict.reason for verdict in proven.verdicts)
    assert reason in str(caught[0].message)


def test_each_shape_is_compared_by_itself() -> None:
    wrong_when_odd = Fake(lambda result: result * (1 + result.shape[2] % 2))
    proven = Proven(wrong_when_odd, _products)
    _both(proven, _case((6, 7)))
    with pytest.warns(RuntimeWarning, match=r"\(5, 7\)"):
        _both(proven, _case((5, 7)))
    assert [verdict.proven for verdict in proven.verdicts] == [True, True, False, False]


def test_a_gradient_that_nobody_wants_is_not_compared() -> None:
    proven = Proven(Fake(lambda dh: dh * 2 if dh.dim() == 5 else dh), _products)
    _both(proven, _case(), True, False)
    assert proven.verdicts[-1].proven


def test_other_layouts_are_compared_by_themselves() -> None:
    fake = Fake()
    proven = Proven(fake, _products)
    x, *rest = _case()
    del rest[1]
    proven.forward(x, *rest)
    proven.forward(x.contiguous(memory_format=torch.channels_last), *rest)
    assert len(proven.verdicts) == 2


def test_larger_batches_are_compared_by_themselves() -> None:
    proven = Proven(Fake(), _products)
    x, *rest = _case()
    del rest[1]
    for batch in (1, 2, 3, 4, 5):
        proven.forward(x[:1].expand(batch, -1, -1, -1), *rest)
    assert len(proven.verdicts) == 4  # 1, 2, 3 to 4, 5 to 8


def test_what_the_candidate_does_not_support_goes_to_the_reference_at_once() -> None:
    fake = Fake(_raise, supported=False)
    proven = Proven(fake, _products)
    _both(proven, _case())
    assert not fake.calls
    assert not proven.verdicts
    x, spectrum, _, *rest = _case()
    verdict = proven.verdict("forward", x, spectrum, *rest)
    assert (verdict.proven, verdict.reason) == (False, "no kernel is meant for it")


def test_too_little_memory_for_a_comparison_is_no_verdict() -> None:
    fake = Fake(_raise_memory)
    proven = Proven(fake, _products)
    _both(proven, _case())
    assert not proven.verdicts
    fake.spoil = lambda result: result
    _both(proven, _case())
    assert [verdict.proven for verdict in proven.verdicts] == [True, True]


def test_a_comparison_leaves_the_generators_alone() -> None:
    case = _case()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    _both(Proven(Fake(), _products), case)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
