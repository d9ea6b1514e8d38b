"""Runs of `experiments.train`, small and on the CPU, in this process or in processes of their own."""

import csv
import multiprocessing
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from experiments import train
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints

ROOT = Path(__file__).parents[2]
SMALL = [
    *("--data", "DigitsData", "--data.size", "8", "--data.batch_size", "32"),
    *("--net.name", "convnext", "--net.arguments", "{width: 8, depths: [1, 1, 1]}"),
    *("--trainer.accelerator", "cpu", "--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "1"),
    *("--trainer.limit_train_batches", "8", "--trainer.limit_val_batches", "2", "--trainer.limit_test_batches", "2"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
]


def arguments(out: Path, *more: str, command: str = "fit") -> list[str]:
    return [command, *SMALL, "--out", str(out), *more]


def run(args: list[str]) -> None:
    with patch.object(sys, "argv", ["train"]):
        train.main(args)


def start(args: list[str], timeout: float = 300) -> int | None:
    """The exit status of a command in a process of its own; that of a signal is negative.

    The process is forked from a server that has imported the command, which takes longer than such a run.
    """
    multiprocessing.set_forkserver_preload(["experiments.train"])
    process = multiprocessing.get_context("forkserver").Process(target=run, args=(args,))
    process.start()
    process.join(timeout)
    return process.exitcode


def start_together(args: list[str], processes: int) -> None:
    """Runs a command with the launcher of torchrun; an error in a process is raised here, too."""
    multiprocessing.set_forkserver_preload(["experiments.train"])
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="forkserver",
        monitor_interval=0.1,
    )
    elastic_launch(config, run)(args)


def last(out: Path) -> dict[str, Any]:
    return torch.load(checkpoints(checkpoint_folder(out))[-1])


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = last(one)["state_dict"], last(other)["state_dict"]
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def logged(out: Path, column: str) -> list[float]:
    with (out / "logs" / "metrics.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file) if row.get(column)]
