"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure
from pandas import DataFrame

from experiments.nets.blocks import KINDS
from experiments.studies.frozen.arms import LC, PLAIN
from experiments.study.figures import GREY, lines, long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Accuracy against E, frozen and learned, and the price of freezing four kinds of nets; PNG."""
    runs = long_table(data["rows"])
    runs["accuracy"] = 100 * runs["hits"]
    made = Figure(figsize=(7.2, 3.2), layout="constrained")
    rises, price = made.subplots(1, 2)
    main = runs[(runs["kind"] == LC) & (runs["kernel_size"] == 3) & (runs["bank"] == 0) & (runs["sized_as"] == 0)]
    for index, (learned, label) in enumerate({True: "learned", False: "frozen"}.items()):
        lines(rises, main[main["learned"] == learned], "expansion", "accuracy", **style(index, label=label))
    rises.axhline(runs[runs["kind"] == PLAIN]["accuracy"].mean(), color=GREY, linestyle=":", label="plain 3x3")
    rises.set_xscale("log", base=2)
    rises.set_xticks(sorted(set(main["expansion"])), sorted(set(main["expansion"])))
    rises.set(xlabel="E, spatial filters for each output channel", ylabel="test accuracy, %")
    rises.legend(frameon=False, fontsize=9)
    points(price, _gaps(runs[runs["kind"].isin(KINDS)]), "gap", "kind", list(KINDS), **style(2))
    price.axvline(0, color=GREY, linewidth=1)
    price.set_xlabel("learned - frozen, points")
    return to_png(made)


def _gaps(runs: DataFrame) -> DataFrame:
    """Learned minus frozen, by kind and seed."""
    wide = runs.pivot_table("accuracy", ["kind", "seed"], "learned").reset_index()
    return wide.assign(gap=wide[True] - wide[False])
