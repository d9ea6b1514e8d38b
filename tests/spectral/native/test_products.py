"""The engine against transforms in float64, over sizes, layouts, dtypes and placements."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from nifconv.spectral._transforms import Placement
from nifconv.spectral.native import _library, _products
from tests.tolerances import assert_near

pytestmark = pytest.mark.skipif(_library.engine() is None, reason=str(_library.absence()))

LANES = 16  # of the widest vector, in float32
LENGTHS = st.integers(1, 40) | st.sampled_from([47, 53, 61, 64, 67, 97, 131, 167, 223])
# Squares of primes, products of two, primes in a row (2039 = 2 * 1019 + 1, 1019 = 2 * 509 + 1), the longest axes.
LARGE_PRIMES = (289, 2 * 61, 41 * 43, 59**2, 67**2, 61 * 67, 83 * 97, 2 * 2039, 1019, 2039, 8179, 8191)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16])


@pytest.fixture(params=["avx512", "avx2", "baseline"])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    engine = _library.engine()
    assert engine is not None
    if request.param not in engine.instruction_sets:
        pytest.skip(f"this processor or build has no {request.param}")
    engine.library.nifconv_choose(request.param.encode())
    yield request.param
    engine.library.nifconv_choose(engine.instruction_set.encode())


def whole(size: tuple[int, ...]) -> Placement:
    return Placement(size, size, (1,) * len(size))


def half_shape(size: tuple[int, ...]) -> tuple[int, ...]:
    return (*size[:-1], size[-1] // 2 + 1)


def pixels(placement: Placement) -> tuple[object, ...]:
    return (..., *(slice(0, n * s, s) for n, s in zip(placement.shape, placement.step, strict=True)))


def textbook(x: Tensor, spectrum: Tensor, grad: Tensor, source: Placement, target: Placement) -> tuple[Tensor, ...]:
    """The output and the gradients by x and by the spectrum, by torch.fft and autograd in float64."""
    x, spectrum, dims = x.double().requires_grad_(), spectrum.double().requires_grad_(), (-2, -1)[-len(source.size) :]
    grid = x.new_zeros(*x.shape[:2], *source.size)
    grid[pixels(source)] = x
    transformed = torch.fft.rfftn(grid, dim=dims).repeat_interleave(len(spectrum) // max(x.shape[1], 1), 1)
    y = torch.fft.irfftn(transformed * torch.view_as_complex(spectrum)[:, 0], s=source.size, dim=dims)[pixels(target)]
    return y, *torch.autograd.grad(y, (x, spectrum), grad.double().contiguous())


def check(x: Tensor, multiplier: int, source: Placement, target: Placement, grad: Tensor | None = None) -> None:
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    channels = x.shape[1]
    spectrum = torch.randn(channels * multiplier, 1, *half_shape(source.size), 2, dtype=wide)
    grad = torch.randn(len(x), channels * multiplier, *target.shape).to(x.dtype) if grad is None else grad
    y = _products.forward(x, spectrum, channels, source, target)
    dx, dh = _products.gradients(x, spectrum, grad, channels, source, target, True, True)
    expected = textbook(x, spectrum, grad, source, target)
    assert (y.dtype, dx.dtype, dh.dtype) == (x.dtype, x.dtype, wide)
    for actual, wanted in zip((y, dx, dh), expected, strict=True):
        assert_near(actual, wanted)
    only_x, nothing = _products.gradients(x, spectrum, grad, channels, source, target, True, False)
    assert_close(only_x, dx, rtol=0, atol=0)
    assert nothing.numel() == 0
    nothing, only_h = _products.gradients(x, spectrum, grad, channels, source, target, False, True)
    assert_close(only_h, dh, rtol=0, atol=0)
    assert nothing.numel() == 0


@given(height=LENGTHS, width=LENGTHS)
@example(height=1, width=1)
@example(height=1, width=6)
def test_any_map(height: int, width: int) -> None:
    check(torch.randn(3, 5, height, width), 1, whole((height, width)), whole((height, width)))


@pytest.mark.parametrize("length", [*range(1, 41), 97, 131, 223, 571, 1009, 3997, 4096, *LARGE_PRIMES])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_signal(length: int, dtype: torch.dtype) -> None:
    check(torch.randn(2, 3, length, dtype=dtype), 1, whole((length,)), whole((length,)))


@given(batch=st.integers(1, 2 * LANES + 3), channels=st.integers(1, 2 * LANES + 3), multiplier=st.integers(1, 3))
@example(batch=2 * LANES + 1, channels=1, multiplier=1)
@example(batch=1, channels=2 * LANES + 1, multiplier=2)
def test_numbers_of_planes_around_those_of_the_lanes(batch: int, channels: int, multiplier: int) -> None:
    check(torch.randn(batch, channels, 6, 5), multiplier, whole((6, 5)), whole((6, 5)))


@given(data=st.data(), dtype=DTYPES, channels_last=st.booleans(), multiplier=st.integers(1, 2))
def test_any_placement(data: st.DataObject, dtype: torch.dtype, channels_last: bool, multiplier: int) -> None:
    def placement() -> Placement:
        step = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        most = [(n - 1) // s + 1 for n, s in zip(size, step, strict=True)]
        return Placement(size, data.draw(st.tuples(*(st.integers(1, n) for n in most))), step)

    size = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    source, target = placement(), placement()
    x = torch.randn(3, LANES + 2, *source.shape).to(dtype)
    grad = torch.randn(3, (LANES + 2) * multiplier, *target.shape).to(dtype)
    if channels_last:
        x, grad = x.to(memory_format=torch.channels_last), grad.to(memory_format=torch.channels_last)
    check(x, multiplier, source, target, grad)


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "a part of larger maps": lambda x: torch.nn.functional.pad(x, (1, 2, 3, 1))[..., 3:-1, 1:-2],
    "every second pixel": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "transposed maps": lambda x: x.mT.contiguous().mT,
    "samples behind channels": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "one sample expanded": lambda x: x[:1].expand_as(x),
    "one channel expanded": lambda x: x[:, :1].expand_as(x),
    "one pixel expanded": lambda x: x[..., :1, :1].expand_as(x),
    "negated lazily": lambda x: torch.complex(x, x).conj().imag,
    "at an odd address": lambda x: torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout(layout: str, dtype: torch.dtype) -> None:
    x, grad = torch.randn(4, LANES + 3, 9, 20), torch.randn(4, LANES + 3, 9, 20)
    if layout == "negated lazily" and dtype in (torch.bfloat16, torch.float16):
        pytest.skip("torch has no such complex numbers")
    x, grad = LAYOUTS[layout](x.to(dtype)), LAYOUTS[layout](grad.to(dtype))
    check(x, 1, whole((9, 20)), whole((9, 20)), grad)


def test_channels_last_stays_so() -> None:
    x, spectrum = torch.randn(2, 18, 6, 5), torch.randn(18, 1, 6, 3, 2)
    last = x.to(memory_format=torch.channels_last)
    y = _products.forward(last, spectrum, 18, whole((6, 5)), whole((6, 5)))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_close(y.contiguous(), _products.forward(x, spectrum, 18, whole((6, 5)), whole((6, 5))), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(0, 4, 6, 5), (2, 4, 6, 5)])
def test_an_empty_batch(shape: tuple[int, ...]) -> None:
    x, spectrum = torch.randn(shape), torch.randn(4, 1, 6, 3, 2)
    grid = whole((6, 5))
    y = _products.forward(x, spectrum, 4, grid, grid)
    dx, dh = _products.gradients(x, spectrum, x, 4, grid, grid, True, True)
    assert (y.shape, dx.shape, dh.shape) == (x.shape, x.shape, spectrum.shape)
    assert (dh.abs().max() == 0) == (len(x) == 0)


@pytest.mark.parametrize("size", [(6, 5), (8, 8), (1, 4), (7, 16)])
def test_mirrored_bins_count_as_irfft_counts_them(size: tuple[int, int]) -> None:
    """DC and Nyquist columns that are not Hermitian: what irfft ignores has no effect, and no gradient."""
    check(torch.randn(2, 3, *size), 1, whole(size), whole(size))
    spectrum = torch.randn(3, 1, *half_shape(size), 2)
    x = torch.randn(2, 3, *size)
    changed = spectrum.clone()
    changed[:, :, 0, 0, 1] += 1  # the imaginary part of the sum over the kernel
    before, after = (_products.forward(x, h, 3, whole(size), whole(size)) for h in (spectrum, changed))
    assert_close(after, before)


def test_a_float64_spectrum_computes_in_float64() -> None:
    x, spectrum, grid = torch.randn(2, 3, 6, 5), torch.randn(3, 1, 6, 3, 2, dtype=torch.float64), whole((6, 5))
    y = _products.forward(x, spectrum, 3, grid, grid)
    expected, *_ = textbook(x, spectrum, x, grid, grid)
    assert y.dtype == torch.float32
    assert_close(y, expected.float(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("factor", [1, 1 / 3, 1e-4, 1e5])
@pytest.mark.usefixtures("instruction_set")
def test_rounding_of_every_16_bit_number(dtype: torch.dtype, factor: float) -> None:
    """On a grid of one pixel the convolution is a product: numbers, subnormals, infinities, overflow."""
    x = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).view(dtype)
    x = x[x.float().abs() < 2.0**120]
    spectrum = torch.tensor([factor, 0.0]).reshape(1, 1, 1, 1, 2)
    pixel = whole((1, 1))
    y = _products.forward(x.reshape(-1, 1, 1, 1), spectrum, 1, pixel, pixel)
    assert_close(y.flatten(), (x.float() * spectrum[..., 0].item()).to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e3])
def test_no_sample_touches_another(poison: float, dtype: torch.dtype) -> None:
    """The same bits in any batch, whatever the other samples hold."""
    x, spectrum, grid = torch.randn(2 * LANES + 3, 3, 9, 6).to(dtype), torch.randn(3, 1, 9, 4, 2), whole((9, 6))
    alone = torch.cat([_products.forward(sample[None], spectrum, 3, grid, grid) for sample in x])
    x[::2] *= poison
    together = _products.forward(x, spectrum, 3, grid, grid)
    assert_close(together[1::2], alone[1::2], rtol=0, atol=0)
    assert together[::2].isfinite().all() == (poison == 1e3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (14, 15), (16, 16), (17, 26), (20, 67), (44, 45), (98, 33)])
@pytest.mark.usefixtures("instruction_set")
def test_every_instruction_set(size: tuple[int, int], dtype: torch.dtype) -> None:
    check(torch.randn(5, 21, *size, dtype=dtype), 1, whole(size), whole(size))


@pytest.mark.parametrize(
    ("x", "filters", "size"),
    [
        (torch.zeros(2, 4, 6, 5), (4, 2), (6, 5)),
        (torch.zeros(2, 4, 3, 4, 5), (4, 1), (3, 4, 5)),
        (torch.zeros(2, 4, 6, 5, device="meta"), (4, 1), (6, 5)),
        (torch.zeros(2, 4, 6, 5, dtype=torch.complex64), (4, 1), (6, 5)),
        (torch.zeros(2, 4, 1 << 15), (4, 1), (1 << 15,)),
        (torch.zeros(1, 3, 112, 112), (3, 1), (112, 112)),
        (torch.zeros(1, 15, 512, 512), (15, 1), (512, 512)),
    ],
    ids=["dense", "volumes", "no CPU", "complex", "long", "few planes", "few large planes"],
)
def test_what_it_does_not_support(x: Tensor, filters: tuple[int, int], size: tuple[int, ...]) -> None:
    spectrum = torch.zeros(*filters, *half_shape(size), 2)
    assert not _products.supports(x, spectrum, whole(size))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("size", [(9,), (6, 5)])
def test_what_it_supports(size: tuple[int, ...], dtype: torch.dtype) -> None:
    assert _products.supports(
        torch.zeros(2, 4, *size, dtype=dtype), torch.zeros(8, 1, *half_shape(size), 2), whole(size)
    )


@pytest.mark.parametrize(("planes", "size"), [(1, (56, 56)), (4, (112, 112)), (16, (512, 512))])
def test_how_many_planes_are_worth_it(planes: int, size: tuple[int, int]) -> None:
    spectrum = torch.zeros(planes, 1, *half_shape(size), 2)
    assert _products.supports(torch.zeros(1, planes, *size), spectrum, whole(size))
