"""The table of speedups, measured with fake backends and a fake clock."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from nifconv.spectral import _products
from nifconv.spectral.fused import Proven, examine
from nifconv.spectral.fused._speedups import DTYPES, Speedups, measure
from tests.spectral.fused.test_proof import Fake

CPU = torch.device("cpu")
SHAPES = [(2, 3, 7, 7), (2, 3, 14, 14)]


class Clock:
    """Time that passes only where a backend says so."""

    now = 0.0

    def time(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        seconds = {}
        for name, call in calls.items():
            start = self.now
            call()
            seconds[name] = self.now - start
        return seconds


class Slow(Fake):
    """The products by torch.fft, for a given number of seconds each."""

    def __init__(self, clock: Clock, product: Callable[[int], float], gradients: Callable[[int], float]) -> None:
        super().__init__()
        self._clock, self._product, self._gradients = clock, product, gradients

    def forward(self, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        self._clock.now += self._product(x[0, 0].numel())
        return super().forward(x, *rest)

    def gradients(self, x: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self._clock.now += self._gradients(x[0, 0].numel())
        return super().gradients(x, *rest)


@pytest.fixture
def table() -> Speedups:
    clock = Clock()
    reference = Slow(clock, lambda _: 1.0, lambda _: 2.0)
    # Twice as fast on the smaller map, half as fast on the larger one, and the gradients always slower.
    candidate = Slow(clock, lambda pixels: 0.5 if pixels < 100 else 2.0, lambda _: 4.0)
    return measure(Proven(candidate, reference), reference, SHAPES, CPU, clock.time)


def test_ratios_are_time_over_time(table: Speedups) -> None:
    for dtype in DTYPES:
        assert table.ratios["forward"][dtype] == [(49, 2.0), (196, 0.5)]
        assert table.ratios["gradients"][dtype] == [(49, 0.5), (196, 0.5)]


@pytest.mark.parametrize(
    ("pixels", "direction", "expected"),
    [
        (49, "forward", True),
        (64, "forward", True),
        (150, "forward", False),
        (196, "forward", False),
        (49, "gradients", False),
    ],
)
def test_a_slow_kernel_is_not_preferred(table: Speedups, pixels: int, direction: str, expected: bool) -> None:
    assert table.prefers_fused(direction, torch.bfloat16, pixels) is expected


@pytest.mark.parametrize(("dtype", "pixels"), [(torch.float64, 49), (torch.float32, 36), (torch.float32, 225)])
def test_what_was_not_measured_is_not_preferred(table: Speedups, dtype: torch.dtype, pixels: int) -> None:
    assert not table.prefers_fused("forward", dtype, pixels)


def test_a_wrong_kernel_is_not_timed() -> None:
    wrong = Proven(Fake(lambda result: result * 2), _products)
    with pytest.warns(RuntimeWarning, match="report this"):
        table = measure(wrong, _products, SHAPES, CPU, Clock().time)
    assert not any(rows for by_dtype in table.ratios.values() for rows in by_dtype.values())


def test_an_examination_says_what_is_right_what_is_wrong_and_what_is_not_meant() -> None:
    small_and_even = Fake(lambda result: result * (1 + result.shape[2] % 2))
    small_and_even.supports = lambda x, *_, gradients: x.shape[2] < 10 and not gradients  # type: ignore[method-assign]
    with pytest.warns(RuntimeWarning, match=r"\(7, 7\)"):
        verdicts = list(examine(Proven(small_and_even, _products), [(1, 2, n, n) for n in (6, 7, 14)], CPU))
    assert len(verdicts) == 3 * 2 * len(DTYPES)
    found = {(v.dtype, v.direction, v.size[0]): v for v in verdicts}
    assert found[torch.float32, "forward", 6].proven
    assert "relative error" in found[torch.float16, "forward", 7].reason
    assert found[torch.bfloat16, "gradients", 6].reason == "no kernel is meant for it"


def test_parsing_gives_the_table_back(table: Speedups) -> None:
    assert Speedups.parse(table.ratios) == table


@pytest.mark.parametrize("row", [(0, 1.0), (49, 0.0)])
def test_values_that_cannot_be_are_refused(row: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match=r"must be above 0, but are \[\((0|49), (0|1)\.0\)\]"):
        Speedups.parse({"forward": {}, "gradients": {"float32": [row]}})
