"""Floating-point operations of a product of spectra, against a count by hand of what a textbook FFT does."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nifconv import FrequencyConv2d, SpatialFilter, convert
from nifconv.functional import spectral_conv


def radix_2(size: int) -> int:
    """Operations of a complex FFT of a power of two, counted butterfly by butterfly."""
    if size == 1:
        return 0
    # A butterfly multiplies by a root of unity, 4 multiplications and 2 additions, and adds and subtracts, 4 more.
    return 2 * radix_2(size // 2) + (size // 2) * (4 + 2 + 4)


def complex_map(height: int, width: int) -> int:
    return height * radix_2(width) + width * radix_2(height)


def counted(call: object) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize(("groups", "filters"), [(4, 4), (1, 6), (2, 6)])
def test_the_count_is_that_of_the_textbook(groups: int, filters: int) -> None:
    batch, channels, height, width = 3, 4, 16, 8
    x = torch.randn(batch, channels, height, width, requires_grad=True)
    shape = (filters, channels // groups, height, width // 2 + 1)
    spectrum = torch.randn(shape, dtype=torch.complex64, requires_grad=True)
    real_map = complex_map(height, width) // 2  # two real maps are one complex map
    products = 8 * filters * (channels // groups) * height * (width // 2 + 1)
    forward = batch * ((channels + filters) * real_map + products)
    assert counted(lambda: spectral_conv(x, spectrum, groups=groups)) == forward
    y = spectral_conv(x, spectrum, groups=groups)
    both = batch * ((filters + 2 * channels) * real_map + 2 * products)
    assert counted(lambda: torch.autograd.grad(y, (x, spectrum), torch.ones_like(y), retain_graph=True)) == both
    one = batch * ((filters + channels) * real_map + products)
    y = spectral_conv(x, spectrum.detach(), groups=groups)
    assert counted(lambda: torch.autograd.grad(y, x, torch.ones_like(y))) == one
    y = spectral_conv(x.detach(), spectrum, groups=groups)
    assert counted(lambda: torch.autograd.grad(y, spectrum, torch.ones_like(y))) == one


def test_a_layer_is_counted_where_there_was_nothing() -> None:
    layer = FrequencyConv2d(4, 4, groups=4, filter=SpatialFilter, kernel_size=31, method="fft").eval()
    assert counted(lambda: layer(torch.randn(1, 4, 32, 32))) > 4 * 2 * math.prod((32, 32))


def test_the_report_of_a_conversion_says_it() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
    report = convert(net, to="dense", example_input=torch.randn(1, 3, 16, 8)).report
    first = 2 * 8 * 3 * 9 * 16 * 8
    assert report.flops[0] == first + 2 * 8 * 8 * 9 * 16 * 8
    assert report.flops[1] >= first + 16 * complex_map(16, 8) // 2 + 8 * 8 * 8 * 16 * 5
    assert f"flops on the example input: {report.flops[0]:,} -> {report.flops[1]:,}" in str(report)
    assert report.output_change is None
    assert convert(net).report.flops is None
