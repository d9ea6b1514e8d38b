"""FGSM and PGD on nets whose gradients are known, and on one that has to be climbed."""

import re

import pytest
import torch
from torch import Tensor, nn

from experiments.nets.attacks import fgsm, pgd
from experiments.study.training import accuracy

EPSILON = 8 / 255


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, 6, 3), nn.SiLU(), nn.Flatten(), nn.LazyLinear(4)
    ).eval()


@pytest.fixture
def batch(net: nn.Module) -> tuple[Tensor, Tensor]:
    pixels = torch.rand(40, 1, 8, 8)
    pixels[:, :, :2], pixels[:, :, -2:] = 0, 1  # where the bounds of an image are felt
    return pixels, net(pixels).argmax(1).detach()


def loss(net: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(net(pixels), labels, reduction="none").detach()


def test_fgsm_moves_a_linear_net_against_its_weights() -> None:
    # Two classes: the loss of class 0 grows along w1 - w0, whatever the image.
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 2)).eval()
    pixels = torch.rand(5, 1, 3, 3)
    towards = (net[1].weight[1] - net[1].weight[0]).sign().view(1, 1, 3, 3)
    expected = (pixels + EPSILON * towards).clamp(0, 1)
    torch.testing.assert_close(fgsm(net, pixels, torch.zeros(5).long(), EPSILON), expected)


@pytest.mark.parametrize("random_start", [False, True])
def test_attacked_pixels_stay_within_epsilon_and_within_an_image(
    net: nn.Module, batch: tuple[Tensor, Tensor], random_start: bool
) -> None:
    generator = torch.Generator().manual_seed(1) if random_start else None
    attacked = pgd(net, *batch, EPSILON, steps=7, step_size=EPSILON, generator=generator)
    assert (attacked - batch[0]).abs().max().item() == pytest.approx(EPSILON, rel=1e-5)
    assert attacked.min() >= 0
    assert attacked.max() <= 1


def test_one_whole_step_of_pgd_is_fgsm(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(pgd(net, *batch, EPSILON, steps=1, step_size=EPSILON), fgsm(net, *batch, EPSILON))
    assert not torch.equal(pgd(net, *batch, EPSILON, steps=2), fgsm(net, *batch, EPSILON))


def test_every_attack_raises_the_loss_and_pgd_raises_it_most(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    pixels, labels = batch
    before = loss(net, pixels, labels)
    by_fgsm, by_pgd = (loss(net, attack(net, pixels, labels, EPSILON), labels) for attack in (fgsm, pgd))
    assert (by_fgsm > before).all()
    assert by_pgd.mean() >= by_fgsm.mean()
    wide = 0.2
    shown = [pixels, *(attack(net, pixels, labels, wide) for attack in (fgsm, pgd))]
    clean, *attacked = (accuracy(net, [(images, labels)], classes=4) for images in shown)
    assert clean == 1 > attacked[0] >= attacked[1]


def test_parameters_have_no_gradient_from_an_attack(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    assert not fgsm(net, *batch, EPSILON).requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_net_in_training_and_normalised_pixels_are_errors(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    pixels, labels = batch
    with pytest.raises(ValueError, match=r"net.training=True, but .* call net.eval\(\) first"):
        fgsm(net.train(), pixels, labels, EPSILON)
    with pytest.raises(ValueError, match=re.escape("pixels lie in [-0.5, 0.5] but must lie in [0, 1]; undo")):
        fgsm(net.eval(), pixels - 0.5, labels, EPSILON)
