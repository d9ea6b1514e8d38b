"""The table of speedups, measured with fake backends and a fake clock."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from nifconv.spectral import _products
from nifconv.spectral.fused._speedups import Speedups, measure

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


class Slow:
    """The products by torch.fft, for a given number of seconds each."""

    def __init__(self, clock: Clock, product: Callable[[int], float], gradients: Callable[[int], float]) -> None:
        self._clock, self._product, self._gradients = clock, product, gradients

    def forward(self, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        self._clock.now += self._product(x[0, 0].numel())
        return _products.forward(x, *rest)

    def gradients(self, x: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self._clock.now += self._gradients(x[0, 0].numel())
        return _products.gradients(x, *rest)


@pytest.fixture
def table() -> Speedups:
    clock = Clock()
    reference = Slow(clock, lambda _: 1.0, lambda _: 2.0)
    # Twice as fast on the smaller map, half as fast on the larger one, and slower still with gradients.
    candidate = Slow(clock, lambda pixels: 0.5 if pixels < 100 else 2.0, lambda _: 4.0)
    return measure(candidate, reference, SHAPES, torch.device("cpu"), "a device", clock.time)


def test_ratios_are_time_over_time(table: Speedups) -> None:
    for dtype in ("float32", "float16", "bfloat16"):
        assert table.ratios["inference"][dtype] == [(49, 2.0), (196, 0.5)]
        assert table.ratios["training"][dtype] == [(49, pytest.approx(3 / 4.5)), (196, 0.5)]


@pytest.mark.parametrize(
    ("pixels", "training", "expected"),
    [(49, False, True), (64, False, True), (150, False, False), (196, False, False), (49, True, False)],
)
def test_a_slow_kernel_is_not_preferred(table: Speedups, pixels: int, training: bool, expected: bool) -> None:
    assert table.prefers_fused("a device", torch.bfloat16, pixels, training=training) is expected


@pytest.mark.parametrize(
    ("device", "dtype", "pixels"),
    [("another device", torch.float32, 49), ("a device", torch.float64, 49), ("a device", torch.float32, 36)],
)
def test_what_was_not_measured_is_not_preferred(table: Speedups, device: str, dtype: torch.dtype, pixels: int) -> None:
    assert not table.prefers_fused(device, dtype, pixels, training=False)


def test_a_table_is_read_as_it_was_written(table: Speedups, tmp_path: Path) -> None:
    table.save(tmp_path / "table.json")
    assert Speedups.load(tmp_path / "table.json") == table


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"device": "a", "ratios": {"inference": {}}}',
        '{"device": "a", "ratios": {"inference": {}, "training": {"float32": [[49]]}}}',
        '{"device": "a", "ratios": {"inference": {}, "training": {"float32": [[0, 1.0]]}}}',
        '{"device": "a", "ratios": {"inference": {}, "training": {"float32": [[49, NaN]]}}}',
    ],
)
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"table\.json is not a table of speedups"):
        Speedups.load(path)
