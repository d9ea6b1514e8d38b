"""Small trainings in processes that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints

DIGITS = ("--data", "DigitsData", "--data.size", "8")
SMALL = (
    *("--data.batch_size", "16", "--data.workers", "0"),
    *("--net.name", "convnext", "--net.arguments", "{width: 8, depths: [1, 1, 1], drop_path: 0.5}"),
    *("--net.conversion", "{bank: 32, frozen: 1}", "--model.mixing.mixup", "0.5"),
    *("--trainer.accelerator", "cpu", "--trainer.max_epochs", "2", "--trainer.limit_train_batches", "8"),
    *("--trainer.limit_val_batches", "2", "--trainer.enable_progress_bar", "false"),
    *("--trainer.enable_model_summary", "false", "--checkpoints.every_n_steps", "1"),
)
"""Sixteen steps with a checkpoint after each, and everything random that a training has."""
PAIR = ("--trainer.strategy", "ddp", "--trainer.devices", "2", "--data.batch_size", "8")
PATIENCE = 120.0
"""Seconds after which a process that should end is said to hang."""
NOBODY = 65534


class Run:
    """One training, of one process or two, started at once.

    Args:
        out: its folder.
        options: added to those of `SMALL`.
        data: options that name the data.
        bytes_written: size that no file of it may exceed, as on a full disk.
        as_nobody: as a user who may not write where it should.
    """

    def __init__(
        self,
        out: Path,
        options: tuple[str, ...] = (),
        data: tuple[str, ...] = DIGITS,
        *,
        bytes_written: int | None = None,
        as_nobody: bool = False,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["experiments.train"])
        self.errors = Path(tempfile.mkdtemp()) / "errors"
        self.errors.parent.chmod(0o755)
        self.errors.touch()
        self.errors.chmod(0o666)
        together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
        places: list[dict[str, str]] = [{}]
        if "ddp" in options:
            places = [{**together, "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"} for rank in range(2)]
        arguments = ["fit", *data, *SMALL, *options, "--out", str(out)]
        limits = (bytes_written, as_nobody)
        self.processes = [
            context.Process(target=_train, args=(arguments, place, self.errors, *limits)) for place in places
        ]
        for process in self.processes:
            process.start()

    def send(self, number: int, rank: int = 0) -> None:
        """Sends a signal, if the process has not ended already."""
        pid = self.processes[rank].pid
        if pid is not None and self.processes[rank].is_alive():
            os.kill(pid, number)

    def wait(self) -> list[int | None]:
        """Statuses of the processes; None for one that hangs, which is then killed."""
        end = time.monotonic() + PATIENCE
        statuses = []
        for process in self.processes:
            process.join(max(end - time.monotonic(), 0.1))
            statuses.append(process.exitcode)
            if process.exitcode is None:
                process.kill()
                process.join()
        return statuses

    @property
    def error(self) -> str:
        """What the user would see as the last line, warnings that name the folder included."""
        return self.errors.read_text().strip()


def photographs(folder: Path) -> tuple[str, ...]:
    """Options of a run on image files in a folder, which are made if it does not exist."""
    if not folder.exists():
        chance = np.random.default_rng(0)
        for part, label, number in product(("train", "val"), "01", range(70)):
            path = folder / part / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return ("--data", "ImageFolderData", "--data.root", str(folder), "--data.views", "{size: 8, test_size: 8}")


def weights(out: Path) -> dict[str, Any]:
    """The last weights of a run."""
    state: dict[str, Any] = torch.load(checkpoints(checkpoint_folder(out))[-1])["state_dict"]
    return state


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same weights, bit by bit."""
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _train(arguments: list[str], place: dict[str, str], errors: Path, size: int | None, as_nobody: bool) -> None:
    from experiments import train

    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os.environ.update(place)
    torch.set_num_threads(1)
    if size is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if as_nobody:
        os.setuid(NOBODY)
    sys.argv = ["train"]

    def note(message: object, *_: Any) -> None:
        if arguments[-1] in str(message):
            with errors.open("a") as file:
                file.write(f"{type(message).__name__}: {message}\n")

    warnings.showwarning = note  # type: ignore[assignment]
    try:
        train.main(arguments)
    except Exception as error:
        with errors.open("a") as file:
            file.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)  # the threads of other processes' connections may wait for one that is gone


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
