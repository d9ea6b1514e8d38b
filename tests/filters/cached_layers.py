"""Layers whose filters have cached a spectrum, for the tests of the cache."""

from typing import Any

import torch
from torch import nn

from nifconv import (
    Envelope,
    FrequencyConv2d,
    ImplicitFilter,
    TableFilter,
)
from nifconv.filters._coordinates import Waves

SIZE = (9, 8)

X = torch.randn(2, 4, *SIZE)

FILTERS: dict[str, Any] = {
    "implicit": ImplicitFilter,
    "table": lambda o, i, n=2: TableFilter(o, i, n, size=SIZE),
    "envelope": Envelope(ImplicitFilter, width=2.0),
    "bank": None,
}

FAR = Waves(((2, 0), (0, 2), (2, 2), (2, -2)), (1.0,) * 4)


def layer(filter: Any = ImplicitFilter, **options: Any) -> FrequencyConv2d:
    return FrequencyConv2d(4, 4, groups=4, filter=filter, **options)


def spectrum(subject: FrequencyConv2d) -> torch.Tensor:
    with torch.no_grad():
        return subject.filter.spectrum_as_real(SIZE)


def first(subject: FrequencyConv2d) -> nn.Parameter:
    return next(subject.filter.parameters())
