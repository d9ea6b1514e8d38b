"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.studies.locality.run import NONE
from experiments.study.figures import GREY, long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Accuracy relative to the net without a penalty, seed by seed, and the energy at the centre; PNG."""
    runs = long_table(data["rows"])
    base = runs[runs["name"] == NONE].set_index("seed")["hits"]
    runs["gain"] = 100 * (runs["hits"] - runs["seed"].map(base))
    runs["centre"] = 100 * runs["centre share"]
    order = list(dict.fromkeys(runs["name"]))
    made = Figure(figsize=(7.2, 2.6), layout="constrained")
    gain, centre = made.subplots(1, 2)
    points(gain, runs[runs["name"] != NONE], "gain", "name", order[1:], **style(0))
    points(centre, runs, "centre", "name", order, **style(1))
    gain.axvline(0, color=GREY, linewidth=1)
    gain.set_xlabel("accuracy - that without a penalty, points")
    centre.set_xlabel("energy within 3x3 of the kernels, %")
    return to_png(made)
