"""A crash at a chosen step, once."""

import os
import signal
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer


class CrashOnce(Callback):
    """Sends the process a signal after a step, unless `marker` says that this has happened before."""

    def __init__(self, step: int, marker: str, by: int = signal.SIGKILL.value) -> None:
        self.step = step
        self.marker = Path(marker)
        self.by = by

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), self.by)
