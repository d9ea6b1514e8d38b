"""Cut kernels, and the window in use."""

import pytest
import torch

from experiments.nets.cut import cut, window_in_use
from experiments.nets.separable import separable_net
from nifconv import SpatialFilter, convert, footprint

EXAMPLE = torch.zeros(1, 1, 12, 12)


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    plain = separable_net(3, 5, classes=2, depth=2)
    return convert(plain).model.eval()


def test_taps_outside_the_window_are_gone_and_the_others_are_as_they_were() -> None:
    whole = net()
    for before, after in zip(
        *(footprint.survey(one, EXAMPLE).layers for one in (whole, cut(whole, EXAMPLE, 5))), strict=True
    ):
        if before.taps.shape[-1] < 12:
            continue
        inside = footprint.mass_ratio(after.taps)[..., 2]
        torch.testing.assert_close(inside, torch.ones_like(inside))
        centre = [taps[..., 4:9, 4:9] for taps in (before.taps, after.taps)]
        torch.testing.assert_close(*centre, rtol=1e-4, atol=1e-5)


def test_a_window_as_large_as_the_map_changes_nothing() -> None:
    whole, x = net(), torch.randn(2, 1, 12, 12)
    torch.testing.assert_close(cut(whole, EXAMPLE, 13)(x), whole(x), rtol=1e-4, atol=1e-5)


def test_only_the_named_layers_are_cut_and_the_net_is_not_changed() -> None:
    whole = net()
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    smaller = cut(whole, EXAMPLE, 3, ["spatial1"])
    assert smaller.spatial0.filter.state_dict().keys() == whole.spatial0.filter.state_dict().keys()
    assert smaller.spatial1.filter.state_dict().keys() != whole.spatial1.filter.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())


def test_a_spatial_filter_is_cut_too() -> None:
    torch.manual_seed(0)
    made = convert(separable_net(2, 5, classes=2, depth=1), filter=SpatialFilter, kernel_size=12).model.eval()
    x = torch.randn(2, 1, 12, 12)
    assert (cut(made, EXAMPLE, 3)(x) - made(x)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ({3: 1.0, 7: 1.0, 11: 1.0}, 3),
        ({3: 0.5, 7: 0.9, 11: 1.0}, 7),
        ({3: 0.9, 7: 0.5, 11: 1.0}, 11),
        ({3: 0.5, 7: 0.5, 11: 0.5}, 15),
    ],
)
def test_the_window_in_use_is_the_smallest_from_which_on_the_net_is_right(
    accuracies: dict[int, float], expected: int
) -> None:
    assert window_in_use((3, 7, 11, 15), accuracies.__getitem__, 1.0, 0.5) == expected


def test_a_net_that_learned_nothing_uses_no_window() -> None:
    assert window_in_use((3, 7), {3: 1.0}.__getitem__, 0.55, 0.5) == 0
