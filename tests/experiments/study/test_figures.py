"""Long tables, points, lines and the forest plot."""

import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats

from experiments.study import hits
from experiments.study.figures import forest, half_interval, lines, long_table, points, to_png

ROWS = [
    {
        "name": name,
        "width": 8,
        "curve": [1, 2],
        "runs": [{"seed": s, "hits": hits.pack(torch.arange(4) < s + more), "x": {"y": s}} for s in (1, 2, 3)],
    }
    for name, more in (("a", 0), ("b", 1))
]


def test_long_tables_have_a_line_for_each_run() -> None:
    table = long_table(ROWS)
    assert table["name"].tolist() == ["a"] * 3 + ["b"] * 3
    assert table["hits"].tolist() == [0.25, 0.5, 0.75, 0.5, 0.75, 1.0]
    assert table["x y"].tolist() == [1, 2, 3] * 2
    assert set(table) == {"name", "width", "run", "seed", "hits", "x y"}


def test_intervals_are_those_of_a_t_test() -> None:
    values = long_table(ROWS)["hits"][:3]
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert half_interval(values) == pytest.approx((interval.high - interval.low) / 2)
    assert half_interval(values[:1]) == 0


def test_points_and_lines_are_drawn_at_their_means() -> None:
    axes = Figure().subplots()
    points(axes, long_table(ROWS), "hits", "name", ["b", "missing", "a"])
    line = axes.containers[0].lines[0]
    assert line.get_xdata().tolist() == [0.75, 0.5]
    assert line.get_ydata().tolist() == [0, 2]
    lines(axes, long_table(ROWS), "seed", "hits")
    assert axes.containers[1].lines[0].get_ydata().tolist() == [0.375, 0.625, 0.875]


def test_decided_contrasts_are_filled_and_published_values_are_squares() -> None:
    contrast = {"label": "a - b", "low": 0.01, "estimate": 0.02, "high": 0.03}
    claim = {
        "study": "reach",
        "margin": 0.01,
        "scale": 100,
        "unit": "points",
        "limit": 0.0,
        "published": 0.05,
        "contrasts": [contrast],
    }
    figure = Figure()
    axes = figure.subplots()
    forest(axes, [{**claim, "verdict": "supported"}, {**claim, "verdict": "open", "published": None, "margin": None}])
    markers = {(line.get_marker(), line.get_markerfacecolor(), *line.get_xdata()) for line in axes.lines}
    circles = [(face, x) for marker, face, x, *_ in markers if marker == "o"]
    assert sorted(x for _, x in circles) == [2, 2]
    assert "white" in {face for face, _ in circles}
    assert [x for marker, _, x, *_ in markers if marker == "s"] == [5]
    assert len(axes.collections) == 1  # the band of the only margin
    assert [text.get_text() for text in axes.get_yticklabels()] == ["reach: a - b"] * 2
    assert to_png(figure).startswith(b"\x89PNG")
