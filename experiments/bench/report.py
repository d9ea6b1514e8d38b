"""REPORT.md from results.json and REPORT.md.j2."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.bench import dense
from experiments.bench.cases import Case
from experiments.bench.models import BAKED, SMALL, SPLIT
from experiments.bench.peers import OURS
from experiments.study.report import render

Row = Mapping[str, Any]
_TEXTBOOK, _FULL_COMPLEX = "textbook rfft2 / irfft2 with autograd", "full complex FFT"


def to_markdown(data: Row) -> str:
    """The content of REPORT.md, with all its numbers from the content of results.json."""
    roofline = list(_roofline(data))
    over_limit = {name: [row[name] / row["limit"] for row in roofline] for name in ("textbook", "full_complex")}
    return render(
        Path(__file__).with_name("REPORT.md.j2"),
        data,
        ours=OURS,
        cases=list(dict.fromkeys(row["case"] for row in data["layers"])),
        verdicts=verdicts(data),
        roofline=roofline,
        at_best={name: geometric_mean(ratios) for name, ratios in over_limit.items()},
    )


def verdicts(data: Row) -> Iterator[tuple[str, str, str]]:
    """(line of the bar, target, measured) for everything that the bar names."""
    yield f"{_FULL_COMPLEX}, geometric mean", "6", _span(_ratios(data, _FULL_COMPLEX))
    yield f"{_TEXTBOOK}, geometric mean", "1.8, nowhere below 1", _span(_ratios(data, _TEXTBOOK))
    yield "full complex FFT, two MLPs, whole layers", "6", _span(_layer_ratios(data, "full complex FFT, two MLPs"))
    large = {28, 32, 56, 112}
    yield "nn.Conv2d 7x7 on maps of 28 and more", "1", _span(_ratios(data, "nn.Conv2d 7x7", large))
    yield "nn.Conv2d, kernel = map, 28 and more", "20", _span(_ratios(data, "nn.Conv2d, kernel = map", large))
    yield "fft-conv-pytorch, kernel = map", "4", _span(_ratios(data, "fft-conv-pytorch, kernel = map"))
    for name, target in ((dense.GLOBAL, "at most 3"), (dense.LC, "at most 2")):
        yield f"{name}, training step", target, _span([row["ratio"] for row in data["dense"] if row["name"] == name])
    for mode, target in (("circular", "at most 1.15"), ("zeros", "none")):
        seconds = [row["median"] for row in data["flatness"] if row["padding_mode"] == mode]
        yield f"slowest over fastest kernel size, {mode} padding", target, f"{max(seconds) / min(seconds):.2f}"
    per_pixel, maps = data["growth"]["nanoseconds_per_pixel"], data["growth"]["maps"]
    bound, measured = math.log2(maps[-1]) / math.log2(maps[0]), per_pixel[-1] / per_pixel[0]
    yield f"time per pixel, map {maps[-1]} over {maps[0]}", f"at most {bound:.2f}", f"{measured:.2f}"
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


def _ratios(data: Row, name: str, sizes: set[int] | None = None) -> list[float]:
    """Time of a training step over ours, for each case, or for those on maps of certain sizes."""
    rows = [row for row in data["layers"] if row["name"] == name and (sizes is None or row["size"] in sizes)]
    return [row["times_ours"]["training"] for row in rows]


def _layer_ratios(data: Row, name: str) -> list[float]:
    """Against our whole layer, the evaluation of its filter included."""
    ours = _ratios(data, "nifconv layer, implicit filter")
    return [a / b for a, b in zip(_ratios(data, name), ours, strict=True)]


def _span(ratios: Sequence[float]) -> str:
    if not ratios:
        return "not measured"
    return f"{geometric_mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _roofline(data: Row) -> Iterator[dict[str, Any]]:
    """Each case with the time of its five transforms, the limit, and of the formulations that are made of them."""
    theirs = {(row["case"], row["name"]): row["training"]["median"] for row in data["layers"]}
    for row, sizes in zip(data["roofline"], data["settings"]["cases"], strict=True):
        case, parts = row["case"], row["parts"]
        times = {"textbook": theirs[case, _TEXTBOOK], "full_complex": theirs[case, _FULL_COMPLEX]}
        counts = Case(**sizes)
        rates = {"flops": counts.flops / row["training"], "bytes": counts.bytes / row["training"]}
        rates["copied"] = 8 * counts.batch * counts.channels * counts.size**2 / parts["copy"]
        yield {**row, **times, "limit": 3 * parts["rfft2"] + 2 * parts["irfft2"], "rates": rates}
