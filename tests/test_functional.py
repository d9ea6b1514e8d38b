import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nifconv import frequency
from nifconv.functional import PADDING_MODES, fft_conv, spectral_conv
from tests import oracles
from tests.tolerances import assert_near

GROUPS = {"dense": (4, 6, 1), "grouped": (4, 6, 2), "depthwise": (4, 4, 4), "multiplier": (3, 6, 3)}
sizes = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)
groupings = st.sampled_from(list(GROUPS.values()))


def operands(size: tuple[int, ...], grouping: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    in_channels, out_channels, groups = grouping
    x = torch.randn(2, in_channels, *size, dtype=torch.float64)
    taps = torch.randn(out_channels, in_channels // groups, *size, dtype=torch.float64)
    return x, taps


@given(sizes, groupings)
def test_equals_the_circulant_sum(size: tuple[int, ...], grouping: tuple[int, int, int]) -> None:
    x, taps = operands(size, grouping)
    y = spectral_conv(x, frequency.taps_to_spectrum(taps, size), groups=grouping[2])
    assert_near(y, oracles.circular_conv(x, taps, grouping[2]))


@given(sizes, groupings, st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_stride_keeps_every_sth_pixel_whether_or_not_it_divides_the_map(
    size: tuple[int, ...], grouping: tuple[int, int, int], strides: list[int]
) -> None:
    x, taps = operands(size, grouping)
    stride = tuple(strides[: len(size)])
    spectrum = frequency.taps_to_spectrum(taps, size)
    whole = spectral_conv(x, spectrum, groups=grouping[2])
    steps = (slice(None), slice(None), *(slice(None, None, s) for s in stride))
    assert_near(spectral_conv(x, spectrum, groups=grouping[2], stride=stride), whole[steps])


@given(sizes, st.integers(0, 3))
def test_a_larger_grid_makes_the_boundary_linear(size: tuple[int, ...], extra: int) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    taps = torch.randn(3, 1, *(2 * n - 1 for n in size), dtype=torch.float64)
    grid_size = tuple(2 * n - 1 + extra for n in size)
    y = spectral_conv(x, frequency.taps_to_spectrum(taps, grid_size), groups=3, size=grid_size)
    assert_near(y, oracles.padded_conv(x, taps, padding=[n - 1 for n in size], groups=3))


@given(sizes, st.data())
def test_fft_conv_equals_conv_nd(size: tuple[int, ...], data: st.DataObject) -> None:
    in_channels, out_channels, groups = data.draw(groupings)
    ndim = len(size)
    per_axis = st.lists(st.integers(1, 3), min_size=ndim, max_size=ndim)
    kernel_size, stride, dilation = data.draw(per_axis), data.draw(per_axis), data.draw(per_axis)
    mode = data.draw(st.sampled_from(PADDING_MODES))
    most = {"reflect": min(size) - 1, "circular": min(size)}.get(mode, 4)
    side = st.integers(0, most)
    pairs = data.draw(st.lists(st.tuples(side, side), min_size=ndim, max_size=ndim))
    x = torch.randn(2, in_channels, *size, dtype=torch.float64)
    taps = torch.randn(out_channels, in_channels // groups, *kernel_size, dtype=torch.float64)
    call = {"stride": stride, "dilation": dilation, "groups": groups, "padding_mode": mode}
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    if any(span > n + sum(pair) for span, n, pair in zip(spans, size, pairs, strict=True)):
        with pytest.raises(ValueError, match="spans"):
            fft_conv(x, taps, padding=pairs, **call)
    else:
        expected = oracles.padded_conv(x, taps, padding=pairs, **call)
        assert_near(fft_conv(x, taps, padding=pairs, **call), expected)


@pytest.mark.parametrize("padding", [(0, 3), (3, 0), (1, 2)])
def test_nothing_wraps_around_where_the_padding_is_uneven(padding: tuple[int, int]) -> None:
    x, taps = torch.randn(1, 2, 8, dtype=torch.float64), torch.randn(2, 1, 4, dtype=torch.float64)
    expected = oracles.padded_conv(x, taps, padding=[padding], groups=2)
    assert_near(fft_conv(x, taps, padding=[padding], groups=2), expected)


@given(sizes, groupings)
def test_linear_and_equivariant_to_shifts(size: tuple[int, ...], grouping: tuple[int, int, int]) -> None:
    x, taps = operands(size, grouping)
    z = torch.randn_like(x)
    spectrum = frequency.taps_to_spectrum(taps, size)
    dims = tuple(range(2, x.dim()))
    shift = tuple(range(1, len(size) + 1))

    def apply(signal: Tensor) -> Tensor:
        return spectral_conv(signal, spectrum, groups=grouping[2])

    assert_near(apply(2 * x - 3 * z), 2 * apply(x) - 3 * apply(z))
    assert_near(apply(torch.roll(x, shift, dims)), torch.roll(apply(x), shift, dims))


@given(sizes)
def test_a_flat_phase_spectrum_keeps_the_energy(size: tuple[int, ...]) -> None:
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    kernel = torch.randn(2, 1, *size, dtype=torch.float64)
    spectrum = frequency.taps_to_spectrum(kernel, size)
    y = spectral_conv(x, spectrum / spectrum.abs(), groups=2)
    assert_near(y.square().sum(), x.square().sum())


@pytest.mark.parametrize("grouping", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_gradients(grouping: tuple[int, int, int], stride: int) -> None:
    x, taps = (t.requires_grad_() for t in operands((3, 4), grouping))

    def apply(x: Tensor, taps: Tensor) -> Tensor:
        return spectral_conv(x, frequency.taps_to_spectrum(taps, (3, 4)), groups=grouping[2], stride=stride)

    assert torch.autograd.gradcheck(apply, (x, taps))
    assert torch.autograd.gradgradcheck(apply, (x, taps), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_computes_in_float32_at_least_and_returns_the_dtype_of_the_input(dtype: torch.dtype) -> None:
    x, taps = operands((9, 8), GROUPS["grouped"])
    spectrum = frequency.taps_to_spectrum(taps, (9, 8))
    narrow = spectrum if dtype is torch.float64 else spectrum.to(torch.complex64)
    y = spectral_conv(x.to(dtype), narrow, groups=2)
    assert y.dtype == dtype
    assert_near(y, spectral_conv(x.to(dtype).double(), spectrum, groups=2))


def test_computes_in_the_precision_of_the_spectrum_if_that_is_wider() -> None:
    x, taps = operands((9, 8), GROUPS["dense"])
    spectrum = frequency.taps_to_spectrum(taps, (9, 8))
    exact = spectral_conv(x.float().double(), spectrum)
    assert torch.equal(spectral_conv(x.float(), spectrum), exact.float())


def test_an_empty_batch_gives_an_empty_output() -> None:
    spectrum = torch.ones(6, 1, 4, 3, dtype=torch.complex64)
    assert spectral_conv(torch.zeros(0, 3, 4, 4), spectrum, groups=3, stride=2).shape == (0, 6, 2, 2)


H = torch.ones(6, 2, 4, 3, dtype=torch.complex64)
X = torch.zeros(1, 4, 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: spectral_conv(X.int(), H, groups=2), TypeError, r"x has dtype torch\.int32.*\.float\(\)"),
        (lambda: spectral_conv(X.cfloat(), H, groups=2), TypeError, r"x has dtype torch\.complex64.*separately"),
        (lambda: spectral_conv([1.0], H), TypeError, r"x must be a torch\.Tensor, not list"),
        (lambda: spectral_conv(X, None), TypeError, r"spectrum must be a torch\.Tensor, not NoneType"),
        (lambda: fft_conv(X, H.real[:, :1], padding=1), TypeError, r"padding=1 must hold a pair"),
        (lambda: fft_conv(X, H.real[:, :1], padding=[1, 1]), TypeError, r"padding=\[1, 1\] must hold a pair"),
        (lambda: fft_conv(X, H.real[:, :1], padding=[(1, 1)]), ValueError, r"padding=\[\(1, 1\)\] must hold 2 pairs"),
        (lambda: fft_conv(X, H.real[:, :1], padding=[(-1, 1)] * 2), ValueError, r"padding=\[\(-1, 1\).*at least 0"),
        (lambda: spectral_conv(X, H.real, groups=2), TypeError, r"spectrum has dtype torch\.float32"),
        (lambda: spectral_conv(X[0], H, groups=2), ValueError, r"x has 3 axes and spectrum 4"),
        (lambda: spectral_conv(X, H, groups=4), ValueError, r"groups=4 must divide out_channels=6; use one of 1, 2"),
        (lambda: spectral_conv(X, H, groups=0), ValueError, r"groups=0 must be at least 1"),
        (lambda: spectral_conv(X, H), ValueError, r"x has 4 channels.*groups=1 needs 2"),
        (lambda: spectral_conv(X, H, groups=2, stride=0), ValueError, r"stride=0 must be at least 1"),
        (lambda: spectral_conv(X, H, groups=2, stride=(1, 1, 1)), ValueError, r"stride=\(1, 1, 1\) has 3 entries"),
        (lambda: spectral_conv(X[..., :0], H, groups=2), ValueError, r"map of size \(4, 0\).*at least 1 pixel"),
        (lambda: spectral_conv(X, H, groups=2, size=(5, 5)), ValueError, r"\(4, 3\).*size=\(5, 5\) has \(5, 3\)"),
        (lambda: spectral_conv(X, H[:, :, :3], groups=2, size=(3, 4)), ValueError, r"map of x is \(4, 4\), larger"),
        (lambda: spectral_conv(X, H, groups=2, output_size=(5, 4)), ValueError, r"output_size is \(5, 4\), larger"),
        (
            lambda: fft_conv(X, torch.zeros(4, 1, 3, 3), groups=4, padding=[(1, 1)] * 2, padding_mode="wrap"),
            ValueError,
            r"padding_mode='wrap' is unknown; use one of 'circular', 'zeros'",
        ),
        (
            lambda: fft_conv(X, torch.zeros(4, 1, 3), groups=4, padding=[(1, 1)]),
            ValueError,
            r"x has 4 axes, but taps of shape \(4, 1, 3\)",
        ),
        (
            lambda: fft_conv(X, torch.zeros(4, 1, 9, 9), groups=4, padding=[(4, 4)] * 2, padding_mode="reflect"),
            ValueError,
            r"padding=\(\(4, 4\), \(4, 4\)\) exceeds \(3, 3\).*'reflect'",
        ),
        (
            lambda: fft_conv(X, torch.zeros(4, 1, 11, 1), groups=4, padding=[(5, 5), (0, 0)], padding_mode="circular"),
            ValueError,
            r"exceeds \(4, 4\).*'circular'",
        ),
        (
            lambda: fft_conv(X, torch.zeros(4, 1, 5, 3), groups=4, padding=[(0, 0)] * 2),
            ValueError,
            r"kernel_size=\(5, 3\) with dilation=\(1, 1\) spans \(5, 3\) pixels, but the map of \(4, 4\)",
        ),
        (
            lambda: fft_conv(X[..., :0], torch.zeros(4, 1, 1, 1), groups=4, padding=[(1, 1)] * 2),
            ValueError,
            r"map of size \(4, 0\)",
        ),
    ],
)
def test_errors_name_value_and_rule(call, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call()
