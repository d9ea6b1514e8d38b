"""Recalibrated BatchNorm."""

import torch
from torch import nn

from experiments.study.training import recalibrate
from experiments.tasks.batches import Batches


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
