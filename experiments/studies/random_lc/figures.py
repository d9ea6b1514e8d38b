"""The figures of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.studies.random_lc.variants import ENVELOPED, FREQUENCY, PLAIN, SMALLEST, Variant, taps
from experiments.study.figures import MARKERS, PALETTE, tidy, to_png
from experiments.study.statistics import spread

Data = Mapping[str, Any]
_STYLES: Mapping[bool, Mapping[str, Any]] = {
    True: {"color": PALETTE[0], "marker": MARKERS[0], "linestyle": "-", "label": "learned"},
    False: {"color": PALETTE[1], "marker": MARKERS[1], "linestyle": "--", "label": "frozen"},
}
_GREY = PALETTE[-1]


def accuracy(data: Data) -> bytes:
    """Accuracy against E, frozen and learned, one panel for each kind of filter."""
    families = [*map(taps, data["settings"]["sizes"]), ENVELOPED, FREQUENCY]
    columns = (len(families) + 1) // 2
    figure = Figure(figsize=(3.1 * columns, 6.0), layout="constrained")
    panels = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
    for axes, family in zip(panels.flat, families, strict=True):
        _against_expansion(axes, data, family)
    for axes in panels[:, 0]:
        axes.set_ylabel("test accuracy, %")
    _legend(figure, panels[0, 0])
    figure.supxlabel(f"E, spatial filters for each output channel ({_repeats(data)})", fontsize=9.5)
    return to_png(figure)


def gap(data: Data) -> bytes:
    """The gap between learned and frozen filters against the size of the kernel."""
    settings = data["settings"]
    sizes, expansions = settings["sizes"], settings["expansions"]
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    others = [ENVELOPED, FREQUENCY]
    places = [max(sizes) + 2 * (number + 1) for number in range(len(others))]
    for number, e in enumerate(expansions):
        style = {"color": PALETTE[number], "marker": MARKERS[number], "capsize": 3, "linewidth": 1.8}
        shift = 0.12 * (number - (len(expansions) - 1) / 2)
        _points(axes, sizes, [_gap(data, taps(size), e) for size in sizes], shift, **style, label=f"E={e}")
        _points(axes, places, [_gap(data, family, e) for family in others], shift, **{**style, "linestyle": "none"})
    axes.axhline(0, color=_GREY, linewidth=1)
    labels = [*map(str, sizes), f"{max(sizes)}, under\na Gaussian", "frequency,\nglobal"]
    axes.set_xticks([*sizes, *places], labels)
    axes.set_xlabel(f"side of the kernel, pixels ({_repeats(data)})")
    axes.set_ylabel("learned - frozen, accuracy, points")
    axes.margins(x=0.08)
    axes.legend(frameon=False)
    tidy(axes)
    return to_png(figure)


def robustness(data: Data) -> bytes:
    """Accuracy under attack against epsilon, one panel for each attack and E."""
    settings = data["settings"]
    attacks = list(_row(data, PLAIN)["runs"][0]["attacked"])
    epsilons, expansions = [0, *settings["epsilons"]], settings["expansions"]
    figure = Figure(figsize=(3.1 * len(expansions), 2.9 * len(attacks)), layout="constrained")
    panels = figure.subplots(len(attacks), len(expansions), squeeze=False, sharex=True, sharey=True)
    for attack, line in zip(attacks, panels, strict=True):
        for axes, e in zip(line, expansions, strict=True):
            plain: dict[str, Any] = {"color": _GREY, "linestyle": ":", "label": "plain 3x3"}
            _points(axes, epsilons, _attacked(data, PLAIN, attack), **plain)
            for learned, style in _STYLES.items():
                _points(axes, epsilons, _attacked(data, Variant(SMALLEST, learned, e), attack), **style, capsize=3)
            axes.set_title(f"{attack}, E={e}", fontsize=10.5)
            axes.set_xticks(epsilons)
            tidy(axes)
        line[0].set_ylabel("accuracy, %")
    _legend(figure, panels[0, 0])
    figure.supxlabel(f"change of a pixel, in 255ths of its range ({_repeats(data)})", fontsize=9.5)
    return to_png(figure)


def _against_expansion(axes: Axes, data: Data, family: str) -> None:
    expansions = data["settings"]["expansions"]
    plain = _row(data, PLAIN)
    mean, error = 100 * plain["mean"], 100 * plain["error"]
    axes.axhline(mean, color=_GREY, linestyle=":", linewidth=1.5, label="plain 3x3", zorder=1)
    axes.axhspan(mean - error, mean + error, color=_GREY, alpha=0.15, linewidth=0)
    for learned, style in _STYLES.items():
        found = [_row(data, Variant(family, learned, e)) for e in expansions]
        _points(axes, expansions, found, **style, capsize=3)
    axes.set_xscale("log", base=2)
    axes.set_xticks(expansions, [str(e) for e in expansions])
    axes.minorticks_off()
    axes.set_title(family, fontsize=10.5)
    tidy(axes)


def _points(
    axes: Axes, places: Sequence[float], found: Iterable[Mapping[str, Any]], shift: float = 0.0, **style: Any
) -> None:
    pairs = [(100 * one["mean"], 100 * one["error"]) for one in found]
    means, errors = zip(*pairs, strict=True)
    axes.errorbar([place + shift for place in places], means, yerr=errors, **style)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)


def _repeats(data: Data) -> str:
    return f"mean and standard error, {len(data['settings']['seeds'])} seeds"


def _row(data: Data, variant: Variant) -> Mapping[str, Any]:
    return next(row for row in data["rows"] if row["name"] == variant.name)


def _gap(data: Data, family: str, expansion: int) -> Mapping[str, Any]:
    learned, frozen = (_row(data, Variant(family, one, expansion))["runs"] for one in (True, False))
    return spread([one["accuracy"] - other["accuracy"] for one, other in zip(learned, frozen, strict=True)])


def _attacked(data: Data, variant: Variant, attack: str) -> list[Mapping[str, Any]]:
    by_seed = [run["attacked"][attack] for run in _row(data, variant)["runs"]]
    return [spread(accuracies) for accuracies in zip(*by_seed, strict=True)]
