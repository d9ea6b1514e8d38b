"""Lines of figures are means and standard errors of runs."""

import pytest
from matplotlib.figure import Figure
from pandas import DataFrame

from experiments.study.figures import legend, lines, long_table, style, ticks, to_png


def test_rows_become_one_line_for_each_run() -> None:
    rows = [{"name": "a", "runs": [{"seed": 0, "accuracy": 1.0}, {"seed": 1, "accuracy": 0.5}]}]
    table = long_table(rows)
    assert table[["name", "seed", "accuracy"]].to_numpy().tolist() == [["a", 0, 1.0], ["a", 1, 0.5]]


def test_lines_show_means_and_standard_errors() -> None:
    table = DataFrame({"x": [1, 1, 1, 2, 2, 2], "y": [1.0, 2.0, 6.0, 4.0, 4.0, 4.0], "net": "a"})
    axes = Figure().subplots()
    lines(axes, table, "x", "y", "net", {"a": style(0), "b": style(1)}, dodge=0.5)
    shown = axes.containers[0]
    assert shown.lines[0].get_xdata().tolist() == [0.75, 1.75]
    assert shown.lines[0].get_ydata().tolist() == [3.0, 4.0]
    (low, high), _ = (segment[:, 1] for segment in shown.lines[2][0].get_segments())
    assert (high - low) / 2 == pytest.approx((14 / 2 / 3) ** 0.5)
    assert axes.get_legend_handles_labels()[1] == ["a", "b"]


def test_the_same_figure_is_the_same_bytes() -> None:
    def draw() -> bytes:
        figure = Figure()
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], label="line")
        ticks(axes, [1, 2], ["one", "two"])
        legend(figure, axes)
        return to_png(figure)

    assert draw() == draw()
    assert draw().startswith(b"\x89PNG")
