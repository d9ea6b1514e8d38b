"""Trains any network on any data: `python -m experiments.train fit --data DigitsData --net.name resnet_lc --out run`.

A run depends on its configuration alone, which is given on the command line or in YAML files (`--config`,
`--print_config`) and saved as `config.yaml` in the folder of the run. After Ctrl-C or SIGTERM, the same command goes on
at the step where the run was interrupted; after a crash, at its last checkpoint. A folder may be moved or copied as a
whole; a checkpoint of another run is taken only if `--ckpt_path` names it. `validate` and `test` use the last
checkpoint in the folder: `python -m experiments.train test --config run/config.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, Namespace
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from experiments.files import check_can_be_folder
from experiments.study.termination import terminated_is_failed
from experiments.training.data import archives, embedded, folders, imagenet, shards  # noqa: F401 - makes their short names known
from experiments.training.data.module import ImageData
from experiments.training.loop import callbacks  # noqa: F401 - likewise
from experiments.training.loop.classifier import Classifier
from experiments.training.loop.models import Network
from experiments.training.loop.quiet import expected_warnings
from experiments.training.resume.checkpoints import (
    LastCheckpoints,
    VerifiedCheckpointIO,
    checkpoint_folder,
    checkpoints,
    last_intact,
    step_of,
)
from experiments.training.resume.identity import FILE as IDENTITY
from experiments.training.resume.log import FOLDER as LOGS
from experiments.training.resume.log import RunLog, forget_from
from experiments.training.resume.runs import SaveConfig, check_same_run, reserve, set_aside
from experiments.training.resume.state import ExactResume


class Command(LightningCLI):
    """LightningCLI with a folder for each run, from which it resumes.

    Args:
        args: command-line arguments (default: those of this process).
        run: whether to run a subcommand; if not, `args` must not name one.
    """

    def __init__(self, args: list[str] | None = None, *, run: bool = True) -> None:
        super().__init__(
            Classifier,
            ImageData,
            subclass_mode_data=True,
            save_config_callback=SaveConfig,
            save_config_kwargs={"save_to_log_dir": False},
            seed_everything_default=0,
            # The loaders themselves divide the samples among the processes.
            trainer_defaults={"use_distributed_sampler": False},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
            run=run,
        )

    @property
    def given(self) -> Namespace:
        """The whole configuration, defaults included, without the name of the subcommand around it."""
        return self._within(self.config)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        kinds = LightningCLI.subcommands()
        return {name: kinds[name] for name in ("fit", "validate", "test")}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--out", type=str, required=True, help="Folder of the run.")
        parser.add_argument("--resume", type=bool, default=True, help="Resume from the last checkpoint in --out.")
        parser.add_argument(
            "--limit", type=int | None, default=None, help="Run one epoch of this many batches, as a check."
        )
        parser.add_argument(
            "--tensorboard",
            type=bool,
            default=False,
            help="Also log for TensorBoard, into --out/tensorboard; needs the extra of that name.",
        )
        parser.add_class_arguments(Network, "net")
        parser.add_lightning_class_args(LastCheckpoints, "checkpoints")
        parser.link_arguments("out", "trainer.default_root_dir")
        parser.link_arguments("data.classes", "model.classes", apply_on="instantiate")
        parser.link_arguments(
            ("net", "data.classes", "data.channels"),
            "model.net",
            compute_fn=lambda net, classes, channels: net.build(classes, channels),
            apply_on="instantiate",
        )

    def before_instantiate_classes(self) -> None:
        config = self.given
        check_can_be_folder(Path(config.out))
        if config.limit is not None and config.limit < 1:
            raise ValueError(f"limit={config.limit} must be at least 1 batch; leave it out to use all")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        given = self._within(self.config_init).trainer
        if given.logger in (None, True):
            kwargs["logger"] = [RunLog(given.default_root_dir), *self._tensorboard(given.default_root_dir)]
        kwargs["plugins"] = [*_as_list(given.plugins), VerifiedCheckpointIO()]
        kwargs["callbacks"] = [*_as_list(given.callbacks), ExactResume()]
        limit = self.given.limit
        if limit is not None:
            # Not by way of the configuration, whose parser may read 1 batch as the float 1.0, which means all of them.
            kwargs |= {f"limit_{part}_batches": limit for part in ("train", "val", "test")}
            kwargs |= {"max_epochs": 1, "log_every_n_steps": 1}
        return super().instantiate_trainer(**kwargs)

    def before_fit(self) -> None:
        config = self.given
        out = Path(config.out)
        reserve(out)
        if config.ckpt_path is not None:
            return
        if not config.resume:
            for path in (checkpoint_folder(out), out / LOGS, out / IDENTITY):
                set_aside(path)
            return
        # A run that ended before its first checkpoint has nothing that another configuration could spoil.
        if checkpoints(checkpoint_folder(out)):
            check_same_run(out, self._parser(self.subcommand), config)
        last = last_intact(checkpoint_folder(out))
        forget_from(out, 0 if last is None else step_of(last))
        self._start_from(last)

    def before_validate(self) -> None:
        folder = checkpoint_folder(Path(self.given.out))
        if self.given.ckpt_path is not None:
            return
        last = last_intact(folder)
        if last is None:
            raise ValueError(f"out={str(folder.parent)!r} has no checkpoint; run `fit` first, or give --ckpt_path")
        self._start_from(last)

    before_test = before_validate

    def _tensorboard(self, root: str) -> list[Logger]:
        if not self._within(self.config_init).tensorboard:
            return []
        try:
            return [TensorBoardLogger(root, name="tensorboard", version="")]
        except ModuleNotFoundError as error:
            raise ValueError(
                "--tensorboard needs tensorboard; install it with: pip install 'nifconv[tensorboard]'"
            ) from error

    def _within(self, config: Namespace) -> Namespace:
        return config if self.subcommand is None else config[self.subcommand]

    def _start_from(self, checkpoint: Path | None) -> None:
        self.config_init[self.subcommand].ckpt_path = checkpoint and str(checkpoint)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _told(error: BaseException | None) -> BaseException | None:
    """The error, or the one behind it, that the library or an experiment raised to tell a user something."""
    while error is not None:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
        if module == "__main__" or module.partition(".")[0] in ("nifconv", "experiments"):
            return error
        error = error.__cause__  # jsonargparse raises errors of its own from those of the classes that it builds
    return None


def main(args: list[str] | None = None) -> None:
    """The command line."""
    with expected_warnings(), terminated_is_failed():
        Command(args)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, TypeError, OSError) as error:
        told = _told(error)
        if told is None:
            raise
        raise SystemExit(f"experiments.train: {told}") from None
