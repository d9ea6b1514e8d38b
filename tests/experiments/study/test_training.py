"""The plain training loop, and recalibrated BatchNorm."""

import pytest
import torch
from torch import Tensor, nn

from experiments.study.training import correct, fit, recalibrate, steps_to
from experiments.tasks.batches import Batches


def separable(count: int = 256) -> tuple[Tensor, Tensor]:
    """Two classes that differ in their mean."""
    labels = torch.arange(count) % 2
    return torch.randn(count, 1, 2, 2, generator=torch.Generator().manual_seed(0)) + 3 * labels.view(
        -1, 1, 1, 1
    ), labels


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def test_a_net_learns_in_as_many_steps_as_it_is_given() -> None:
    images, labels = separable()
    net = small_net()
    curve = fit(net, Batches(images, labels, 32, seed=0), steps=40, rate=0.03)
    assert len(curve) == 40
    assert sum(curve[-8:]) > sum(curve[:8])
    assert sum(curve[-8:]) / 8 > 0.9
    assert correct(net, images, labels).float().mean() > 0.9
    assert not net.training


def test_training_depends_on_seeds_alone() -> None:
    images, labels = separable()
    nets = [small_net() for _ in range(2)]
    curves = [fit(net, Batches(images, labels, 32, seed=0), steps=5, rate=0.03) for net in nets]
    assert curves[0] == curves[1]
    assert all(torch.equal(*pair) for pair in zip(*(net.parameters() for net in nets), strict=True))


def test_a_penalty_is_part_of_the_loss() -> None:
    images, labels = separable()
    sizes = []
    for penalty in (None, lambda net: 10 * net[3].weight.square().sum()):
        net = small_net()
        fit(net, Batches(images, labels, 32, seed=0), steps=30, rate=0.03, penalty=penalty)
        sizes.append(net[3].weight.norm().item())
    assert sizes[1] < 0.5 * sizes[0]


def test_right_answers_are_found_image_by_image() -> None:
    answers = torch.eye(3)[torch.tensor([0, 1, 2, 0])].view(4, 3)
    assert correct(nn.Identity(), answers, torch.tensor([0, 2, 2, 1])).tolist() == [True, False, True, False]


@pytest.mark.parametrize(("curve", "expected"), [([0.0] * 3 + [1.0] * 4, 6), ([0.0] * 5, 5), ([1.0] * 5, 3)])
def test_steps_are_counted_to_the_end_of_the_first_good_window(curve: list[float], expected: int) -> None:
    assert steps_to(curve, 0.9, window=3) == expected


def test_statistics_become_those_of_the_given_batches() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3, momentum=0.3))
    images, labels = torch.randn(64, 1, 4, 4) * 2 + 5, torch.zeros(64, dtype=torch.long)
    net(torch.randn(8, 1, 4, 4))
    before = {name: value.clone() for name, value in net.named_parameters()}
    recalibrate(net, Batches(images, labels, 16))
    seen = net[0](images)
    torch.testing.assert_close(net[1].running_mean, seen.mean((0, 2, 3)))
    by_batch = torch.stack([part.var((0, 2, 3)) for part in seen.split(16)]).mean(0)
    torch.testing.assert_close(net[1].running_var, by_batch)
    assert not net.training
    assert net[1].momentum == 0.3
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())
