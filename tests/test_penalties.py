import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv2d, ImplicitFilter, LCConv2d, SpatialFilter, footprint, frozen, locality_penalty


def by_hand(taps: torch.Tensor, weigh: Any, dilation: int = 1) -> float:
    total = 0.0
    size = taps.shape[2:]
    for index in torch.cartesian_prod(*map(torch.arange, size)).reshape(-1, len(size)):
        offset = [dilation * (int(i) - n // 2) for i, n in zip(index, size, strict=True)]
        total += weigh(math.hypot(*offset)) * taps[(..., *index)].square().sum().item()
    return total


@pytest.mark.parametrize(
    ("profile", "weigh"),
    [
        ("quadratic", lambda r: r * r),
        ("linear", lambda r: r),
        ("uniform", lambda r: 1.0),
        ("inverted", lambda r: 8 - r * r),  # the corner of a 3x3 kernel of dilation 2 lies at (2, 2)
    ],
)
def test_plain_and_frequency_layers_by_hand(profile: str, weigh: Any) -> None:
    plain = nn.Conv2d(2, 3, 3, dilation=2)
    expected = by_hand(plain.weight, weigh, dilation=2)
    assert_close(locality_penalty(plain, profile).item(), expected)
    ours = FrequencyConv2d(2, 3, 3, dilation=2, filter=SpatialFilter)
    ours.filter.load_state_dict({"weight": plain.weight})
    assert_close(locality_penalty(ours, profile).item(), expected)


def test_uniform_is_plain_l2() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv1d(2, 2, 5), nn.Conv3d(1, 1, 3))
    expected = sum(m.weight.square().sum() for m in model if max(m.kernel_size) > 1)
    assert_close(locality_penalty(model, "uniform"), expected)


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (6, 9)])
def test_quadratic_is_the_mean_squared_gradient_of_the_spectrum(size: tuple[int, int]) -> None:
    layer = FrequencyConv2d(2, 3, dtype=torch.float64)
    taps = layer.filter.taps(size).detach()
    rows, columns = (torch.arange(n, dtype=torch.float64) - n // 2 for n in size)
    axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in size]
    total = 0.0
    for frequency in torch.cartesian_prod(*axes):
        phase = 2 * math.pi * (frequency[0] * rows[:, None] + frequency[1] * columns)
        # dH/df_a of H(f) = sum_n w[n] exp(2 pi i f . n), by differentiating the sum
        for offset in (rows[:, None].expand(size), columns.expand(size)):
            derivative = (taps * 2j * math.pi * offset * torch.exp(1j * phase)).sum((-2, -1))
            total += derivative.abs().square().sum().item() / math.prod(size)
    assert_close(4 * math.pi**2 * locality_penalty(layer, "quadratic", size=size).item(), total)


def test_gradients_draw_kernels_to_the_centre_and_the_control_to_the_rim() -> None:
    before = None
    radii = {}
    for profile in ("quadratic", "inverted"):
        torch.manual_seed(0)
        layer = FrequencyConv2d(1, 8, filter=lambda o, i, n: SpatialFilter(o, i, n, kernel_size=9))
        before = footprint.rms_radius(layer.filter.taps(9)).mean()
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            locality_penalty(layer, profile, size=9).backward()
            optimizer.step()
        radii[profile] = footprint.rms_radius(layer.filter.taps(9)).mean()
    assert before is not None
    assert radii["quadratic"] < 0.9 * before
    assert radii["inverted"] > 1.1 * before


def test_global_kernels_take_their_sizes_from_a_survey() -> None:
    model = nn.Sequential(FrequencyConv2d(1, 2), nn.MaxPool2d(2), LCConv2d(2, 2), nn.Conv2d(2, 2, 3))
    x = torch.randn(1, 1, 12, 12)
    sizes = {layer.name: layer.map_size for layer in footprint.survey(model, x).layers}
    separate = locality_penalty(model[0], size=12) + locality_penalty(model[2], size=6) + locality_penalty(model[3])
    assert_close(locality_penalty(model, size=sizes), separate)
    locality_penalty(model, size=sizes).backward()
    assert model[0].filter.real.weight.grad.abs().max() > 0


def test_weights_that_are_not_trained_do_not_count() -> None:
    assert locality_penalty(FrequencyConv2d(2, 2, filter=frozen(ImplicitFilter, seed=0)), size=5).item() == 0
    assert locality_penalty(nn.Conv2d(2, 2, 3).requires_grad_(False)).item() == 0
    assert locality_penalty(nn.Linear(2, 2)).item() == 0
    assert locality_penalty(FrequencyConv2d(2, 2, filter=frozen(ImplicitFilter, seed=0))).item() == 0


def test_the_value_does_not_depend_on_gradients_or_on_the_order_of_layers() -> None:
    layer = FrequencyConv2d(2, 2, 5)
    with torch.no_grad():
        assert_close(locality_penalty(layer), locality_penalty(layer.requires_grad_(True)).detach())
    mixed = [nn.Conv2d(1, 1, 3).bfloat16(), nn.Conv2d(1, 1, 3)]
    for model in (nn.Sequential(*mixed), nn.Sequential(*reversed(mixed))):
        assert locality_penalty(model).dtype == torch.float32
    large = nn.Conv2d(64, 64, 31).half()
    nn.init.ones_(large.weight)
    assert locality_penalty(large, "inverted").isfinite()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: locality_penalty(nn.Conv2d(1, 1, 3), "cubic"),
            ValueError,
            "profile='cubic' is unknown; use one of 'quadratic'",
        ),
        (
            lambda: locality_penalty(nn.Sequential(FrequencyConv2d(1, 1))),
            ValueError,
            "size=None gives no map size for '0'",
        ),
        (
            lambda: locality_penalty(nn.Sequential(FrequencyConv2d(1, 1)), size={"1": 5}),
            ValueError,
            r"size=\{'1': 5\} gives no map size for '0'.*footprint\.survey",
        ),
        (lambda: locality_penalty("net"), TypeError, r"model must be a torch\.nn\.Module, not str"),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
