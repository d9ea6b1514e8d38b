"""A fit by Lightning that was interrupted resumes at the next batch."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from experiments.tasks.batches import Batch
from experiments.training.data.embedded import DigitsData


class Linear(LightningModule):
    """Remembers the sum of every training batch by epoch and number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.seen: list[tuple[int, int, float]] = []

    def training_step(self, batch: Batch, number: int) -> Tensor:
        images, labels = batch
        self.seen.append((self.current_epoch, number, images.sum().item()))
        return nn.functional.cross_entropy(self.layer(images.flatten(1)), labels)

    def validation_step(self, batch: Batch) -> None:
        self.layer(batch[0].flatten(1))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Break(Callback):
    """Saves and breaks off after a step, before or after the epoch is over."""

    def __init__(self, path: Path, step: int, at_epoch_end: bool) -> None:
        self._path, self._step, self._at_epoch_end = path, step, at_epoch_end

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self._break(trainer, not self._at_epoch_end)

    def on_train_epoch_end(self, trainer: Trainer, *_: Any) -> None:
        self._break(trainer, self._at_epoch_end)

    def _break(self, trainer: Trainer, here: bool) -> None:
        if here and trainer.global_step == self._step:
            trainer.save_checkpoint(self._path)
            raise InterruptedError


def fit(limit: int | None, broken: Break | None = None, resume: Path | None = None) -> Linear:
    torch.manual_seed(0)
    net = Linear()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_train_batches=limit,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[] if broken is None else [broken],
    )
    with pytest.raises(InterruptedError) if broken else nullcontext():
        trainer.fit(net, datamodule=DigitsData(batch_size=256), ckpt_path=resume, weights_only=False)
    return net


@pytest.fixture(scope="module", params=[None, 3], ids=["whole epochs", "limited epochs"])
def uninterrupted(request: pytest.FixtureRequest) -> tuple[int | None, Linear]:
    return request.param, fit(request.param)


@pytest.mark.filterwarnings(
    r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning", "ignore:.*does not have many workers"
)
@pytest.mark.parametrize(("batches", "at_epoch_end"), [(1, False), (0, False), (0, True), (-1, False)])
def test_lightning_resumes_at_the_next_batch(
    uninterrupted: tuple[int | None, Linear], tmp_path: Path, batches: int, at_epoch_end: bool
) -> None:
    limit, whole = uninterrupted
    of_an_epoch = len(whole.seen) // 2
    step = of_an_epoch - batches
    path = tmp_path / "last.ckpt"
    before = fit(limit, broken=Break(path, step, at_epoch_end))
    after = fit(limit, resume=path)
    assert before.seen + after.seen == whole.seen
    assert len(before.seen) == step
    assert torch.equal(after.layer.weight, whole.layer.weight)
    assert len({total for _, _, total in whole.seen}) == len(whole.seen)
