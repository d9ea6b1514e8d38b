"""Which samples make which batch, on which process."""

from itertools import chain

import pytest

from experiments.training.data.order import EvaluationOrder, Order, TrainingOrder

COUNT = 50


def indices(order: Order, epoch: int = 1) -> list[list[int]]:
    return [[index for _, index in keys] for keys in order.batches(epoch, 0)]


@pytest.mark.parametrize("seed", [None, 5])
def test_two_processes_see_the_batches_of_one_with_twice_the_size(seed: int | None) -> None:
    one = indices(TrainingOrder(COUNT, 12, seed=seed))
    shares = [indices(TrainingOrder(COUNT, 6, rank, 2, seed=seed)) for rank in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == one
    assert all(len(batch) == 12 for batch in one)
    seen = [index for batch in one for index in batch]
    assert len(set(seen)) == len(seen) == 48


@pytest.mark.parametrize(("count", "batch_size", "processes"), [(50, 6, 2), (49, 8, 3), (513, 256, 2), (4, 4, 4)])
def test_evaluation_sees_each_sample_once_in_equally_many_batches(count: int, batch_size: int, processes: int) -> None:
    shares = [indices(EvaluationOrder(count, batch_size, rank, processes)) for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1
    sizes = {len(batch) for share in shares for batch in share}
    assert max(sizes) <= batch_size
    assert min(sizes) >= 1
    whole = indices(EvaluationOrder(count, batch_size * processes))
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == whole
    assert sorted(chain(*whole)) == list(range(count))


def test_no_process_has_an_empty_batch_of_single_samples() -> None:
    shares = [indices(EvaluationOrder(5, 1, rank, 4)) for rank in range(4)]
    assert shares == [[[0, 1]], [[2]], [[3]], [[4]]]


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="50 samples has no batch for batch_size=30 on each of 2 processes"):
        TrainingOrder(COUNT, 30, 0, 2)
    with pytest.raises(ValueError, match="1 samples has no batch for batch_size=4 on each of 2 processes"):
        EvaluationOrder(1, 4, 0, 2)
