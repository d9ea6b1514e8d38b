"""Timing side by side, and the table of crossovers made from it."""

from collections.abc import Mapping
from typing import Any

import pytest

from nifconv.spectral import _timing


def test_contenders_take_turns_and_warming_up_does_not_count() -> None:
    turns: list[str] = []
    calls: dict[str, Any] = {name: (lambda name=name: turns.append(name)) for name in ("a", "b")}
    timings = _timing.side_by_side(calls, 3, warmup=1)
    assert turns == ["a", "b"] * 4
    assert all(t.low <= t.median <= t.high for t in timings.values())
    (single,) = _timing.side_by_side({"a": calls["a"]}, 1).values()
    assert single.low == single.median == single.high


def test_crossovers_pass_over_single_losses_and_stop_at_two_clear_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = iter([0.5, 2.1, 0.3, 1.6, 1.7] + [0.5, 2.0, 2.0] * 15)

    def timed(calls: Mapping[str, Any], _: int, clock: Any) -> dict[str, _timing.Timing]:
        assert clock is _timing.wall
        ratio = next(ratios)
        return {name: _timing.Timing(*[ratio if name == "direct" else 1.0] * 3) for name in calls}

    monkeypatch.setattr(_timing, "side_by_side", timed)
    monkeypatch.setattr(_timing.native, "engine", lambda: "present")
    rows = list(_timing.crossovers(batch=1, channels=2, maps=(8,), taps=(1, 3, 5, 7, 9, 11)))
    assert rows == [
        ("inference", "depthwise", 64, 25),
        ("inference", "depthwise native", 64, 1),
        ("inference", "depthwise circular", 64, 1),
        ("inference", "depthwise circular native", 64, 1),
        ("inference", "dense", 64, 1),
        ("inference", "dense native", 64, 1),
        ("inference", "dense circular", 64, 1),
        ("inference", "dense circular native", 64, 1),
        ("training", "depthwise", 64, 1),
        ("training", "depthwise native", 64, 1),
        ("training", "depthwise circular", 64, 1),
        ("training", "depthwise circular native", 64, 1),
        ("training", "dense", 64, 1),
        ("training", "dense native", 64, 1),
        ("training", "dense circular", 64, 1),
        ("training", "dense circular native", 64, 1),
    ]
    assert not list(ratios)
    table = _timing.as_table(rows, processor="any")
    assert table.limits["inference"]["depthwise"] == [(64, 25)]
    assert table.origin["processor"] == "any"


@pytest.mark.parametrize(
    ("ratios", "limits"),
    [
        ([[0.5, 0.6, 0.7], [0.5, 0.6, 2.0], [0.9, 2.0, 2.0]], [3, 2, 1]),
        ([[0.5, 1.1, 1.1], [0.5, 0.5, 2.0]], [2, 2]),  # the smaller map was disturbed
        ([[0.5, 2.0, 2.0], [0.5, 0.9, 2.0]], [1, 1]),  # the larger one
        ([[2.0, 2.0], [0.9, 1.2, 1.5]], [0, 0]),
        ([[1.0, 1.0]], [0]),
    ],
)
def test_limits_lose_least_and_never_grow_with_the_map(ratios: list[list[float]], limits: list[int]) -> None:
    assert _timing._limits(ratios, 3) == limits
