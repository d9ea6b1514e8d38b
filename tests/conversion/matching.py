"""Converting one convolution with `match=True`, for the tests of matching."""

from typing import Any

from torch import nn

from nifconv import (
    SpatialFilter,
    convert,
)


def matched(model: nn.Module, **options: Any) -> tuple[Any, float]:
    """The converted model, and the residual of its only layer."""
    conversion = convert(model, **{"match": True, "where": "*", "filter": SpatialFilter, **options})
    (decision,) = conversion.report.decisions
    assert decision.replaced, decision.reason
    assert decision.residual is not None
    return conversion.model, decision.residual
