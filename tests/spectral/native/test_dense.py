"""Dense products by the engine against transforms in float64, over sizes, layouts, dtypes and placements."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from experiments.bench.memory import peak_bytes
from nifconv.spectral import _operator
from nifconv.spectral._transforms import Placement
from nifconv.spectral.native import _dense, _library
from tests.spectral.native.test_products import (
    DTYPES,
    LANES,
    LAYOUTS,
    LENGTHS,
    half_shape,
    instruction_set,  # noqa: F401 - a fixture
    pixels,
    whole,
)
from tests.tolerances import assert_near

pytestmark = pytest.mark.skipif(_library.engine() is None, reason=str(_library.absence()))


def textbook(
    x: Tensor, spectrum: Tensor, grad: Tensor, groups: int, source: Placement, target: Placement
) -> tuple[Tensor, ...]:
    """The output and the gradients by x and by the spectrum, by torch.fft and autograd in float64."""
    x, spectrum = x.detach().double().requires_grad_(), spectrum.detach().double().requires_grad_()
    dims = (-2, -1)[-len(source.size) :]
    grid = x.new_zeros(*x.shape[:2], *source.size)
    grid[pixels(source)] = x
    transformed = torch.fft.rfftn(grid, dim=dims).unflatten(1, (groups, -1))
    kernel = torch.view_as_complex(spectrum.contiguous()).unflatten(0, (groups, -1))
    response = torch.einsum("bgi...,goi...->bgo...", transformed, kernel).flatten(1, 2)
    y = torch.fft.irfftn(response, s=source.size, dim=dims)[pixels(target)]
    return y, *torch.autograd.grad(y, (x, spectrum), grad.double().contiguous())


def random_spectrum(outputs: int, inputs: int, size: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(outputs, inputs, *half_shape(size), 2, dtype=dtype)


def check(
    x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement, grad: Tensor | None = None
) -> None:
    grad = torch.randn(len(x), len(spectrum), *target.shape).to(x.dtype) if grad is None else grad
    y = _dense.forward(x, spectrum, groups, source, target)
    dx, dh = _dense.gradients(x, spectrum, grad, groups, source, target, True, True)
    assert (y.dtype, dx.dtype, dh.dtype) == (x.dtype, x.dtype, spectrum.dtype)
    for actual, wanted in zip((y, dx, dh), textbook(x, spectrum, grad, groups, source, target), strict=True):
        assert_near(actual, wanted)
    only_x, nothing = _dense.gradients(x, spectrum, grad, groups, source, target, True, False)
    assert_close(only_x, dx, rtol=0, atol=0)
    assert nothing.numel() == 0
    nothing, only_h = _dense.gradients(x, spectrum, grad, groups, source, target, False, True)
    assert_close(only_h, dh, rtol=0, atol=0)
    assert nothing.numel() == 0


@given(height=LENGTHS, width=LENGTHS)
@example(height=1, width=1)
@example(height=1, width=6)
@example(height=5, width=1)
def test_any_map(height: int, width: int) -> None:
    size = (height, width)
    check(torch.randn(3, 2, *size), random_spectrum(3, 2, size), 1, whole(size), whole(size))


@pytest.mark.parametrize("length", [1, 2, 3, 8, 15, 97, 1009])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_signal(length: int, dtype: torch.dtype) -> None:
    grid = whole((length,))
    check(torch.randn(2, 4, length, dtype=dtype), random_spectrum(6, 2, (length,), dtype), 2, grid, grid)


COUNTS = st.integers(1, 2 * LANES + 3)


@given(batch=COUNTS, inputs=COUNTS, outputs=COUNTS, groups=st.integers(1, 3), wide=st.booleans(), beside=st.booleans())
@example(batch=2 * LANES + 1, inputs=1, outputs=5, groups=2, wide=False, beside=False)
@example(batch=1, inputs=2 * LANES + 1, outputs=LANES, groups=1, wide=False, beside=False)
@example(batch=LANES, inputs=2 * LANES, outputs=3, groups=1, wide=True, beside=True)
@example(batch=LANES + 1, inputs=3, outputs=2 * LANES + 1, groups=2, wide=False, beside=True)
def test_numbers_of_samples_and_channels(
    batch: int, inputs: int, outputs: int, groups: int, wide: bool, beside: bool
) -> None:
    """Around those of the lanes, and of the rows that a tile of sums has."""
    dtype = torch.float64 if wide else torch.float32
    spectrum = random_spectrum(groups * outputs, inputs, (4, 3), dtype)
    spectrum = by_input(spectrum) if beside else spectrum
    check(torch.randn(batch, groups * inputs, 4, 3, dtype=dtype), spectrum, groups, whole((4, 3)), whole((4, 3)))


@pytest.mark.parametrize(("outputs", "inputs"), [(200, 3), (3, 200), (129, 64)])
def test_sums_of_more_terms_than_go_at_a_time(outputs: int, inputs: int) -> None:
    grid = whole((3, 4))
    check(torch.randn(18, inputs, 3, 4), random_spectrum(outputs, inputs, (3, 4)), 1, grid, grid)


@given(data=st.data(), dtype=DTYPES, channels_last=st.booleans())
def test_any_placement(data: st.DataObject, dtype: torch.dtype, channels_last: bool) -> None:
    def placement() -> Placement:
        step = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        most = [(n - 1) // s + 1 for n, s in zip(size, step, strict=True)]
        return Placement(size, data.draw(st.tuples(*(st.integers(1, n) for n in most))), step)

    size = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    source, target = placement(), placement()
    x, grad = torch.randn(5, 4, *source.shape).to(dtype), torch.randn(5, 6, *target.shape).to(dtype)
    if channels_last:
        x, grad = x.to(memory_format=torch.channels_last), grad.to(memory_format=torch.channels_last)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    check(x, random_spectrum(6, 2, size, wide), 2, source, target, grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_maps(layout: str, dtype: torch.dtype) -> None:
    x, grad = torch.randn(LANES + 2, 4, 9, 20), torch.randn(LANES + 2, 4, 9, 20)
    if layout == "negated lazily" and dtype in (torch.bfloat16, torch.float16):
        pytest.skip("torch has no such complex numbers")
    x, grad = LAYOUTS[layout](x.to(dtype)), LAYOUTS[layout](grad.to(dtype))
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    check(x, random_spectrum(4, 4, (9, 20), wide), 1, whole((9, 20)), whole((9, 20)), grad)


def by_bin(spectrum: Tensor) -> Tensor:
    """The same values with real and imaginary parts apart, each (*half, out, in) in memory."""
    return spectrum.permute(-1, 2, 3, 0, 1).contiguous().permute(3, 4, 1, 2, 0)


def paired_by_bin(spectrum: Tensor) -> Tensor:
    return spectrum.permute(2, 3, -1, 0, 1).contiguous().permute(3, 4, 0, 1, 2)


def by_input(spectrum: Tensor) -> Tensor:
    """The same values with outputs side by side in memory, (in, 2, *half, out)."""
    return spectrum.permute(1, -1, 2, 3, 0).contiguous().permute(4, 0, 2, 3, 1)


def paired_by_input(spectrum: Tensor) -> Tensor:
    return spectrum.permute(1, 2, 3, -1, 0).contiguous().permute(4, 0, 1, 2, 3)


SPECTRA: dict[str, Callable[[Tensor], Tensor]] = {
    "by channel": lambda h: h,
    "by bin": by_bin,
    "by bin, with pairs of parts": paired_by_bin,
    "by input": by_input,
    "by input, with pairs of parts": paired_by_input,
    "by input, columns before rows": lambda h: by_input(h.transpose(2, 3)).transpose(2, 3),
    "some channels of a bank by bin": lambda h: by_bin(torch.cat([h, h], 1))[:, : h.shape[1]],
    "outputs exchanged with inputs": lambda h: by_bin(h.transpose(0, 1)).transpose(0, 1),
    "parts expanded": lambda h: by_bin(h)[..., :1].expand_as(h),
    "one bin expanded": lambda h: h[:, :, :1, :1].expand_as(h),
    "one kernel expanded": lambda h: h[:1, :1].expand_as(h),
    "of float16": lambda h: by_bin(h).half(),
}


@pytest.mark.parametrize("layout", SPECTRA)
@pytest.mark.parametrize("size", [(6, 5), (1, 1), (4, 1)])
def test_any_layout_of_spectra(layout: str, size: tuple[int, int]) -> None:
    spectrum = SPECTRA[layout](random_spectrum(6, 3, size))
    x = torch.randn(4, 6, *size)
    check(x, spectrum, 2, whole(size), whole(size))
    operands = x.requires_grad_(), spectrum.requires_grad_()
    y = _operator.apply(*operands, 2, "native", size, (1, 1), (1, 1), size)
    dh = torch.autograd.grad(y.sum(), operands)[1]
    assert_near(dh, textbook(x, spectrum, torch.ones_like(y), 2, whole(size), whole(size))[2])


READABLE = ("by bin", "by bin, with pairs of parts", "by input", "by input, with pairs of parts")


@pytest.mark.parametrize("layout", READABLE)
def test_spectra_that_the_engine_can_read_are_not_copied(layout: str) -> None:
    spectrum = SPECTRA[layout](random_spectrum(6, 3, (6, 5)))
    assert _dense._by_bin(spectrum).data_ptr() == spectrum.data_ptr()
    x, grid = torch.randn(4, 6, 6, 5), whole((6, 5))
    _, dh = _dense.gradients(x, spectrum, x, 2, grid, grid, True, True)
    assert dh.stride() == spectrum.stride()


@pytest.mark.parametrize("size", [(6, 5), (8, 8), (1, 4), (7, 16)])
def test_what_irfft_ignores_has_no_effect(size: tuple[int, int]) -> None:
    x, spectrum = torch.randn(2, 3, *size), random_spectrum(3, 3, size)
    changed = spectrum.clone()
    changed[:, :, 0, 0, 1] += 1  # the imaginary part of the sum over the kernel
    before, after = (_dense.forward(x, h, 1, whole(size), whole(size)) for h in (spectrum, changed))
    assert_close(after, before)


def test_chunks_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    x, spectrum, grid = torch.randn(3 * LANES + 5, 4, 6, 5), random_spectrum(2, 4, (6, 5)), whole((6, 5))
    at_once = _dense.forward(x, spectrum, 1, grid, grid)
    monkeypatch.setattr(_dense, "_CHUNK_BYTES", 1)
    widths = [s.stop - s.start for s, _ in _dense._chunks(len(x), _dense._by_bin(spectrum), 1, (6, 5))]
    assert widths == [LANES] * 3 + [5]
    check(x, spectrum, 1, grid, grid)
    assert_close(_dense.forward(x, spectrum, 1, grid, grid), at_once, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")  # of the profiler
def test_memory_is_bounded_in_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dense, "_CHUNK_BYTES", 1 << 20)
    spectrum = random_spectrum(4, 4, (32, 32)).requires_grad_()

    def extra(batch: int) -> int:
        x = torch.randn(batch, 4, 32, 32, requires_grad=True)
        dy = torch.randn_like(x)
        outputs = 2 * x.nbytes  # y and dx
        rest = (1, "native", (32, 32), (1, 1), (1, 1), (32, 32))
        return peak_bytes(lambda: torch.autograd.grad(_operator.apply(x, spectrum, *rest), (x, spectrum), dy)) - outputs

    assert extra(512) < 1.2 * extra(128)


def test_an_empty_batch() -> None:
    x, spectrum, grid = torch.randn(0, 4, 6, 5), random_spectrum(2, 4, (6, 5)), whole((6, 5))
    y = _dense.forward(x, spectrum, 1, grid, grid)
    dx, dh = _dense.gradients(x, spectrum, y, 1, grid, grid, True, True)
    assert (y.shape, dx.shape) == ((0, 2, 6, 5), x.shape)
    assert_close(dh, torch.zeros_like(spectrum))


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e3])
def test_no_sample_touches_another(poison: float) -> None:
    """The same bits in any batch, whatever the other samples hold."""
    x, spectrum, grid = torch.randn(2 * LANES + 3, 3, 9, 6), random_spectrum(5, 3, (9, 6)), whole((9, 6))
    alone = torch.cat([_dense.forward(sample[None], spectrum, 1, grid, grid) for sample in x])
    x[::2] *= poison
    together = _dense.forward(x, spectrum, 1, grid, grid)
    assert_close(together[1::2], alone[1::2], rtol=0, atol=0)
    assert together[::2].isfinite().all() == (poison == 1e3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 2), (7, 19), (33, 65)])
@pytest.mark.usefixtures("instruction_set")
def test_every_instruction_set(outputs: int, inputs: int, dtype: torch.dtype) -> None:
    x, grid = torch.randn(LANES + 5, 2 * inputs, 7, 6, dtype=dtype), whole((7, 6))
    spectrum = random_spectrum(2 * outputs, inputs, (7, 6), dtype)
    for lying in (spectrum, by_input(spectrum)):
        check(x, lying, 2, grid, grid)


def test_the_same_bits_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dense, "_CHUNK_BYTES", 1)
    x, spectrum, grid = torch.randn(70, 9, 12, 10), random_spectrum(21, 9, (12, 10)), whole((12, 10))
    grad, results = torch.randn(70, 21, 12, 10), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        y = _dense.forward(x, spectrum, 1, grid, grid)
        results.append((y, *_dense.gradients(x, spectrum, grad, 1, grid, grid, True, True)))
    torch.set_num_threads(1)
    for others in results[1:]:
        assert_close(others, results[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("x", "filters", "size"),
    [
        (torch.zeros(2, 4, 6, 5), (4, 1), (6, 5)),
        (torch.zeros(2, 4, 3, 4, 5), (4, 4), (3, 4, 5)),
        (torch.zeros(2, 4, 6, 5, device="meta"), (4, 4), (6, 5)),
        (torch.zeros(2, 4, 1 << 15), (4, 4), (1 << 15,)),
    ],
    ids=["depthwise", "volumes", "no CPU", "long"],
)
def test_what_it_does_not_support(x: Tensor, filters: tuple[int, int], size: tuple[int, ...]) -> None:
    assert not _dense.supports(x, torch.zeros(*filters, *half_shape(size), 2), whole(size))


@pytest.mark.parametrize(("batch", "inputs", "pays"), [(1, 64, True), (1, 63, False), (32, 2, True), (4, 15, False)])
def test_few_samples_of_few_channels_are_left_to_torch(batch: int, inputs: int, pays: bool) -> None:
    x, spectrum = torch.zeros(batch, inputs, 6, 5), torch.zeros(3, inputs, 6, 3, 2)
    assert _dense.supports(x, spectrum, whole((6, 5)))
    assert _dense.pays(x, spectrum) == pays
