"""The figures, drawn from the content of results.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.studies.locality.verdict import NONE, PROFILES
from experiments.study.figures import MARKERS, PALETTE, tidy, to_png

_LABELS = {
    NONE: "no penalty",
    "uniform": "uniform (L2)",
    "linear": "linear",
    "quadratic": "quadratic",
    "inverted": "inverted",
}
_STYLES: dict[str, dict[str, Any]] = {
    profile: {"color": color, "marker": marker, "label": _LABELS[profile]}
    for profile, color, marker in zip((NONE, *PROFILES), (PALETTE[-1], *PALETTE), (MARKERS[-1], *MARKERS), strict=False)
}
_SPREAD = 0.14
"""Between the penalties of one kernel size, where sizes are 1 apart."""


def kernels(data: Mapping[str, Any]) -> bytes:
    """Mean squared weight against distance from the centre, largest kernels."""
    size = max(data["settings"]["kernel_sizes"])
    rows = [row for row in data["rows"] if row["kernel_size"] == size]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    initial = rows[0]["by_distance"]["initial"]
    axes.plot(range(len(initial)), initial, color="#999999", linestyle="--", linewidth=2, label="at initialisation")
    for row in rows:
        trained = row["by_distance"]["trained"]
        axes.plot(range(len(trained)), trained, markersize=6, linewidth=1.8, **_STYLES[row["profile"]])
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("distance from the centre, pixels")
    axes.set_ylabel("mean squared weight / mean of the kernel")
    axes.set_title(f"Trained {size}x{size} kernels, each penalty at its best strength", fontsize=10.5)
    axes.legend(frameon=False, fontsize=9)
    tidy(axes)
    return to_png(figure)


def accuracy(data: Mapping[str, Any]) -> bytes:
    """Test accuracy by kernel size and penalty, mean and standard error."""
    sizes = data["settings"]["kernel_sizes"]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for place, (profile, style) in enumerate(_STYLES.items()):
        rows = [row for row in data["rows"] if row["profile"] == profile]
        offset = _SPREAD * (place - (len(_STYLES) - 1) / 2)
        means, errors = ([100 * row["accuracy"][key] for row in rows] for key in ("mean", "error"))
        at = [index + offset for index in range(len(sizes))]
        axes.errorbar(at, means, yerr=errors, linestyle="none", capsize=3, markersize=6, **style)
    axes.set_xticks(range(len(sizes)), [f"{size}x{size}" for size in sizes])
    axes.set_xlabel("kernel size, pixels")
    axes.set_ylabel("test accuracy, % (mean ± standard error)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False, fontsize=9)
    tidy(axes)
    return to_png(figure)


def tuning(data: Mapping[str, Any]) -> bytes:
    """Validation accuracy against the strength of each penalty."""
    sizes = data["settings"]["kernel_sizes"]
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        _tuning_panel(axes, data["tuning"], size)
    panels[0].set_ylabel("validation accuracy, %")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=5, frameon=False, fontsize=9)
    return to_png(figure)


def _tuning_panel(axes: Axes, trials: Mapping[str, Any], size: int) -> None:
    unpenalised = max(one["accuracy"] for one in trials["learning_rates"] if one["kernel_size"] == size)
    axes.axhline(100 * unpenalised, color=_STYLES[NONE]["color"], linestyle="--", label=_LABELS[NONE])
    for profile in PROFILES:
        tried = [one for one in trials["strengths"] if one["kernel_size"] == size and one["profile"] == profile]
        strengths, accuracies = [one["strength"] for one in tried], [100 * one["accuracy"] for one in tried]
        axes.plot(strengths, accuracies, markersize=5, linewidth=1.6, **_STYLES[profile])
    axes.set_xscale("log")
    axes.set_xlabel("strength")
    axes.set_title(f"{size}x{size}", fontsize=10.5)
    tidy(axes)
