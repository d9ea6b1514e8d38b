"""The figures of the report."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from experiments.studies.random_lc import variants
from experiments.studies.random_lc.variants import ENVELOPED, FREQUENCY, PLAIN, SMALLEST, Variant, taps
from experiments.study.figures import GREY, legend, lines, long_table, style, ticks, to_png
from experiments.study.report import Data

_STYLES = {
    "learned": style(0, linestyle="-"),
    "frozen": style(1, linestyle="--"),
}


def accuracy(data: Data) -> bytes:
    """Accuracy against E, frozen and learned, one panel for each kind of filter."""
    runs, plain = _runs(data, _grid(data)), _runs(data, [PLAIN])["accuracy"]
    families = _families(data)
    columns = (len(families) + 1) // 2
    figure = Figure(figsize=(3.1 * columns, 6.0), layout="constrained")
    panels = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
    for axes, family in zip(panels.flat, families, strict=True):
        axes.axhline(plain.mean(), color=GREY, linestyle=":", linewidth=1.5, label="plain 3x3", zorder=1)
        axes.axhspan(plain.mean() - plain.sem(), plain.mean() + plain.sem(), color=GREY, alpha=0.15, linewidth=0)
        lines(axes, runs[runs["family"] == family], "expansion", "accuracy", "filters", _STYLES)
        axes.set_xscale("log", base=2)
        ticks(axes, data["settings"]["expansions"])
        axes.set_title(family, fontsize=10.5)
    for axes in panels[:, 0]:
        axes.set_ylabel("test accuracy, %")
    legend(figure, panels[0, 0])
    figure.supxlabel(f"E, spatial filters for each output channel ({_repeats(data)})", fontsize=9.5)
    return to_png(figure)


def gap(data: Data) -> bytes:
    """The gap between learned and frozen filters against the size of the kernel."""
    sizes, expansions = data["settings"]["sizes"], data["settings"]["expansions"]
    families = _families(data)
    places = [*sizes, max(sizes) + 2, max(sizes) + 4]
    pairs = _runs(data, _grid(data)).pivot_table("accuracy", ["family", "expansion", "seed"], "filters").reset_index()
    pairs["gap"] = pairs["learned"] - pairs["frozen"]
    pairs["place"] = pairs["family"].map(dict(zip(families, places, strict=True)))
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    styles = {float(e): style(index, linewidth=1.8, label=f"E={e}") for index, e in enumerate(expansions)}
    apart = {e: {**given, "linestyle": "none", "label": ""} for e, given in styles.items()}
    given = pairs["place"] <= max(sizes)
    lines(axes, pairs[given], "place", "gap", "expansion", styles, dodge=0.12)
    lines(axes, pairs[~given], "place", "gap", "expansion", apart, dodge=0.12)
    axes.axhline(0, color=GREY, linewidth=1)
    ticks(axes, places, [*sizes, f"{max(sizes)}, under\na Gaussian", "frequency,\nglobal"])
    axes.set_xlabel(f"side of the kernel, pixels ({_repeats(data)})")
    axes.set_ylabel("learned - frozen, accuracy, points")
    axes.margins(x=0.08)
    axes.legend(frameon=False)
    return to_png(figure)


def robustness(data: Data) -> bytes:
    """Accuracy under attack against epsilon, one panel for each attack and E."""
    expansions, epsilons = data["settings"]["expansions"], [0, *data["settings"]["epsilons"]]
    table = DataFrame(
        {"name": row["name"], "attack": attack, "epsilon": epsilon, "accuracy": 100 * accuracy}
        for row in data["rows"]
        for run in row["runs"]
        for attack, accuracies in run.get("attacked", {}).items()
        for epsilon, accuracy in zip(epsilons, accuracies, strict=True)
    )
    attacks = list(dict.fromkeys(table["attack"]))
    figure = Figure(figsize=(3.1 * len(expansions), 2.9 * len(attacks)), layout="constrained")
    panels = figure.subplots(len(attacks), len(expansions), squeeze=False, sharex=True, sharey=True)
    for attack, in_line in zip(attacks, panels, strict=True):
        for axes, e in zip(in_line, expansions, strict=True):
            _attack_panel(axes, table[table["attack"] == attack], e)
            axes.set_title(f"{attack}, E={e}", fontsize=10.5)
            axes.set_xticks(epsilons)
        in_line[0].set_ylabel("accuracy, %")
    legend(figure, panels[0, 0])
    figure.supxlabel(f"change of a pixel, in 255ths of its range ({_repeats(data)})", fontsize=9.5)
    return to_png(figure)


def _attack_panel(axes: Axes, table: DataFrame, expansion: int) -> None:
    styles = {PLAIN.name: {"color": GREY, "linestyle": ":", "label": "plain 3x3", "capsize": 0}}
    for filters, given in _STYLES.items():
        variant = Variant(SMALLEST, filters == "learned", expansion)
        styles[variant.name] = {**given, "label": filters}
    lines(axes, table, "epsilon", "accuracy", "name", styles)


def _families(data: Data) -> list[str]:
    return [*map(taps, data["settings"]["sizes"]), ENVELOPED, FREQUENCY]


def _runs(data: Data, chosen: Iterable[Variant]) -> DataFrame:
    """Accuracy in % of the runs of some nets, and whether their filters are learned, in words."""
    names = {variant.name for variant in chosen}
    runs = long_table(row for row in data["rows"] if row["name"] in names)
    runs["accuracy"] *= 100
    runs["filters"] = runs["learned"].map({True: "learned", False: "frozen"})
    return runs


def _grid(data: Data) -> list[Variant]:
    return variants.grid(data["settings"]["sizes"], data["settings"]["expansions"])


def _repeats(data: Data) -> str:
    return f"mean and standard error, {len(data['settings']['seeds'])} seeds"
