"""One model of the sweep: converted, trained for a step, matched, baked, compared."""

from __future__ import annotations

import gc
import math
import time
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree

from experiments.zoo.models import Entry, is_transformer
from nifconv import SpatialFilter, bake, convert
from nifconv.conversion import convolutions

_KINDS = {
    "1x1": "1x1",
    "stride=": "strided",
    "stem": "stem",
    "padding=": "its padding changes the size of the map",
    "kept: its kernels differ": "its kernels differ between the maps that reach it",
    "kept: the example input": "not reached in eval mode",
}


def run_one(entry: Entry) -> dict[str, Any]:
    """One row of the table: plain data, with "failed" instead of numbers if the model could not be run."""
    torch.manual_seed(0)
    start = time.perf_counter()
    row: dict[str, Any] = {"name": entry.name, "library": entry.library, "part": entry.part}
    try:
        example = entry.example()
        row["input"] = [list(x.shape) for x in example]
        row["convolutions"] = len(convolutions(entry.make()))
        row["transformer"] = is_transformer(entry)
        row["split"] = _split(entry, example)
        gc.collect()
        row["matched"] = _matched(entry, example)
    except Exception as error:  # one model that cannot be run must not end the sweep of the others
        row["failed"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
    row["seconds"] = round(time.perf_counter() - start, 1)
    gc.collect()
    return row


def _split(entry: Entry, example: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """Converts with the defaults (depthwise global filters and 1x1), bakes, and runs forward and backward."""
    conversion = convert(entry.make(), inplace=True)
    decisions = conversion.report.decisions
    row: dict[str, Any] = {
        "replaced": len(conversion.report.replaced),
        "parameters_before": sum(d.parameters_before for d in decisions),
        "parameters_after": sum(d.parameters_after for d in decisions),
        "kept": dict(Counter(_short(d.reason) for d in conversion.report.kept)),
    }
    if row["replaced"]:
        report = bake(conversion.model, example).report
        row["baked"] = len(report.layers) - len(report.kept)
        row["bake_error"] = _number(report.error)
        row["bake_kept"] = dict(Counter(_short(layer.reason) for layer in report.kept))
        row["gradients_finite"] = _gradients_finite(conversion.model, example)
    return row


def _matched(entry: Entry, example: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """Replaces every convolution that can be replaced by one with the same taps, and bakes it."""
    conversion = convert(
        entry.make(),
        to="dense",
        filter=SpatialFilter,
        where=lambda name, conv: True,  # noqa: ARG005 - a pattern would be refused where nothing can be replaced
        match=True,
        example_input=example,
        inplace=True,
    )
    report = conversion.report
    row: dict[str, Any] = {
        "replaced": len(report.replaced),
        "residual": max((d.residual or 0.0 for d in report.replaced), default=0.0),
        "match_error": _number(report.output_change),
        "kept": dict(Counter(_short(d.reason) for d in report.kept)),
    }
    if report.replaced:
        row["bake_error"] = _number(bake(conversion.model, example).report.error)
    return row


def _gradients_finite(model: nn.Module, example: tuple[torch.Tensor, ...]) -> bool:
    """Whether one backward pass in train mode gives finite gradients, and some that are not zero."""
    model.train()
    outputs = _pytree.tree_leaves(model(*example))
    sum(y.float().square().mean() for y in outputs if isinstance(y, torch.Tensor) and y.requires_grad).backward()  # type: ignore[union-attr]
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return all(g.isfinite().all() for g in gradients) and any(g.abs().max() > 0 for g in gradients)


def _short(reason: str | None) -> str:
    """The kind of a reason, without the values of one layer."""
    reason = reason or ""
    for start, kind in _KINDS.items():
        if reason.startswith(start):
            return kind
    return reason.split(";")[0].removesuffix(", and its forward may differ")


def _number(value: float | None) -> float | None:
    """None for infinity and NaN, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None
