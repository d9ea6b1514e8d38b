import json
import logging
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn

from experiments.training.loop.callbacks import FootprintSurvey, LocalityPenalty, map_sizes
from experiments.training.loop.classifier import Classifier
from experiments.training.loop.models import Conversion, Network
from nifconv import locality_penalty
from nifconv.footprint import read_history
from tests.experiments import commands

RANDOM = (
    *("--net.arguments", "{width: 8, depths: [1, 1, 1], drop_path: 0.5}"),
    *("--net.conversion", "{filter: niff-small}", "--model.mixing.mixup", "0.5"),
)


def test_surveys_change_nothing_in_the_training_and_compare_with_fresh_draws(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lightning.pytorch")  # short trainings elsewhere in this process quieten it
    survey = (
        "--trainer.callbacks+=FootprintSurvey",
        *("--trainer.callbacks.every_n_epochs=2", "--trainer.callbacks.null=2"),
    )
    epochs = ("--trainer.max_epochs", "3", "--trainer.limit_train_batches", "3")
    commands.run(commands.arguments(tmp_path / "plain", *RANDOM, *epochs))
    commands.run(commands.arguments(tmp_path / "surveyed", *RANDOM, *epochs, *survey))
    commands.assert_same_weights(tmp_path / "plain", tmp_path / "surveyed")
    files = sorted((tmp_path / "surveyed" / "footprint").iterdir())
    assert [file.name for file in files] == ["epoch=0.json", "epoch=2.json", "epoch=3.json"]
    first, middle, last = (json.loads(file.read_text()) for file in files)
    assert last["epoch"] == 3
    assert last["settings"]["null"] == 2
    assert [layer["name"] for layer in last["layers"]] == [layer["name"] for layer in first["layers"]]
    assert last["layers"] != first["layers"]
    sizes = commands.logged(tmp_path / "surveyed", "footprint/stage1_block1.spatial")
    assert sizes == [
        layer["measures"]["size90"][1]
        for survey in (first, middle, last)
        for layer in survey["layers"]
        if layer["name"] == "stage1_block1.spatial"
    ]
    assert "kernels after 3 epochs: 90 % of the mass within" in caplog.text
    assert list(read_history(tmp_path / "surveyed").surveys) == ["epoch 0", "epoch 2", "epoch 3"]


def test_the_penalty_in_a_training_is_that_of_the_library(tmp_path: Path) -> None:
    options = ("--net.conversion", "{filter: niff-small}")
    penalty = (
        "--trainer.callbacks+=LocalityPenalty",
        *("--trainer.callbacks.strength=0.25", "--trainer.callbacks.profile=inverted"),
    )
    commands.run(commands.arguments(tmp_path / "plain", *options))
    commands.run(commands.arguments(tmp_path / "penalised", *options, *penalty))
    seed_everything(0, verbose=False)
    net = Network("convnext", {"width": 8, "depths": [1, 1, 1]}, Conversion(filter="niff-small")).build(10, 1)
    sizes = {"stage1_block1.spatial": 4, "stage2_block1.spatial": 2, "stage3_block1.spatial": 1}
    expected = 0.25 * locality_penalty(net, "inverted", size=sizes).item()
    assert expected > 0
    assert commands.logged(tmp_path / "penalised", "locality_penalty")[0] == pytest.approx(expected)
    plain, penalised = (commands.logged(tmp_path / name, "loss_step") for name in ("plain", "penalised"))
    assert penalised[0] - plain[0] == pytest.approx(expected, rel=1e-3)
    assert penalised[-1] != plain[-1]


def test_kernels_are_penalised_at_the_largest_map_that_they_meet() -> None:
    net = Network("separable", {"width": 4, "kernel_size": 3, "depth": 2}, Conversion()).build(10, 1)
    assert map_sizes(net, torch.zeros(1, 1, 9, 12)) == {"spatial0": (9, 12), "spatial1": (9, 12)}

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x) + self.inner(x[..., ::2, ::2])

    assert map_sizes(Twice(), torch.zeros(1, 1, 12, 12))["inner.spatial1"] == (12, 12)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="every_n_epochs=0 must be at least 1"):
        FootprintSurvey(every_n_epochs=0)
    with pytest.raises(ValueError, match="strength=-1 must be at least 0"):
        LocalityPenalty(strength=-1)


def test_other_modules_and_data_are_refused() -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(TypeError, match="pl_module=LightningModule must be"):
        LocalityPenalty(1.0).setup(trainer, LightningModule(), "fit")
    with pytest.raises(TypeError, match="datamodule=NoneType must be an ImageData"):
        LocalityPenalty(1.0).setup(trainer, Classifier(nn.Linear(1, 2), 2), "fit")


@pytest.mark.parametrize("callback", [FootprintSurvey(), LocalityPenalty(1.0)])
def test_a_sharded_net_is_refused(callback: FootprintSurvey | LocalityPenalty) -> None:
    trainer = Trainer(accelerator="cpu", devices=1, strategy="ddp", logger=False, enable_checkpointing=False)
    trainer.strategy.__class__ = ModelParallelStrategy
    with pytest.raises(ValueError, match=rf"strategy=ModelParallelStrategy.*{type(callback).__name__}.*strategy='ddp'"):
        callback.setup(trainer, LightningModule(), "fit")
