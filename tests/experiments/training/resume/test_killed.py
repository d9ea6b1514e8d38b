import signal
from pathlib import Path

import pytest

from tests.experiments import commands

RANDOM = {
    "frozen bank, stochastic depth, mixup": (
        *("--net.arguments", "{width: 8, depths: [1, 1, 1], drop_path: 0.5}", "--model.mixing.mixup", "0.5"),
        *("--net.conversion", "{bank: 32, frozen: 1}", "--data.workers", "0"),
    ),
    "learned bank, BatchNorm, dropout, cutmix, workers": (
        *("--net.name", "timm:mobilenetv3_small_050", "--net.arguments", "{drop_rate: 0.5}"),
        *("--net.conversion", "{bank: 512, filter: niff-small}", "--model.mixing.cutmix", "1.0"),
        *("--data.workers", "2", "--trainer.callbacks+=EMAWeightAveraging"),
    ),
}


@pytest.mark.parametrize("options", RANDOM.values(), ids=RANDOM.keys())
def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path, options: tuple[str, ...]) -> None:
    marker = tmp_path / "crashed"
    crash = (
        "--trainer.callbacks+=tests.experiments.crash.CrashOnce",
        *("--trainer.callbacks.step", "13", f"--trainer.callbacks.marker={marker}"),
    )
    command = commands.arguments(tmp_path / "killed", *options, "--checkpoints.every_n_steps", "3", *crash)
    assert commands.start(command) == -signal.SIGKILL
    assert commands.last(tmp_path / "killed")["global_step"] == 12  # in the middle of the second epoch
    commands.run(command)
    steps = commands.logged(tmp_path / "killed", "step")
    assert sorted(set(steps)) == list(range(16))  # each step is logged, those before and after in one file
    assert len(commands.logged(tmp_path / "killed", "loss_step")) == 16
    commands.run(commands.arguments(tmp_path / "whole", *options, "--checkpoints.every_n_steps", "3"))
    commands.assert_same_weights(tmp_path / "killed", tmp_path / "whole")
