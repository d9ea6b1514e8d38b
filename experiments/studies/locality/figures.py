"""The figures, drawn from the content of results.json alone."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from pandas import DataFrame

from experiments.studies.locality.claims import NONE, PROFILES
from experiments.study.figures import GREY, legend, lines, style, ticks, to_png
from experiments.study.report import Data

_STYLES = {
    NONE: style(-1, label="no penalty"),
    **{profile: style(index, label=profile) for index, profile in enumerate(PROFILES)},
}
_STYLES["uniform"]["label"] = "uniform (L2)"
_SIZE = (6.4, 4.2)


def kernels(data: Data) -> bytes:
    """Mean squared weight against distance from the centre, largest kernels."""
    size = max(data["settings"]["kernel_sizes"])
    rows = [row for row in data["rows"] if row["kernel_size"] == size]
    figure = Figure(figsize=_SIZE, layout="constrained")
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
    return to_png(figure)


def accuracy(data: Data) -> bytes:
    """Test accuracy by kernel size and penalty, mean and standard error."""
    sizes = data["settings"]["kernel_sizes"]
    table = DataFrame(
        {"place": sizes.index(row["kernel_size"]), "profile": row["profile"], "accuracy": 100 * accuracy}
        for row in data["rows"]
        for accuracy in row["accuracies"]
    )
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    styles = {profile: {**given, "linestyle": "none", "markersize": 6} for profile, given in _STYLES.items()}
    lines(axes, table, "place", "accuracy", "profile", styles, dodge=0.14)
    ticks(axes, range(len(sizes)), [f"{size}x{size}" for size in sizes])
    axes.set_xlabel("kernel size, pixels")
    axes.set_ylabel("test accuracy, % (mean ± standard error)")
    legend(figure, axes)
    return to_png(figure)


def tuning(data: Data) -> bytes:
    """Validation accuracy against the strength of each penalty."""
    sizes = data["settings"]["kernel_sizes"]
    rates, strengths = (DataFrame(data["tuning"][tried]) for tried in ("learning_rates", "strengths"))
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        _tuning_panel(axes, rates[rates["kernel_size"] == size], strengths[strengths["kernel_size"] == size])
        axes.set_title(f"{size}x{size}", fontsize=10.5)
    panels[0].set_ylabel("validation accuracy, %")
    legend(figure, panels[0])
    return to_png(figure)


def _tuning_panel(axes: Axes, rates: DataFrame, strengths: DataFrame) -> None:
    axes.axhline(100 * rates["accuracy"].max(), color=GREY, linestyle="--", label=_STYLES[NONE]["label"])
    for profile in PROFILES:
        tried = strengths[strengths["profile"] == profile]
        axes.plot(tried["strength"], 100 * tried["accuracy"], markersize=5, linewidth=1.6, **_STYLES[profile])
    axes.set_xscale("log")
    axes.set_xlabel("strength")
