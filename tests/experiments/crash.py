"""A crash at a chosen step, once."""

import os
import signal
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer


class CrashOnce(Callback):
    """Kills the process with SIGKILL after a step, unless `marker` says that this has happened before."""

    def __init__(self, step: int, marker: str) -> None:
        self.step = step
        self.marker = Path(marker)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
