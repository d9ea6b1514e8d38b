import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nifconv import frequency
from tests import oracles
from tests.tolerances import assert_near

SIZES = [(1,), (2,), (7,), (8,), (1, 1), (2, 3), (5, 4), (6, 6), (7, 1), (1, 6), (3, 4, 5), (4, 2, 6), (2, 1, 3)]
sizes = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple)


def dims(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(size), 0))


def random_half(size: tuple[int, ...], *lead: int) -> torch.Tensor:
    return torch.randn(*lead, *frequency.half_shape(size), dtype=torch.complex128)


@pytest.mark.parametrize("size", SIZES)
def test_grid_is_the_half_of_the_written_out_grid(size: tuple[int, ...]) -> None:
    whole = torch.tensor(oracles.full_grid(size), dtype=torch.float64).reshape(*size, len(size))
    half = whole[..., : size[-1] // 2 + 1, :].clone()
    if size[-1] % 2 == 0:
        half[..., -1, -1] = 0.5  # rfftfreq calls the last bin 1/2, fftfreq -1/2: the same frequency
    assert_close(frequency.grid(size, dtype=torch.float64), half)


def test_grid_is_computed_in_float64_and_rounded_once() -> None:
    exact = frequency.grid((49, 51), dtype=torch.float64)
    for dtype in (torch.float32, torch.bfloat16):
        assert torch.equal(frequency.grid((49, 51), dtype=dtype), exact.to(dtype))
    assert frequency.grid((3,)).dtype == torch.get_default_dtype()


@given(sizes)
def test_half_shape_is_that_of_rfftn(size: tuple[int, ...]) -> None:
    assert frequency.half_shape(size) == tuple(torch.fft.rfftn(torch.zeros(size)).shape)


@given(sizes)
def test_projected_spectra_survive_the_way_to_space_and_back(size: tuple[int, ...]) -> None:
    projected = frequency.project_hermitian(random_half(size, 2), size)
    kernel = torch.fft.irfftn(projected, s=size, dim=dims(size))
    assert_near(torch.fft.rfftn(kernel, dim=dims(size)), projected)


@given(sizes)
def test_projection_is_a_projection_that_changes_no_kernel(size: tuple[int, ...]) -> None:
    spectrum = random_half(size)
    projected = frequency.project_hermitian(spectrum, size)
    assert_near(frequency.project_hermitian(projected, size), projected)
    # The real part of the full inverse of the Hermitian continuation, without irfftn and what it ignores.
    assert_near(torch.fft.irfftn(projected, s=size, dim=dims(size)), torch.fft.irfftn(spectrum, s=size, dim=dims(size)))


@pytest.mark.parametrize(("size", "columns"), [((6, 8), [0, 4]), ((5, 7), [0]), ((4, 3, 6), [0, 3]), ((3, 4, 5), [0])])
def test_self_conjugate_planes_become_hermitian_and_nothing_else_changes(
    size: tuple[int, ...], columns: list[int]
) -> None:
    spectrum = random_half(size)
    projected = frequency.project_hermitian(spectrum, size)
    for column in columns:
        plane = projected[..., column]
        mirrored = torch.stack(
            [plane[tuple(-i % n for i, n in zip(index, plane.shape, strict=True))] for index in _indices(plane.shape)]
        ).reshape(plane.shape)
        assert_near(plane, mirrored.conj())
    rest = [c for c in range(spectrum.shape[-1]) if c not in columns]
    assert torch.equal(projected[..., rest], spectrum[..., rest])
    assert not torch.equal(projected[..., columns], spectrum[..., columns])


def _indices(shape: torch.Size) -> list[tuple[int, ...]]:
    return [
        tuple(int(i) for i in index)
        for index in torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, len(shape))
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_taps_to_spectrum_is_the_sum_in_its_docstring(size: tuple[int, ...], kernel: int, dilation: int) -> None:
    taps = torch.randn(2, *(kernel,) * len(size), dtype=torch.float64)
    expected = oracles.spectrum_of_taps(taps, size, dilation)[..., : size[-1] // 2 + 1]
    assert_near(frequency.taps_to_spectrum(taps, size, dilation=dilation), expected)


@given(sizes)
def test_taps_and_spectrum_are_inverse(size: tuple[int, ...]) -> None:
    taps = torch.randn(3, *size, dtype=torch.float64)
    assert_near(frequency.spectrum_to_taps(frequency.taps_to_spectrum(taps, size), size), taps)


def test_a_delta_at_the_centre_is_the_constant_one() -> None:
    taps = torch.zeros(5, 4, dtype=torch.float64)
    taps[2, 2] = 1
    assert_near(frequency.taps_to_spectrum(taps, (6, 9)), torch.ones(6, 5, dtype=torch.complex128))


@given(sizes, st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_resizing_up_and_down_gives_the_taps_back_about_the_same_centre(
    size: tuple[int, ...], extra: list[int]
) -> None:
    taps = torch.randn(2, *size)
    larger = tuple(n + e for n, e in zip(size, extra, strict=False))
    grown = frequency.resize_taps(taps, larger)
    assert grown.shape == (2, *larger)
    assert torch.equal(frequency.resize_taps(grown, size), taps)
    centre = (slice(None), *(n // 2 for n in size))
    assert torch.equal(grown[(slice(None), *(n // 2 for n in larger))], taps[centre])
    assert_close(grown.abs().sum(), taps.abs().sum())


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=3))
def test_folding_is_sampling(axes: list[tuple[int, int]]) -> None:
    size = tuple(n * s for n, s in axes)
    stride = tuple(s for _, s in axes)
    x = torch.randn(2, *size, dtype=torch.float64)
    folded = frequency.fold(torch.fft.rfftn(x, dim=dims(size)), size, stride)
    sampled = x[(slice(None), *(slice(None, None, s) for s in stride))]
    assert_near(folded, torch.fft.rfftn(sampled, dim=dims(size)))


def test_fast_length_is_the_smallest_smooth_multiple() -> None:
    def smooth(n: int) -> bool:
        return not [p for p in range(8, n + 1) if n % p == 0 and all(p % q for q in range(2, math.isqrt(p) + 1))]

    for multiple in (1, 2, 3):
        for minimum in range(1, 130):
            candidates = (n for n in range(minimum, 4 * minimum + 9) if n % multiple == 0 and smooth(n // multiple))
            assert frequency.fast_length(minimum, multiple_of=multiple) == next(candidates)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: frequency.half_shape((4, 0)), ValueError, r"size=0 must be at least 1"),
        (lambda: frequency.grid((0, 4)), ValueError, r"size=0 must be at least 1"),
        (lambda: frequency.grid((2.5, 4)), TypeError, r"size=2\.5 must be an integer, not float"),
        (lambda: frequency.half_shape(4), TypeError, "size=4 must hold one integer for each spatial axis"),
        (lambda: frequency.grid(()), ValueError, r"size=\(\) has no spatial axis"),
        (
            lambda: frequency.taps_to_spectrum(torch.zeros(3), (4, 4)),
            ValueError,
            r"shape \(3,\), but need 2",
        ),
        (lambda: frequency.taps_to_spectrum(torch.zeros(0, 3), (4, 4)), ValueError, r"at least 1 tap"),
        (lambda: frequency.taps_to_spectrum(torch.zeros(3, 3), (4, 4), origin=[1]), ValueError, r"origin=\(1,\) has 1"),
        (
            lambda: frequency.taps_to_spectrum(torch.zeros(3), (4,), origin=[1.5]),
            TypeError,
            r"origin=1\.5 must be",
        ),
        (lambda: frequency.resize_taps(torch.zeros(3), (0,)), ValueError, "size=0 must be at least 1"),
        (lambda: frequency.resize_taps(torch.zeros(3), (2, 2)), ValueError, r"shape \(3,\), but need 2"),
        (lambda: frequency.project_hermitian(torch.zeros(4, 3), (4, 4)), TypeError, r"dtype torch\.float32.*complex"),
        (
            lambda: frequency.project_hermitian(torch.zeros(4, 4, dtype=torch.complex64), (4, 4)),
            ValueError,
            r"\(4, 4\).*size=\(4, 4\) has \(4, 3\)",
        ),
        (
            lambda: frequency.spectrum_to_taps(torch.zeros(2, 4, 4, dtype=torch.complex64), (4, 4)),
            ValueError,
            r"\(4, 4\).*size=\(4, 4\) has \(4, 3\)",
        ),
        (lambda: frequency.spectrum_to_taps(torch.zeros(4, 3), (4, 4)), TypeError, r"dtype torch\.float32"),
        (
            lambda: frequency.taps_to_spectrum(torch.zeros(3, dtype=torch.int64), (4,)),
            TypeError,
            r"taps has dtype torch\.int64.*\.float\(\)",
        ),
        (lambda: frequency.taps_to_spectrum(torch.zeros(3), (4,), dilation=0), ValueError, r"dilation=0 must be"),
        (
            lambda: frequency.fold(torch.zeros(7, 4, dtype=torch.complex64), (7, 6), (2, 2)),
            ValueError,
            r"stride=\(2, 2\) must divide size=\(7, 6\).*slice",
        ),
        (lambda: frequency.fold(torch.zeros(7), (12,), (2,)), TypeError, r"dtype torch\.float32"),
    ],
)
def test_errors_name_value_and_rule(call, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call()
