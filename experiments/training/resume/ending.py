"""Ending a training from outside: the same step on all processes, whichever of them was asked."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Notes that a signal has asked this process to end, and agrees with the other processes on when.

    Lightning's own handler of SIGTERM broadcasts from inside the handler, wherever in its step a process is. The others
    wait for another message then, and a training on several processes can hang. So SIGTERM is held back from before
    that handler is installed until it is replaced here.
    """

    def __init__(self) -> None:
        self._asked = 0

    def hold(self) -> None:
        """Lets SIGTERM wait until `listen`."""
        if hasattr(signal, "pthread_sigmask"):  # not on Windows
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def listen(self) -> None:
        """Takes the signals over, until Lightning puts back at the end of the training what it found."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._note)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def agreed(self, trainer: Trainer) -> int:
        """The number of the signal that any of the processes has received, or 0; all must call this at one step."""
        if trainer.world_size == 1:
            return self._asked
        asked = torch.tensor(self._asked, device=trainer.strategy.root_device)
        torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
        return int(asked)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second time at once
        self._asked = number
        rank_zero_info("Ending after this step, with a checkpoint from which the same command goes on.")
