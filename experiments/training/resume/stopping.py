"""Ends of a training that somebody asked for: Ctrl-C, and SIGTERM of a scheduler."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Remembers a signal until a moment when training can stop; the second one stops at once."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def catch(self) -> None:
        """Takes the signals over from whoever handled them; Python allows that in the main thread alone."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._remember) for number in _SIGNALS}

    def release(self) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def agreed(self, trainer: Trainer) -> bool:
        """Whether any process has been asked to stop; all have to ask this at the same step."""
        if trainer.world_size == 1:
            return self._received is not None
        return trainer.strategy.reduce_boolean_decision(self._received is not None, all=False)

    def exit(self) -> None:
        """Ends the process.

        Raises:
            SystemExit: always, with the status that shells report for the signal.
        """
        raise SystemExit(128 + (self._received or signal.SIGTERM))

    def _remember(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a handler
        if self._received is not None:
            self.release()
            raise KeyboardInterrupt
        self._received = number
        rank_zero_info("Stopping after this step, with a checkpoint from which the same command goes on.")
