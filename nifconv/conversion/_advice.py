"""Warnings and errors of `convert` when it replaced or matched less than was asked for."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from torch import nn

from nifconv.conversion._candidate import Candidate
from nifconv.conversion._plan import Plan
from nifconv.conversion._report import ConversionReport, Decision
from nifconv.conversion._select import Where, convolutions, user_choice

_FAR = 0.1
"""A residual above which a layer no longer computes what the convolution that it replaces did."""
_LISTED = 3  # layers named in a message; a large model has hundreds


def check_replaced(report: ConversionReport, model: nn.Module, where: Where | None) -> None:
    """Warns if nothing was replaced in `model`.

    Raises:
        ValueError: `where` names convolutions, and none of them can be replaced.
    """
    if report.replaced:
        return
    # Names, types and properties state what the caller expects to be there; a predicate may well choose nothing.
    if where is None or (callable(where) and not isinstance(where, type)):
        warnings.warn(
            f"convert replaced none of {len(report.layers)} convolutions{_reasons(report.layers)}; `where` chooses "
            "others than the default, from those that `nifconv.conversion.convolutions(model)` lists",
            stacklevel=3,  # the line that calls `convert`
        )
        return
    # Chosen again, since a candidate that cannot be replaced records only that, and not whether `where` chose it.
    chosen = user_choice(convolutions(model), where).values()
    matched = [layer for layer, reason in zip(report.layers, chosen, strict=True) if reason is None]
    raise ValueError(
        f"where={where!r} matches {len(matched)} of {len(report.layers)} convolutions, none of which can be replaced"
        f"{_reasons(matched)}; choose others, or change what prevents it"
    )


def warn_of_misfits(matched: Sequence[Candidate], plan: Plan) -> None:
    """Warns of matched layers whose kernels are far from those of the convolutions they replace."""
    # `not <=` rather than `>`, so that NaN counts as far.
    far = [candidate for candidate in matched if candidate.residual is not None and not candidate.residual <= _FAR]
    if not far:
        return
    listed = ", ".join(f"{candidate.names[0]} ({candidate.residual:.2g})" for candidate in far[:_LISTED])
    more = f" and {len(far) - _LISTED} more" if len(far) > _LISTED else ""
    # The expansion with which an "lc" block has exact kernels (see `factor_`); the largest serves all layers.
    ranks = [min(c.conv.out_channels // c.conv.groups, math.prod(c.conv.kernel_size)) for c in far]
    warnings.warn(
        f"match=True leaves {len(far)} of {len(matched)} layers with a residual above {_FAR}: {listed}{more}; "
        f"{_remedy(plan, max(ranks))}; tolerance={_FAR} refuses such layers",
        stacklevel=4,  # the line that calls `convert`, which calls `convert_inplace`
    )


def _remedy(plan: Plan, rank: int) -> str:
    size = "" if plan.kernel_size is None else ", without a kernel_size,"
    if callable(plan.to):
        return "layers with SpatialFilter and the channels and groups of the original take the taps exactly"
    if plan.to == "dense":
        return f"filter=SpatialFilter{size} takes the taps exactly"
    return f"filter=SpatialFilter{size} with to='dense', or with to='lc' and expansion={rank}, takes the taps exactly"


def _reasons(layers: Sequence[Decision]) -> str:
    listed = [f"{layer.name or '(model)'}: {layer.reason}" for layer in layers[:_LISTED]]
    more = [f"and {len(layers) - _LISTED} more"] if len(layers) > _LISTED else []
    return f" ({'; '.join(listed + more)})" if listed else ""
