import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import Callback

from experiments.soak.runs import PAIR, Run
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints
from experiments.training.resume.ending import Ending
from tests.experiments import commands


def test_two_processes_end_at_one_step_when_one_of_them_is_asked(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", PAIR)
    folder = checkpoint_folder(tmp_path / "run")
    while not checkpoints(folder) and run.processes[0].is_alive():
        time.sleep(0.02)
    run.send(signal.SIGTERM, rank=1)
    assert run.wait() == [128 + signal.SIGTERM] * 2, run.error
    assert checkpoints(folder)


def test_a_launcher_that_is_asked_to_end_leaves_a_checkpoint(tmp_path: Path) -> None:
    """It sends SIGTERM to the whole process group of each training, data workers included."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "experiments.train"]
    two = ("--trainer.strategy", "ddp", "--trainer.devices", "2", "--data.batch_size", "2", "--data.workers", "1")
    command = [*launcher, *commands.arguments(tmp_path, *two, "--trainer.limit_train_batches", "250")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=commands.ROOT, env=environment, stderr=subprocess.PIPE, text=True) as started:
        while not (tmp_path / "logs" / "metrics.csv").exists() and started.poll() is None:
            time.sleep(0.05)
        started.send_signal(signal.SIGTERM)
        errors = started.communicate(timeout=120)[1]
    assert "Error" not in errors
    (saved,) = checkpoints(checkpoint_folder(tmp_path))
    assert saved.name.startswith("epoch=0-step=")  # without a signal there is none before the end of the epoch


class AskAtStart(Callback):
    """Where Lightning's handler, which could hang, is already there, and that of `LastCheckpoints` not yet."""

    def on_train_start(self, *_: Any) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_before_the_first_step_is_heard_after_it(tmp_path: Path) -> None:
    ask = ("--trainer.limit_val_batches", "0", f"--trainer.callbacks+={__name__}.AskAtStart")
    with pytest.raises(SystemExit) as ended:
        commands.run(commands.arguments(tmp_path, *ask))
    assert ended.value.code == 128 + signal.SIGTERM
    assert commands.last(tmp_path)["global_step"] == 1
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


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
