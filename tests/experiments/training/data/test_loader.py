"""Loading: what a batch holds depends on seed and epoch alone, wherever loading starts and whoever does it."""

import os
from collections.abc import Callable
from itertools import islice

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from experiments.tasks.batches import Batch
from experiments.tasks.seeded import Generated, Seeded, seed_of
from experiments.training.data.embedded import DigitsData
from experiments.training.data.loader import KeyedLoader
from experiments.training.data.order import EvaluationOrder, TrainingOrder

COUNT = 50


class Noisy(Dataset[tuple[Tensor, int]]):
    """Its index, and noise from torch's global generator; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.asked.append(index)
        return torch.rand(3), index


def noisy(workers: int = 0, seed: int = 0) -> KeyedLoader:
    return KeyedLoader(Seeded(Noisy(), seed), TrainingOrder(COUNT, 8, seed=seed), workers)


def drawn(workers: int = 0, seed: int = 0) -> KeyedLoader:
    def draw(count: int, generator: torch.Generator) -> Batch:
        return torch.rand(count, 3, generator=generator), torch.randperm(count, generator=generator)

    return KeyedLoader(Generated(draw, COUNT, 5, seed), TrainingOrder(COUNT, 8), workers)


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other) > 0
    for (images, labels), (images2, labels2) in zip(one, other, strict=True):
        assert torch.equal(images, images2)
        assert torch.equal(labels, labels2)


both = pytest.mark.parametrize("loader", [noisy, drawn])


@both
def test_each_epoch_is_new_and_depends_on_the_seed_alone(loader: Callable[..., KeyedLoader]) -> None:
    one = loader()
    first, second = list(one), list(one)
    torch.manual_seed(17)
    again = loader()
    assert_same(first, list(again))
    assert_same(second, list(again))
    values = [torch.cat([images for images, _ in epoch]) for epoch in (first, second, list(loader(seed=1)))]
    assert not torch.isin(values[0], values[1]).any()
    assert not torch.isin(values[0], values[2]).any()


@both
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_state_goes_on_with_the_next_batch(loader: Callable[..., KeyedLoader], workers: int) -> None:
    whole = loader()
    first, second = list(whole), list(whole)
    saving = loader(workers=2)  # both workers have prepared more than three batches by then
    had = list(islice(saving, 3))
    state = saving.state_dict()
    assert_same(had, first[:3])
    resumed = loader(workers=workers)
    resumed.load_state_dict(state)
    assert_same(list(resumed), first[3:])
    assert_same(list(resumed), second)


def test_the_state_of_an_epoch_that_is_over_goes_on_with_the_next() -> None:
    whole = noisy()
    list(whole)
    resumed = noisy()
    resumed.load_state_dict(whole.state_dict())
    assert_same(list(resumed), list(whole))


def test_resuming_touches_no_sample_of_earlier_batches() -> None:
    samples = Noisy()
    order = TrainingOrder(COUNT, 8, seed=3)
    loader = KeyedLoader(Seeded(samples, 3), order)
    loader.load_state_dict({"epoch": 2, "consumed": 4, "batches": 6})
    list(loader)
    expected = [index for keys in order.batches(2, 4) for _, index in keys]
    assert samples.asked == expected
    assert len(expected) == 16


def test_a_state_of_other_batches_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch of 12 batches and cannot be used in one of 6; resume with the same"):
        noisy().load_state_dict({"epoch": 0, "consumed": 1, "batches": 12})


def test_a_block_is_drawn_once_for_a_batch() -> None:
    counts = []

    def draw(count: int, generator: torch.Generator) -> Batch:
        counts.append(count)
        return torch.rand(count, 3, generator=generator), torch.arange(count)

    list(KeyedLoader(Generated(draw, 22, 5, 0), EvaluationOrder(22, 11)))
    assert counts == [5, 5, 5, 5, 5, 2]  # two batches of 11: 5 + 5 + 1 of 5, and 4 of 5 + 5 + 2


class Group(Dataset[tuple[int, int]]):
    """The process group in which a sample is made."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[int, int]:
        return os.getpgrp(), index


@pytest.mark.skipif(os.name != "posix", reason="only there are signals sent to groups")
def test_a_signal_to_the_group_of_a_training_does_not_reach_its_workers() -> None:
    groups = {
        group for batch, _ in KeyedLoader(Seeded(Group(), 0), TrainingOrder(COUNT, 8), 2) for group in batch.tolist()
    }
    assert len(groups) == 2
    assert os.getpgrp() not in groups


def test_making_samples_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    assert len(list(noisy())) == COUNT // 8
    assert torch.equal(torch.get_rng_state(), before)


def test_a_sample_is_the_same_in_whatever_batch() -> None:
    orders = TrainingOrder(COUNT, 10, seed=0), TrainingOrder(COUNT, 5), EvaluationOrder(COUNT, 7)
    by_index = []
    for order in orders:
        images, labels = zip(*KeyedLoader(Seeded(Noisy(), 0), order), strict=True)
        by_index.append(dict(zip(torch.cat(labels).tolist(), torch.cat(images), strict=True)))
    for index in range(COUNT):
        assert torch.equal(by_index[0][index], by_index[1][index])
        assert torch.equal(by_index[0][index], by_index[2][index])


def test_seeds_differ_wherever_their_parts_do() -> None:
    parts = [(0,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (1 << 32,), (-1, 0), ("1", 0)]
    assert len({seed_of(*numbers) for numbers in parts}) == len(parts)


def test_what_no_loader_can_do_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=0 must be 1 or more"):
        DigitsData(batch_size=0)
    with pytest.raises(ValueError, match="workers=-1 must be 0 or more"):
        DigitsData(workers=-1)
