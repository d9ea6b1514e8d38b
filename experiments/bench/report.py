"""REPORT.md from results.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from experiments.bench.models import BAKED, SPLIT
from experiments.bench.peers import OURS

SMALL = "split, depthwise nn.Conv2d"


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md, with all its numbers from the content of results.json."""
    settings = data["settings"]
    return "\n".join(
        [
            "# Speed and memory of a kernel as large as the map",
            "",
            f"{settings['threads']} threads on {settings['processor']}, torch {settings['torch']}, float32, medians of "
            f"{settings['repeats']} rounds in which the contenders take turns; the machine was shared. Ratios above 1 "
            "mean that the other one takes longer. A layer's case is (batch, channels, map).",
            "",
            "## Against the bar",
            "",
            *_table(("line", "target", "measured"), (map(str, row) for row in verdicts(data))),
            *_layers(data, "training", "Forward and backward, time of the other over ours"),
            *_layers(data, "forward", "Forward, time of the other over ours"),
            *_memory(data),
            *_roofline(data),
            *_flatness(data),
            *_models(data),
            "Run it: `python -m experiments.bench`.",
            "",
        ]
    )


def verdicts(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(line of the bar, target, measured) for everything that the bar names."""
    for name, target in (("full complex FFT", "6"), ("textbook rfft2 / irfft2 with autograd", "1.8, nowhere below 1")):
        yield f"{name}, geometric mean", target, _span(_ratios(data, name))
    yield "full complex FFT, two MLPs, whole layers", "6", _span(_layer_ratios(data, "full complex FFT, two MLPs"))
    large = {28, 32, 56, 112}
    yield "nn.Conv2d 7x7 on maps of 28 and more", "1", _span(_ratios(data, "nn.Conv2d 7x7", large))
    yield "nn.Conv2d, kernel = map, 28 and more", "20", _span(_ratios(data, "nn.Conv2d, kernel = map", large))
    yield "fft-conv-pytorch, kernel = map", "4", _span(_ratios(data, "fft-conv-pytorch, kernel = map"))
    for mode, target in (("circular", "at most 1.15"), ("zeros", "none")):
        seconds = [row["median"] for row in data["flatness"] if row["padding_mode"] == mode]
        yield f"slowest over fastest kernel size, {mode} padding", target, f"{max(seconds) / min(seconds):.2f}"
    per_pixel, maps = data["growth"]["nanoseconds_per_pixel"], data["growth"]["maps"]
    bound = math.log2(maps[-1]) / math.log2(maps[0])
    yield (
        f"time per pixel, map {maps[-1]} over {maps[0]}",
        f"at most {bound:.2f}",
        f"{per_pixel[-1] / per_pixel[0]:.2f}",
    )
    for model in dict.fromkeys(row["model"] for row in data["models"]):
        rows = {row["variant"]: row for row in data["models"] if row["model"] == model}
        split, small = rows[SPLIT], rows[SMALL]
        step = split["training"]["median"] / small["training"]["median"]
        yield f"{model}: training step over small kernels", "1.5 (ResNet), 1.2 (ConvNeXt)", f"{step:.2f}"
        yield f"{model}: peak training memory", "1.05", f"{split['peak_bytes'] / small['peak_bytes']:.3f}"
        baked = rows[BAKED]["inference"]["median"] / small["inference"]["median"]
        yield f"{model}: inference, {BAKED}", "1.1", f"{baked:.2f}"


def geometric_mean(ratios: Sequence[float]) -> float:
    """The exponential of the mean logarithm."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _ratios(data: Mapping[str, Any], name: str, sizes: set[int] | None = None, mode: str = "training") -> list[float]:
    rows = [r for r in data["layers"] if r["name"] == name and (sizes is None or r["size"] in sizes)]
    return [r["times_ours"][mode] for r in rows]


def _layer_ratios(data: Mapping[str, Any], name: str) -> list[float]:
    """Against our whole layer, the evaluation of its filter included."""
    theirs = _ratios(data, name)
    ours = _ratios(data, "nifconv layer, implicit filter")
    return [a / b for a, b in zip(theirs, ours, strict=True)]


def _span(ratios: Sequence[float]) -> str:
    if not ratios:
        return "not measured"
    return f"{geometric_mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _layers(data: Mapping[str, Any], mode: str, title: str) -> list[str]:
    cases = list(dict.fromkeys(row["case"] for row in data["layers"]))
    by_place = {(row["name"], row["case"]): row for row in data["layers"]}
    names = list(dict.fromkeys(row["name"] for row in data["layers"]))

    def cell(name: str, case: str) -> str:
        row = by_place.get((name, case))
        if row is None:
            return ""
        if name == OURS:
            timing = row[mode]
            return f"{1e3 * timing['median']:.1f} ms ({1e3 * timing['low']:.1f} to {1e3 * timing['high']:.1f})"
        return f"{row['times_ours'][mode]:.2f}"

    lines = _table((mode, *cases), ((name, *(cell(name, case) for case in cases)) for name in names))
    return ["", f"## {title}", "", *lines]


def _memory(data: Mapping[str, Any]) -> list[str]:
    cases = list(dict.fromkeys(row["case"] for row in data["layers"]))
    by_place = {(row["name"], row["case"]): row for row in data["layers"] if row["peak_bytes"] is not None}
    names = list(dict.fromkeys(name for name, _ in by_place))

    def table(text: Callable[[Mapping[str, Any]], str]) -> list[str]:
        places = ((name, *(text(by_place[name, c]) if (name, c) in by_place else "" for c in cases)) for name in names)
        return _table(("", *cases), places)

    return [
        "",
        "## Peak memory of forward and backward, MB (measured allocations beyond the operands)",
        "",
        *table(lambda row: f"{row['peak_bytes'] / 1e6:.1f}"),
        "",
        "## Largest distance from float64, of output and gradients, relative to the largest entry",
        "",
        *table(lambda row: f"{row['error']:.0e}"),
    ]


def _roofline(data: Mapping[str, Any]) -> list[str]:
    others = ("textbook rfft2 / irfft2 with autograd", "full complex FFT")
    theirs = {(row["case"], row["name"]): row["training"]["median"] for row in data["layers"]}
    limits = {row["case"]: 3 * row["parts"]["rfft2"] + 2 * row["parts"]["irfft2"] for row in data["roofline"]}

    def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
        parts, limit = row["parts"], limits[row["case"]]
        times = (*(parts[p] for p in ("rfft2", "irfft2", "multiply", "copy")), limit, row["training"])
        ratios = (row["training"], *(theirs[row["case"], name] for name in others))
        return (row["case"], *(f"{1e3 * t:.1f}" for t in times), *(f"{t / limit:.2f}" for t in ratios))

    def at_best(name: str) -> str:
        return f"{geometric_mean([theirs[case, name] / limit for case, limit in limits.items()]):.2f}"

    parts = ("rfft2", "irfft2", "multiply", "copy", "3 rfft2 + 2 irfft2", "ours")
    header = ("case", *parts, "ours over limit", "textbook over limit", "full complex over limit")
    operations = (
        f"- {row['case']}: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in row["operations"].items())
        for row in data["roofline"]
    )
    return [
        "",
        "## Where the time goes, ms",
        "",
        "A step transforms x, y back, x again, dy, and dx back. The parts are torch.fft on the whole batch at once; "
        "where chunks stay in the cache, or matrix products take over, a step beats the sum of its parts.",
        "",
        *_table(header, map(cells, data["roofline"])),
        "",
        "A step of nothing but these five transforms, at the rate of torch.fft, would be "
        f"{at_best(others[0])} times as fast as the textbook and {at_best(others[1])} times as fast as the full "
        "complex FFT, in the geometric mean.",
        "",
        "Processor time of our step by operation:",
        "",
        *operations,
    ]


def _flatness(data: Mapping[str, Any]) -> list[str]:
    growth = data["growth"]
    rows = (
        (row["padding_mode"], str(row["kernel_size"]), *(f"{1e3 * row[key]:.1f}" for key in ("median", "low", "high")))
        for row in sorted(data["flatness"], key=lambda row: row["padding_mode"])
    )
    pixels = zip(map(str, growth["maps"]), (f"{t:.2f}" for t in growth["nanoseconds_per_pixel"]), strict=True)
    return [
        "",
        f"## Kernel size on a map of {data['settings']['kernel_map']}, FFT, forward and backward",
        "",
        "On a map that wraps around the grid is the map. Zeros around it make the grid grow with the kernel.",
        "",
        *_table(("padding", "taps per axis", "ms", "lower quartile", "upper quartile"), rows),
        "",
        "## Growth with the map, forward",
        "",
        f"Fit: {growth['fit']['constant']:.2f} + {growth['fit']['per_log2']:.2f} log2(N) ns per pixel; as a power of "
        f"N, {growth['power_of_n']:.2f}.",
        "",
        *_table(("N", "ns per pixel"), pixels),
    ]


def _models(data: Mapping[str, Any]) -> list[str]:
    def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
        step = f"{row['training']['median']:.2f}" if row["training"] else ""
        memory = f"{row['peak_bytes'] / 1e6:.0f}" if row["peak_bytes"] else ""
        return row["model"], row["variant"], step, memory, f"{row['inference']['median']:.2f}"

    header = ("model", "variant", "training step, s", "peak memory, MB", "inference, s")
    return ["", "## Whole models", "", *_table(header, map(cells, data["models"])), ""]


def _table(header: Sequence[str], rows: Any) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
