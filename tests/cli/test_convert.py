import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nifconv.cli._models import load_model
from safetensors.torch import save_file
from typer.testing import CliRunner

from nifconv import cli, load
from nifconv.cli._app import app

FACTORY = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))

def strided():
    return nn.Sequential(nn.Conv2d(8, 8, 3, stride=2))

def pointwise():
    return nn.Sequential(nn.Conv2d(8, 8, 1))

def number():
    return 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_nets.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)
    return tmp_path


def test_a_model_of_ones_own_is_converted_reported_and_saved(folder: Path) -> None:
    arguments = ["convert", "own_nets:net", "--to", "lc", "--expansion", "9", "--filter", "spatial", "--match"]
    done = CliRunner().invoke(
        app, [*arguments, "--input-size", "9", "--output", "net.safetensors", "--report", "report.json"]
    )
    assert done.exit_code == 0, done.output
    assert "replaced 1 of 2 convolutions" in done.output
    report = json.loads((folder / "report.json").read_text())
    assert [layer["replaced"] for layer in report["layers"]] == [False, True]
    assert report["output_change"] < 1e-5
    loaded = load(folder / "net.safetensors", load_model("own_nets:net"))
    assert loaded.plan.expansion == 9


@pytest.mark.parametrize("filter", ["implicit", "niff-small", "niff-big", "niff-tiny", "table", "spatial"])
@pytest.mark.usefixtures("folder")
def test_every_filter_by_name(filter: str) -> None:
    done = CliRunner().invoke(
        app, ["convert", "own_nets:net", "--filter", filter, "--where", "1", "--frozen-seed", "1"]
    )
    assert done.exit_code == 0, done.output
    assert "replaced 1 of 2" in done.output


@pytest.mark.usefixtures("folder")
def test_what_was_not_done_is_said_in_words_of_options() -> None:
    done = CliRunner().invoke(app, ["convert", "own_nets:net", "--match", "--filter", "spatial", "--kernel-size", "3"])
    assert done.exit_code == 0
    assert re.match(
        r"nifconv: --match leaves 1 of 1 layers with a residual above 0\.1: 1 \(0\.\d+\); --filter spatial, without a "
        r"--kernel-size, with --to dense, or with --to lc and --expansion 8, takes the taps exactly; --tolerance 0\.1 ",
        done.stderr,
    )
    done = CliRunner().invoke(app, ["convert", "own_nets:strided"])
    assert done.exit_code == 0
    assert done.stderr.startswith("nifconv: convert replaced none of 1 convolutions (0: stride=(2, 2): strided conv")
    assert "; --where chooses others than the default" in done.stderr
    done = CliRunner().invoke(app, ["convert", "own_nets:pointwise", "--where", "0"])
    assert isinstance(done.exception, ValueError)
    assert str(done.exception).startswith(
        "where=['0'] matches 1 of 1 convolutions, none of which can be replaced (0: 1x1"
    )


def test_weights_are_where_it_starts(folder: Path) -> None:
    source = load_model("own_nets:net")
    save_file(source.state_dict(), folder / "weights.safetensors")
    arguments = ["own_nets:net", "--weights", "weights.safetensors", "--where", "nothing*"]
    assert isinstance(CliRunner().invoke(app, ["convert", *arguments]).exception, ValueError)
    done = CliRunner().invoke(app, ["convert", *arguments[:-2], "--output", "net.safetensors"])
    assert done.exit_code == 0, done.output
    assert torch.equal(load(folder / "net.safetensors", load_model("own_nets:net")).model[0].weight, source[0].weight)


@pytest.mark.parametrize("name", ["squeezenet1_1", "lcnet_050", "lraspp_mobilenet_v3_large"])
def test_names_of_the_libraries(name: str) -> None:
    assert list(load_model(name).parameters())


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("resnet5000", ValueError, "unknown model 'resnet5000' \\(searched torchvision, timm\\); give a name from"),
        ("own_nets:absent", ValueError, r"cannot find 'own_nets:absent'.*give 'package\.module:function'"),
        ("absent_module:net", ValueError, "cannot find 'absent_module:net': No module named"),
        ("own_nets:number", TypeError, r"'own_nets:number' returned a int; it must return a torch\.nn\.Module"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_names_that_stand_for_nothing(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_model(name)


def test_without_the_libraries_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"unknown model 'resnet18' \(torchvision and timm are not installed\); give"):
        load_model("resnet18")


def test_errors_are_one_line_on_the_terminal(folder: Path) -> None:
    command = [sys.executable, "-m", "nifconv.cli", "convert", "own_nets:net", "--where", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 1
    assert done.stderr.startswith("nifconv: where='nothing' matches none of the 2 convolutions: 0, 1")
    assert "Traceback" not in done.stderr


def test_without_typer_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nifconv.cli._app", None)
    with pytest.raises(SystemExit, match=r"the command line needs .*pip install 'nifconv\[cli\]'"):
        cli.main()
