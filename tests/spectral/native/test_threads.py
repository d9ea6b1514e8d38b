"""The engine on several threads, in several threads of Python and after a fork."""

import multiprocessing
import threading

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nifconv.spectral._transforms import Placement
from nifconv.spectral.native import _library, _products
from tests.spectral.native.test_products import half_shape, textbook, whole
from tests.tolerances import assert_near

pytestmark = pytest.mark.skipif(_library.engine() is None, reason=str(_library.absence()))


@pytest.mark.parametrize(("batch", "channels", "multiplier"), [(70, 3, 1), (33, 40, 2), (9, 130, 1)])
def test_the_same_bits_for_any_number_of_threads(batch: int, channels: int, multiplier: int) -> None:
    x, grid = torch.randn(batch, channels, 12, 10), whole((12, 10))
    spectrum, grad = torch.randn(channels * multiplier, 1, 12, 6, 2), torch.randn(batch, channels * multiplier, 12, 10)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        y = _products.forward(x, spectrum, channels, grid, grid)
        results.append((y, *_products.gradients(x, spectrum, grad, channels, grid, grid, True, True)))
    torch.set_num_threads(1)
    for others in results[1:]:
        assert_close(others, results[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("batch", "channels", "multiplier", "source", "target"),
    [
        (1, 16, 1, whole((96, 130)), whole((96, 130))),
        (2, 3, 2, whole((97, 101)), whole((97, 101))),  # two samples of a channel in a vector, two filters each
        (20, 1, 1, whole((90, 96)), whole((90, 96))),  # several vectors of samples, one after another
        (2, 5, 1, Placement((100, 130), (77, 96), (1, 1)), Placement((100, 130), (50, 65), (2, 2))),
    ],
)
def test_threads_that_share_one_vector_of_planes(
    batch: int, channels: int, multiplier: int, source: Placement, target: Placement
) -> None:
    """With 8 threads these have too few vectors for each to take one, and are large enough to be divided."""
    x = torch.randn(batch, channels, *source.shape)
    spectrum = torch.randn(channels * multiplier, 1, *half_shape(source.size), 2)
    grad = torch.randn(batch, channels * multiplier, *target.shape)
    found = []
    for threads in (1, 8):
        torch.set_num_threads(threads)
        y = _products.forward(x, spectrum, channels, source, target)
        found.append((y, *_products.gradients(x, spectrum, grad, channels, source, target, True, True)))
    torch.set_num_threads(1)
    for alone, together, wanted in zip(*found, textbook(x, spectrum, grad, source, target), strict=True):
        assert_near(together, wanted)
        assert_close(together, alone, rtol=0, atol=0)


def test_python_threads_at_once() -> None:
    x, spectrum, grid = torch.randn(8, 20, 15, 11), torch.randn(20, 1, 15, 6, 2), whole((15, 11))
    expected = _products.forward(x, spectrum, 20, grid, grid)
    results: list[Tensor] = []

    def work() -> None:
        results.extend(_products.forward(x, spectrum, 20, grid, grid) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    for result in results:
        assert_close(result, expected, rtol=0, atol=0)


def _in_child(x: Tensor, spectrum: Tensor, expected: Tensor) -> None:
    torch.set_num_threads(1)  # as the workers of a DataLoader do
    grid = whole((6, 5))
    assert_close(_products.forward(x, spectrum, 3, grid, grid), expected, rtol=0, atol=0)


def test_after_a_fork() -> None:
    torch.set_num_threads(2)
    x, spectrum, grid = torch.randn(8, 3, 6, 5), torch.randn(3, 1, 6, 3, 2), whole((6, 5))
    expected = _products.forward(x, spectrum, 3, grid, grid)
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(x, spectrum, expected))
    child.start()
    child.join(30)
    torch.set_num_threads(1)
    assert child.exitcode == 0
