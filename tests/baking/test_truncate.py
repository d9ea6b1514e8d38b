import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nifconv.baking._truncate import crop, mass_outside, operator_norm
from nifconv.layers import Composition
from nifconv.spectral._windows import window_sums, windows
from tests.tolerances import assert_near

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)


def cut_by_hand(taps: Tensor, window: int) -> Tensor:
    """The taps, with zeros wherever an axis is farther than the window from the centre."""
    kept = taps.clone()
    for place in itertools.product(*map(range, taps.shape[2:])):
        if any(abs(n - k // 2) > window // 2 for n, k in zip(place, taps.shape[2:], strict=True)):
            kept[(..., *place)] = 0
    return kept


def layer_norm(taps: Tensor, pointwise: Tensor | None, groups: int) -> float:
    """max over outputs of the absolute sum of what each reads, written out."""
    sums = taps.double().abs().flatten(1).sum(1)
    if pointwise is None:
        return sums.max().item()
    per_out, per_in = len(pointwise) // groups, pointwise.shape[1]
    outputs = [
        sum(abs(pointwise[o, k].item()) * sums[o // per_out * per_in + k].item() for k in range(per_in))
        for o in range(len(pointwise))
    ]
    return max(outputs)


def test_windows_are_odd_and_the_last_one_holds_the_map() -> None:
    assert windows((1,)) == (1,)
    assert windows((4, 6)) == (1, 3, 5, 7)
    assert windows((7, 3)) == (1, 3, 5, 7)


@given(SIZES)
def test_within_sums_what_a_window_holds(size: tuple[int, ...]) -> None:
    weight = torch.rand(2, 3, *size, dtype=torch.float64)
    sums = window_sums(weight)
    assert sums.shape == (2, 3, len(windows(size)))
    for column, window in enumerate(windows(size)):
        assert_near(sums[..., column], cut_by_hand(weight, window).flatten(2).sum(-1))


@given(SIZES, st.sampled_from([None, 1, 2]))
def test_mass_outside_is_the_norm_of_what_a_cut_takes_away(size: tuple[int, ...], groups: int | None) -> None:
    taps = torch.randn(4, 2, *size, dtype=torch.float64)
    pointwise = None if groups is None else torch.randn(6, 4 // groups, *(1,) * len(size), dtype=torch.float64)
    outside = mass_outside(Composition(taps, pointwise, groups or 1))
    flat = None if pointwise is None else pointwise.flatten(1)
    whole = layer_norm(taps, flat, groups or 1)
    for column, window in enumerate(windows(size)):
        expected = layer_norm(taps - cut_by_hand(taps, window), flat, groups or 1) / whole
        assert abs(outside[column].item() - expected) < 1e-12
    assert (outside.diff() <= 1e-15).all()
    assert outside[-1] == 0


def test_taps_that_are_zero_have_no_mass_outside_without_any_rounding() -> None:
    taps = torch.zeros(3, 2, 9, 9)
    taps[..., 3:6, 3:6] = torch.rand(3, 2, 3, 3) * 1e3 ** torch.randn(3, 2, 3, 3)
    assert mass_outside(Composition(taps, None, 1)).tolist()[1:] == [0] * 4
    assert mass_outside(Composition(taps, None, 1))[0] > 0


def test_a_layer_of_zeros_has_no_mass_outside() -> None:
    assert mass_outside(Composition(torch.zeros(3, 2, 5, 5), None, 1)).tolist() == [0, 0, 0]
    assert mass_outside(Composition(torch.ones(4, 1, 5, 5), torch.zeros(2, 4, 1, 1), 1)).tolist() == [0, 0, 0]


@given(st.integers(1, 2), st.integers(1, 3))
def test_operator_norm_is_reached_by_an_input_of_signs(groups: int, inputs: int) -> None:
    taps = torch.randn(2 * groups, inputs, 5, dtype=torch.float64)
    norm = operator_norm(taps.abs().flatten(2).sum(-1, keepdim=True), Composition(taps))
    largest = 0.0
    for kernels in taps:
        x = kernels.sign().repeat(groups, 1).unsqueeze(0)
        largest = max(largest, torch.nn.functional.conv1d(x, taps, groups=groups).max().item())
    assert_near(norm, torch.tensor([largest], dtype=torch.float64))


def test_a_crop_keeps_the_centre_and_is_odd_on_every_axis() -> None:
    taps = torch.arange(35.0).view(1, 1, 5, 7)
    assert torch.equal(crop(taps, 3), taps[..., 1:4, 2:5])
    assert crop(taps, 7).shape == (1, 1, 5, 7)
    even = torch.arange(4.0).view(1, 1, 4)
    assert crop(even, 5).flatten().tolist() == [0, 1, 2, 3, 0]
    assert crop(even, 3).flatten().tolist() == [1, 2, 3]
    assert crop(even, 1).flatten().tolist() == [2]
