import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.soak.runs import PAIR, Run
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints
from experiments.training.resume.ending import Ending


def test_two_processes_end_at_one_step_when_one_of_them_is_asked(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", PAIR)
    folder = checkpoint_folder(tmp_path / "run")
    while not checkpoints(folder) and run.processes[0].is_alive():
        time.sleep(0.02)
    run.send(signal.SIGTERM, rank=1)
    assert run.wait() == [128 + signal.SIGTERM] * 2, run.error
    assert checkpoints(folder)


def test_asking_twice_ends_at_once() -> None:
    ending, trainer = Ending(), SimpleNamespace(world_size=1)
    before: dict[Any, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ending.listen()
        assert ending.agreed(trainer) == 0
        signal.raise_signal(signal.SIGINT)
        assert ending.agreed(trainer) == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
