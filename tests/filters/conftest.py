import pytest
import torch

from nifconv import (
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
)
from tests.filters.cached_layers import FILTERS, X, layer


@pytest.fixture(params=FILTERS)
def cached(request: pytest.FixtureRequest) -> FrequencyConv2d:
    """A layer in eval mode that has run once without gradients."""
    factory = FILTERS[request.param]
    subject = layer(FilterBank(ImplicitFilter, 16) if factory is None else factory).eval()
    with torch.no_grad():
        subject(X)
    return subject
