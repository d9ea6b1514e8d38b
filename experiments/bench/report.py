"""REPORT.md from results.json and REPORT.md.j2."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.bench import dense
from experiments.bench.cases import Case
from experiments.bench.models import BAKED, SMALL, SPLIT
from experiments.bench.peers import FULL_COMPLEX, IMPLICIT, LOCAL, OURS, PUBLISHED, TEXTBOOK, TWO_MLPS
from experiments.study.report import render

Row = Mapping[str, Any]
_SMALL_MAPS, _LARGE_MAPS = 16, 28
_STEPS = {"resnet50": "at most 1.0", "convnext_tiny": "at most 0.9"}


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
    yield TWO_MLPS, "at least 6", _span(_ratios(data, TWO_MLPS, IMPLICIT))
    yield PUBLISHED, "at least 12", _span(_ratios(data, PUBLISHED, IMPLICIT))
    yield TEXTBOOK, "at least 4, nowhere below 1.8", _span(_ratios(data, TEXTBOOK))
    yield "nn.Conv2d 7x7", "at least 6", _span(_ratios(data, "nn.Conv2d 7x7"))
    small, middle, large = range(_SMALL_MAPS), range(_SMALL_MAPS, sys.maxsize), range(_LARGE_MAPS, sys.maxsize)
    on_middle, on_small = (_ratios(data, "nn.Conv2d 3x3", sizes=sizes) for sizes in (middle, small))
    yield f"nn.Conv2d 3x3, {_SMALL_MAPS} px and more", "at least 1.5", _span(on_middle)
    yield f"nn.Conv2d 3x3, less than {_SMALL_MAPS} px", "at least 0.7", _span(on_small)
    inference = _ratios(data, "nn.Conv2d 7x7", mode="forward")
    yield "nn.Conv2d 7x7, forward alone", "at least 0.95", _span(inference)
    local = _ratios(data, "nn.Conv2d 7x7", LOCAL, sizes=large)
    yield f"nn.Conv2d 7x7, over {LOCAL}, {_LARGE_MAPS} px and more", "at least 4", _span(local)
    whole = _ratios(data, "nn.Conv2d, kernel = map", sizes=large)
    yield f"nn.Conv2d, kernel = map, {_LARGE_MAPS} px and more", "at least 20", _span(whole)
    yield "fft-conv-pytorch, kernel = map", "at least 4", _span(_ratios(data, "fft-conv-pytorch, kernel = map"))
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
        yield f"{model}: training step over small kernels", _STEPS.get(model, "none"), f"{step:.2f}"
        memory = split["peak_bytes"] / small["peak_bytes"]
        yield f"{model}: peak training memory over small kernels", "at most 1", f"{memory:.3f}"
        for batch, timing in split["inference"].items():
            ratio = timing["median"] / small["inference"][batch]["median"]
            yield f"{model}: inference of {batch} over small kernels", "at most 1.05", f"{ratio:.2f}"
            baked = rows[BAKED]["inference"][batch]["median"] / small["inference"][batch]["median"]
            yield f"{model}: inference of {batch}, {BAKED}", "at most 1.1", f"{baked:.2f}"


def geometric_mean(ratios: Sequence[float]) -> float:
    """The exponential of the mean logarithm."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _ratios(
    data: Row, name: str, ours: str = OURS, *, sizes: range = range(sys.maxsize), mode: str = "training"
) -> list[float]:
    """Time of one formulation over that of ours, for each case on maps of these sizes that both were measured on."""
    times = {(row["case"], row["name"]): row[mode]["median"] for row in data["layers"] if row["size"] in sizes}
    cases = dict.fromkeys(case for case, _ in times)
    return [times[case, name] / times[case, ours] for case in cases if {(case, name), (case, ours)} <= times.keys()]


def _span(ratios: Sequence[float]) -> str:
    if not ratios:
        return "not measured"
    return f"{geometric_mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _roofline(data: Row) -> Iterator[dict[str, Any]]:
    """Each case with the time of its five transforms, the limit, and of the formulations that are made of them."""
    theirs = {(row["case"], row["name"]): row["training"]["median"] for row in data["layers"]}
    for row, sizes in zip(data["roofline"], data["settings"]["cases"], strict=True):
        case, parts = row["case"], row["parts"]
        times = {"textbook": theirs[case, TEXTBOOK], "full_complex": theirs[case, FULL_COMPLEX]}
        counts = Case(**sizes)
        rates = {"flops": counts.flops / row["training"], "bytes": counts.bytes / row["training"]}
        rates["copied"] = 8 * counts.batch * counts.channels * counts.size**2 / parts["copy"]
        rates["of_limit"] = rates["flops"] / (row["flops_in_cache"] * data["settings"]["threads"])
        yield {**row, **times, "limit": 3 * parts["rfft2"] + 2 * parts["irfft2"], "rates": rates}
