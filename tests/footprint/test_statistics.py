import pytest
import torch
from torch.testing import assert_close

from nifconv.footprint.measures._statistics import quantiles


@pytest.mark.parametrize("rows", [1, 2, 9, 50])
def test_quantiles_are_those_of_torch(rows: int) -> None:
    values = torch.randn(rows, 3, dtype=torch.float64)
    assert_close(quantiles(values), values.quantile(torch.tensor([0.1, 0.5, 0.9]).double(), dim=0))
    holed = torch.cat([values, torch.full((2, 3), torch.nan).double()])
    assert_close(quantiles(holed), quantiles(values))
    assert quantiles(holed[rows:]).isnan().all()
