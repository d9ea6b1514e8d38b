"""Random frequency layers on random maps, under random transforms, against an oracle in float64."""

from __future__ import annotations

import copy
import functools
import math
import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experiments.soak.oracle import Oracle
from experiments.soak.transforms import TRANSFORMS
from nifconv import Envelope, FilterBank, ImplicitFilter, SpatialFilter, TableFilter, frozen, niff_tiny
from nifconv.layers import layer_class, lc_class

PRIMES = (2, 3, 5, 7, 11, 13, 17, 31, 37, 61, 67, 127, 131, 257, 509, 521, 1021, 1031, 2039)
LARGEST = {1: 2048, 2: 5000, 3: 1200}
"""Pixels of a map, by its axes."""
WORK = 3e7
"""Multiplications of the oracle, above which a case is drawn again."""
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""Largest error relative to the largest entry, of outputs and gradients alike."""


@dataclass(frozen=True)
class Case:
    """One layer, its input and what is done with them."""

    block: bool
    ndim: int
    options: dict[str, Any]
    filter: str
    size: tuple[int, ...]
    batch: int | None
    dtype: torch.dtype
    layout: str
    transform: str


def draw(seed: int) -> Case:
    """The case of a seed."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    while True:
        case = _draw(chance)
        if _work(case) <= WORK:
            return case


def check(seed: int) -> dict[str, Any]:
    """Compares every tensor of a case with the oracle's.

    Raises:
        AssertionError: they differ, or one of the two refuses the case and the other does not.
    """
    case = draw(seed)
    torch.manual_seed(seed)
    layer = _build(case, seed)
    exact = Oracle(copy.deepcopy(layer).double())
    x = _input(case)
    ours, expected = TRANSFORMS[case.transform]
    try:
        reference = [one.detach() for one in expected(exact, x.double().contiguous(), seed)]
    except (RuntimeError, ValueError) as error:
        return _both_refuse(case, layer, x, error)
    if any(float(one.abs().max()) > 0.01 * torch.finfo(case.dtype).max for one in reference if one.numel()):
        return {"outcome": "beyond the range of the dtype"}
    # What should be zero, such as the gradient of a phase at frequency zero, is rounding of what is not.
    least = 0.1 * max(float(one.abs().max()) for one in (x, *reference) if one.numel()) if x.numel() else 1.0
    worst = _distance(ours(layer, x, seed), reference, least, case)
    if worst > TOLERANCES[case.dtype]:
        # Where large terms cancel, the plain sum in the same precision is no better.
        precision = torch.promote_types(case.dtype, torch.float32)
        plain = expected(Oracle(layer.to(precision)), x.contiguous().to(precision), seed)
        rounding = _distance([one.to(case.dtype) for one in plain], reference, least, case)
        assert worst <= 20 * rounding, f"off by {worst:.2g}, the plain sum by {rounding:.2g}; {case}"
        return {"outcome": "equal up to cancellation"}
    return {"outcome": "equal", "of": f"{case.transform}, {str(case.dtype).removeprefix('torch.')}", "error": worst}


def _both_refuse(case: Case, layer: Any, x: Tensor, reason: Exception) -> dict[str, Any]:
    try:
        layer(x)
    except ValueError:
        return {"outcome": "refused by both"}
    raise AssertionError(f"the oracle refuses it: {reason}; {case}")


def _distance(found: list[Tensor], expected: list[Tensor], least: float, case: Case) -> float:
    """The largest error of a tensor over its largest entry, or over `least`."""
    worst = 0.0
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one.shape == other.shape, f"tensor {number} : {tuple(one.shape)}, not {tuple(other.shape)}; {case}"
        assert one.isfinite().all(), f"tensor {number} is not finite; {case}"
        if one.numel():
            scale = other.abs().max().clamp_min(least)
            worst = max(worst, float((one.detach().double() - other).abs().max() / scale))
    return worst


def _draw(chance: random.Random) -> Case:
    ndim = chance.choices([1, 2, 3], [3, 6, 2])[0]
    groups = chance.choice([1, 1, 2, 3])
    per_group = chance.choice([1, 1, 2, 3])
    block = chance.random() < 0.25
    options: dict[str, Any] = {
        "in_channels": groups * per_group,
        "out_channels": groups * chance.choice([1, 1, 2, 4]),
        "stride": tuple(chance.choice([1, 1, 2, 3]) for _ in range(ndim)),
        "padding_mode": chance.choice(["circular", "circular", "zeros", "reflect", "replicate"]),
        "bias": chance.random() < 0.5,
        "groups": groups,
        "method": chance.choice(["auto", "auto", "fft", "native", "direct", "fused"]),
    }
    if block:
        options.update(expansion=chance.choice([1, 1, 2, 4]), depthwise=chance.random() < 0.7)
    if chance.random() < 0.55:
        longest = chance.choice([3, 3, 7, 31])
        options["kernel_size"] = tuple(chance.randint(1, longest) for _ in range(ndim))
        options["padding"] = chance.choice(["same", "same", "valid", *range(4)])
        options["dilation"] = tuple(chance.choice([1, 1, 2, 3]) for _ in range(ndim))
    return Case(
        block,
        ndim,
        options,
        chance.choice(list(_filters(ndim, seed=0))),
        tuple(_length(chance) for _ in range(ndim)),
        chance.choice([None, 0, 1, 1, 2, 2, 3, 5]),
        chance.choices(list(TOLERANCES), [3, 5, 1, 1])[0],
        chance.choice(["contiguous", "contiguous", "channels last", "transposed", "expanded", "strided", "offset"]),
        chance.choices(list(TRANSFORMS), [4, 6, 2, 2, 2, 2, 2, 0.3])[0],
    )


def _length(chance: random.Random) -> int:
    kind = chance.random()
    return chance.randint(1, 20) if kind < 0.75 else chance.choice(PRIMES) if kind < 0.97 else chance.randint(1, 2048)


def _filters(ndim: int, seed: int) -> dict[str, Any]:
    """Factories by name; `seed` is that of what is frozen or shared."""
    size = 1 + seed % 7
    return {
        "implicit": ImplicitFilter,
        "pixel": functools.partial(ImplicitFilter, coordinates="pixel", hidden=(8, 4)),
        "image": functools.partial(ImplicitFilter, coordinates="image", hidden=(5,), shared_trunk=False),
        "niff": niff_tiny,
        "table": functools.partial(TableFilter, size=size),
        "taps": functools.partial(SpatialFilter, kernel_size=size),
        "envelope": Envelope(ImplicitFilter, width=1.0 + size),
        "frozen": frozen(ImplicitFilter, seed=seed),
        "bank": FilterBank(functools.partial(TableFilter, size=size), 200, ndim),
        "frozen bank": FilterBank(frozen(functools.partial(SpatialFilter, kernel_size=size), seed=seed), 200, ndim),
    }


def _build(case: Case, seed: int) -> Any:
    make: Any = lc_class(case.ndim) if case.block else layer_class(case.ndim)
    layer = make(**case.options, filter=_filters(case.ndim, seed)[case.filter])
    for name, parameter in layer.named_parameters():
        if name.endswith("bias") and "filter" not in name:
            torch.nn.init.normal_(parameter)
    return layer.to(case.dtype)


def _input(case: Case) -> Tensor:
    """A map of the layout that is asked for, whose values do not depend on the layout."""
    lead = (case.options["in_channels"],) if case.batch is None else (case.batch, case.options["in_channels"])
    x = torch.randn(*lead, *case.size).to(case.dtype)
    if case.layout == "channels last":
        return x.movedim(-case.ndim - 1, -1).contiguous().movedim(-1, -case.ndim - 1)
    if case.layout == "transposed":
        return x.mT.contiguous().mT if x.dim() > 2 else x
    if case.layout == "expanded" and case.transform != "jvp":  # torch takes no tangent of an expanded tensor
        return x[..., :1].expand(x.shape)
    if case.layout == "strided":
        return torch.stack([x, x], -1)[..., 0]
    if case.layout == "offset":  # not aligned as the allocator's own memory is
        return torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape)
    return x


def _work(case: Case) -> float:
    if math.prod(case.size) > LARGEST[case.ndim]:
        return math.inf
    options = case.options
    periodic = options["padding_mode"] == "circular"
    kernel = options.get("kernel_size") or [n if periodic else 2 * n - 1 for n in case.size]
    channels = options["in_channels"] * options["out_channels"] * options.get("expansion", 1)
    return (case.batch or 1) * channels * math.prod(case.size) * math.prod(kernel) / math.prod(options["stride"])
