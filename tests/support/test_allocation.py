"""What is built inside a limit is what is built outside, and what would exceed it takes no memory."""

import resource
import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nifconv._support.allocation import AllocationLimit

MIB = 2**20


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(3 * 2**30),
        lambda: torch.full((2**16, 2**16), 1.0),
        lambda: torch.randn(2**32),
        lambda: torch.arange(2**32),
        lambda: torch.linspace(0, 1, 2**32).tolist(),
        lambda: torch.arange(2**16)[:, None] - torch.arange(2**16),  # made of little
        lambda: torch.zeros(1).expand(2**33).contiguous(),
        lambda: torch.ones(2**16, dtype=torch.bool).repeat(2**17),
        lambda: nn.Linear(2**16, 2**16),
        lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(10**9))),  # many that are small
        lambda: [torch.ones(2**24) for _ in range(10**6)],
    ],
)
def test_what_is_too_large_is_refused_before_it_takes_memory(make: Callable[[], object]) -> None:
    before = peak()
    with AllocationLimit(100 * MIB), pytest.raises(ValueError, match="building it would allocate more than 100 MiB"):
        make()
    assert peak() - before < 300 * MIB


def test_the_limit_is_that_of_all_together() -> None:
    with AllocationLimit(10 * MIB):
        torch.zeros(2 * MIB)
        torch.zeros(MIB // 2)
        with pytest.raises(ValueError, match="more than 10 MiB"):
            torch.empty(1)
    torch.zeros(4 * MIB)


def test_views_and_what_is_done_in_place_take_nothing() -> None:
    with AllocationLimit(3 * MIB):
        x = torch.zeros(MIB // 2)
        for _ in range(100):
            x.uniform_().add_(1)
            nn.Parameter(x).detach().view(2, -1).expand(9, -1, -1)
        assert x[3].item() >= 1
        assert len(x.nonzero()) == len(x)  # whose size depends on values


@pytest.mark.parametrize("model", ["regnet_y_400mf", "swin_t", "timm:vit_tiny_patch16_224", "squeezenet1_1"])
def test_models_of_libraries_are_what_they_are_without_a_limit(model: str) -> None:
    from nifconv.models import NamedModel

    torch.manual_seed(0)
    expected = NamedModel(model).build()
    torch.manual_seed(0)
    with AllocationLimit(500 * MIB):
        found = NamedModel(model).build()
    torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
    assert str(found) == str(expected)


def test_other_threads_are_left_alone() -> None:
    made: list[int] = []
    with AllocationLimit(MIB):
        thread = threading.Thread(target=lambda: made.append(len(torch.zeros(MIB))))
        thread.start()
        thread.join()
    assert made == [MIB]
