from typing import Any

import pytest
import torch
from torch.testing import assert_close

from nifconv import FrequencyConv2d, FrequencyFilter, TableFilter, frequency
from tests.filter_contract import FilterContract
from tests.tolerances import assert_near


class TestTableFilter(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return TableFilter(out_channels, in_channels, ndim, **{"size": 6, **changes})


def test_at_its_own_size_it_is_the_table() -> None:
    subject = TableFilter(3, 2, size=(5, 8))
    table = torch.view_as_complex(subject.weight)
    assert torch.equal(subject((5, 8)), frequency.project_hermitian(table, (5, 8)))
    assert subject.weight.shape == (3, 2, 5, 5, 2)
    assert subject((5, 8))[..., 1:4].equal(table[..., 1:4])


@pytest.mark.parametrize("size", [(5, 8), (6, 6), (7, 9)])
def test_up_then_down_is_the_identity(size: tuple[int, int]) -> None:
    subject = TableFilter(3, 2, size=size).double()
    taps = subject.taps(size)
    for larger in ((9, 9), (10, 12)):
        assert_near(frequency.resize_taps(subject.taps(larger), size), taps)
        assert_near(subject.resized(larger).resized(size).taps(size), taps)
        assert_near(subject.resized(larger)(larger), subject(larger))


def test_smaller_maps_crop_the_kernel_about_its_centre() -> None:
    subject = TableFilter(1, 1, 1, size=7)
    assert_close(subject.taps(4), subject.taps(7)[..., 1:5])
    assert_close(subject.taps(9), torch.nn.functional.pad(subject.taps(7), (1, 1)))


def test_resized_keeps_dtype_and_learns_on_its_own() -> None:
    subject = TableFilter(1, 1, size=4).double()
    other = subject.resized(8)
    assert other.weight.dtype == torch.float64
    assert other.size == (8, 8)
    torch.nn.init.zeros_(other.weight)
    assert subject.weight.abs().max() > 0


def test_what_the_projection_drops_gets_no_gradient() -> None:
    layer = FrequencyConv2d(1, 1, filter=lambda o, i, n: TableFilter(o, i, n, size=4))
    layer(torch.randn(1, 1, 4, 4)).square().sum().backward()
    assert layer.filter.weight.grad[0, 0, 0, 0, 1] == 0  # the imaginary part at frequency zero


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [(0, ValueError, "size=0 must be at least 1"), ((4, 4, 4), ValueError, r"size=\(4, 4, 4\) has 3 entries")],
)
def test_refuses_invalid_sizes(size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TableFilter(1, 1, size=size)
