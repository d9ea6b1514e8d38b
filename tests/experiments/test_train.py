import re
import runpy
import shlex
import signal
import sys
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from lightning.pytorch import Callback

from experiments import train
from experiments.training.data.module import ImageData
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints
from nifconv import FrequencyConv2d
from nifconv.models import open_model
from tests.experiments import commands

SGD = (
    *("--model.optimizer", "SGD", "--model.optimizer.lr", "0.1", "--model.schedule", "Steps"),
    *("--model.optimizer.momentum", "0.9", "--model.optimizer.nesterov", "true"),
)


def test_a_run_learns_and_its_checkpoint_is_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--model.optimizer", "AdamW", "--model.optimizer.lr", "0.02")
    net = ("--net.name", "separable", "--net.arguments", "{width: 32, kernel_size: 5, depth: 2}")
    run = commands.arguments(tmp_path / "run", *net, *options, "--trainer.max_epochs", "4")
    commands.run([*run, "--trainer.limit_train_batches", "1.0", "--trainer.limit_test_batches", "1.0"])
    assert commands.logged(tmp_path / "run", "val_accuracy")[-1] > 0.6
    capsys.readouterr()
    config = str(tmp_path / "run" / "config.yaml")
    commands.run(["test", "--config", config])
    shown = capsys.readouterr().out
    assert "test_accuracy" in shown
    assert "test_top5" in shown
    last = checkpoints(checkpoint_folder(tmp_path / "run"))[-1]
    commands.run(["test", "--config", config, "--ckpt_path", str(last)])
    assert capsys.readouterr().out.splitlines()[:8] == shown.splitlines()[:8]
    commands.run(["validate", "--config", config])
    assert "val_loss" in capsys.readouterr().out


def test_the_saved_configuration_gives_the_same_run(tmp_path: Path) -> None:
    options = ("--net.conversion", "{filter: {ImplicitFilter: {hidden: [8, 4]}}}", "--model.mixing.cutmix", "1.0")
    commands.run(commands.arguments(tmp_path / "one", *options, "--seed_everything", "3", "--trainer.max_epochs", "1"))
    commands.run(["fit", "--config", str(tmp_path / "one" / "config.yaml"), "--out", str(tmp_path / "two")])
    commands.assert_same_weights(tmp_path / "one", tmp_path / "two")
    one, two = (yaml.safe_load((tmp_path / name / "config.yaml").read_text()) for name in ("one", "two"))
    assert one.pop("out") != two.pop("out")
    for config in (one, two):
        config["trainer"].pop("default_root_dir", None)
    assert one == two


def test_accumulated_gradients_are_those_of_a_larger_batch(tmp_path: Path) -> None:
    small = ("--data.batch_size", "16", "--trainer.accumulate_grad_batches", "2", "--trainer.limit_train_batches", "6")
    large = ("--data.batch_size", "32", "--trainer.limit_train_batches", "3")
    commands.run(commands.arguments(tmp_path / "small", *SGD, *small, "--checkpoints.every_n_steps", "1"))
    commands.run(commands.arguments(tmp_path / "large", *SGD, *large))
    one, other = commands.last(tmp_path / "small"), commands.last(tmp_path / "large")
    assert one["global_step"] == other["global_step"] == 6
    torch.testing.assert_close(one["state_dict"], other["state_dict"])


def test_mixed_precision_and_averaged_weights(tmp_path: Path) -> None:
    options = ("--trainer.precision", "bf16-mixed", "--trainer.callbacks+=EMAWeightAveraging")
    commands.run(commands.arguments(tmp_path / "run", *options, "--trainer.callbacks.decay=0.5", "--limit", "3"))
    saved = commands.last(tmp_path / "run")
    assert saved["epoch"] == 0
    assert saved["global_step"] == 3
    assert {value.dtype for name, value in saved["state_dict"].items() if "weight" in name} == {torch.float32}
    averaged, current = saved["state_dict"], saved["current_model_state"]
    assert not torch.equal(averaged["net.head.weight"], current["net.head.weight"])
    losses = commands.logged(tmp_path / "run", "loss_step")
    assert all(loss != torch.tensor(loss).float().round(decimals=3).item() for loss in losses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--net.name", "resnet_50"), "net.name='resnet_50': unknown model 'resnet_50'"),
        (("--data.batch_size", "0"), "batch_size=0 must be 1 or more"),
        (("--limit", "0"), "limit=0 must be at least 1"),
        (("--checkpoints.keep", "1"), "keep=1 must be at least 2"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        commands.run(commands.arguments(tmp_path / "run", *options))
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"/file is a file, but must be a folder"):
        commands.run(commands.arguments(tmp_path / "file" / "run"))


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [3, 8])
def test_an_interrupted_run_goes_on_at_the_step_where_it_was(tmp_path: Path, by: signal.Signals, step: int) -> None:
    crash = "--trainer.callbacks+=tests.experiments.crash.CrashOnce"
    ask = ("--trainer.callbacks.step", str(step), f"--trainer.callbacks.marker={tmp_path / 'asked'}")
    command = commands.arguments(tmp_path / "run", crash, *ask, "--trainer.callbacks.by", str(by.value))
    before = signal.getsignal(by)
    with pytest.raises(SystemExit) as end:
        commands.run(command)
    assert end.value.code == 128 + by
    assert commands.last(tmp_path / "run")["global_step"] == step  # 8 is the end of an epoch, after its validation
    assert commands.logged(tmp_path / "run", "step")[-1] == step - 1
    assert signal.getsignal(by) is before
    commands.run(command)
    assert commands.last(tmp_path / "run")["global_step"] == 16
    assert sorted(set(commands.logged(tmp_path / "run", "step"))) == list(range(16))
    assert len(commands.logged(tmp_path / "run", "loss_step")) == 16
    commands.run(commands.arguments(tmp_path / "whole"))
    commands.assert_same_weights(tmp_path / "run", tmp_path / "whole")


def test_a_checkpoint_is_a_model_for_every_command(tmp_path: Path) -> None:
    options = ("--net.conversion", "{filter: {'stage1*': spatial, _default: niff-small}}")
    commands.run(commands.arguments(tmp_path / "run", "--limit", "1", *options))
    opened = open_model(str(tmp_path / "run"), trust=True)
    saved = commands.last(tmp_path / "run")["state_dict"]
    for name, value in opened.module.state_dict().items():
        assert torch.equal(value, saved[f"net.{name}"]), name
    kinds = {
        name: type(m.filter).__name__ for name, m in opened.module.named_modules() if isinstance(m, FrequencyConv2d)
    }
    assert kinds["stage1_block1.spatial"] == "SpatialFilter"
    assert kinds["stage2_block1.spatial"] == "ImplicitFilter"


def test_tensorboard_is_asked_for_by_one_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("no tensorboard")

    monkeypatch.setattr(train, "TensorBoardLogger", missing)
    with pytest.raises(ValueError, match=r"--tensorboard needs tensorboard; .*'nifconv\[tensorboard\]'"):
        commands.run(commands.arguments(tmp_path / "run", "--tensorboard", "true"))


def test_errors_of_ours_have_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "experiments.train")  # as `python -m`, which imports it under another name
    monkeypatch.setattr(sys, "argv", ["train", *commands.arguments(tmp_path, "--net.name", "resnet_50")])
    with pytest.raises(SystemExit, match=r"^experiments\.train: net\.name='resnet_50': unknown model"):
        runpy.run_module("experiments.train", run_name="__main__", alter_sys=True)
    assert "Traceback" not in capsys.readouterr().err


def test_a_test_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"out='.*run' has no checkpoint; run `fit` first, or give --ckpt_path"):
        commands.run(commands.arguments(tmp_path / "run", command="test"))


def test_every_data_module_and_callback_is_known_by_its_short_name() -> None:
    folder = Path(train.__file__).parent / "training"
    known = {value for value in vars(train).values() if isinstance(value, ModuleType)}
    for kind, place in ((ImageData, "data"), (Callback, "loop")):
        for path in (folder / place).glob("[!_]*.py"):
            module = import_module(f"experiments.training.{place}.{path.stem}")
            made = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, kind)]
            usable = [one for one in made if one.__module__ == module.__name__ and not isabstract(one)]
            assert module in known or all(hasattr(train, one.__name__) for one in usable), usable


def test_options_have_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.run(commands.arguments(tmp_path / "run", "--net.conversion", "{to: sideways}"))
    assert "split" in capsys.readouterr().err


def test_the_command_of_the_readme_trains_and_surveys(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "experiments/guide/training.md").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"python -m experiments\.train (fit .*)", readme)
    given = shlex.split(command)
    given[given.index("--out") + 1] = str(tmp_path)
    small = ("--limit", "1", "--data.batch_size", "4", "--net.arguments", "{width: 4, depths: [1, 1, 1]}")
    commands.run([*given, *small])
    assert (tmp_path / "footprint" / "epoch=1.json").is_file()
