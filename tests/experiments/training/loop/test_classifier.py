from functools import partial
from unittest.mock import patch

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.nn.functional import cross_entropy

from experiments.tasks.batches import Batches
from experiments.training.loop.classifier import Classifier
from experiments.training.loop.mixing import Mixing
from experiments.training.loop.quiet import expected_warnings

IMAGES, LABELS = torch.randn(16, 1, 4, 4), torch.arange(16) % 6


def net() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.LayerNorm(6))


def loss(classifier: Classifier) -> torch.Tensor:
    with patch.object(classifier, "log"):  # there is no trainer
        return classifier.training_step((IMAGES, LABELS))


def test_the_loss_is_smoothed_cross_entropy() -> None:
    model = net()
    expected = cross_entropy(model(IMAGES), LABELS, label_smoothing=0.2)
    torch.testing.assert_close(loss(Classifier(model, 6, label_smoothing=0.2)), expected)


def test_the_sigmoid_loss_asks_of_each_class_whether_it_is_the_one() -> None:
    model = net()
    found = loss(Classifier(model, 6, loss="sigmoid", label_smoothing=0.3))
    probability = model(IMAGES).sigmoid()
    target = 0.7 * nn.functional.one_hot(LABELS, 6) + 0.3 / 6
    expected = -(target * probability.log() + (1 - target) * (1 - probability).log()).sum(1).mean()
    torch.testing.assert_close(found, expected)


def test_mixed_images_have_mixed_labels() -> None:
    torch.manual_seed(3)
    images, targets = Mixing(mixup=1.0).transform(6)(IMAGES, LABELS)
    share = targets[0, 0]  # of image 0; the rest is of the last one
    assert 0 < share < 1
    torch.testing.assert_close(images[0], share * IMAGES[0] + (1 - share) * IMAGES[-1])
    torch.testing.assert_close(targets.sum(1), torch.ones(16))
    kinds = {type(kind).__name__ for kind in Mixing(mixup=1.0, cutmix=0.5).transform(6).transforms}
    assert kinds == {"MixUp", "CutMix"}


def test_the_training_loss_is_of_the_mixed_batch() -> None:
    model = net()
    torch.manual_seed(3)
    images, targets = Mixing(cutmix=1.0).transform(6)(IMAGES, LABELS)
    torch.manual_seed(3)
    found = loss(Classifier(model, 6, mixing=Mixing(cutmix=1.0)))
    torch.testing.assert_close(found, cross_entropy(model(images), targets))
    assert not torch.allclose(found, cross_entropy(model(IMAGES), LABELS))


def test_penalties_are_added() -> None:
    model = net()
    classifier = Classifier(model, 6)
    classifier.penalties["size"] = lambda of: of[1].weight.square().sum()
    expected = cross_entropy(model(IMAGES), LABELS) + model[1].weight.square().sum()
    torch.testing.assert_close(loss(classifier), expected)


@pytest.mark.parametrize("everything", [True, False])
def test_weight_decay_of_norms_and_biases_is_a_choice(everything: bool) -> None:
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = partial(torch.optim.SGD, lr=0.5, weight_decay=0.5)
    classifier = Classifier(model, 6, optimizer, decay_norm_and_bias=everything)
    classifier.trainer = Trainer(max_steps=1, max_epochs=-1, logger=False, enable_checkpointing=False)
    chosen = classifier.configure_optimizers()["optimizer"]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for group in chosen.param_groups:
        group["lr"] = 0.5
    chosen.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == ({"1.weight", "1.bias", "2.weight"} if everything else {"1.weight"})  # LayerNorm's bias is 0


def test_a_training_without_end_has_no_schedule() -> None:
    trainer = Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with expected_warnings(), pytest.raises(ValueError, match="max_epochs=-1 leaves the schedule without an end"):
        trainer.fit(Classifier(net(), 6), Batches(IMAGES, LABELS, 8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Classifier(net(), 6, label_smoothing=1.0), "label_smoothing=1.0 must be a share"),
        (lambda: Mixing(), "mixup=0.0 and cutmix=0.0 must be"),
        (lambda: Mixing(mixup=-1.0, cutmix=1.0), "mixup=-1.0 and cutmix=1.0"),
    ],
)
def test_nonsense_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
