"""`nifconv convert`, and what all commands have in common."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import Result
from safetensors.torch import save_file
from typer.testing import CliRunner

import nifconv
from nifconv import cli, load
from nifconv.cli import _convert, _export
from nifconv.cli._app import app
from nifconv.cli._words import in_options
from nifconv.functional import PADDING_MODES
from nifconv.models import FORMS, NamedModel

FACTORY = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))

def strided():
    return nn.Sequential(nn.Conv2d(8, 8, 3, stride=2))

def pointwise():
    return nn.Sequential(nn.Conv2d(8, 8, 1))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_nets.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)
    return tmp_path


def convert(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["convert", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def message(result: Result) -> str:
    return re.sub(r"[│\s]+", " ", result.output)


def test_a_model_of_ones_own_is_converted_reported_and_saved(folder: Path) -> None:
    structure = ["--to", "lc", "--expansion", "9", "--filter", "spatial", "--match", "--input-size", "9"]
    done = convert("own_nets:net", *structure, "--output", "net.safetensors", "--report", "report.json")
    assert done.exit_code == 0, done.output
    assert "replaced 1 of 2 convolutions" in done.output
    assert "weights: random (newly initialised)" in done.output
    report = json.loads((folder / "report.json").read_text())
    assert [layer["replaced"] for layer in report["layers"]] == [False, True]
    assert report["output_change"] < 1e-5
    assert load(folder / "net.safetensors", NamedModel("own_nets:net").build()).plan.expansion == 9


@pytest.mark.parametrize("filter", ["implicit", "niff-small", "niff-big", "niff-tiny", "table", "spatial"])
@pytest.mark.usefixtures("folder")
def test_every_filter_by_name(filter: str) -> None:
    done = convert("own_nets:net", "--filter", filter, "--where", "1", "--frozen-seed", "1")
    assert done.exit_code == 0, done.output
    assert "replaced 1 of 2" in done.output


@pytest.mark.parametrize("inline", [True, False])
def test_filters_by_layer_as_data(folder: Path, inline: bool) -> None:
    data = "{'0': {ImplicitFilter: {hidden: [8, 4]}}, 're:[1-9]': table, _default: null}"
    (folder / "filters.yaml").write_text(data)
    done = convert("own_nets:net", "--filter", data if inline else "filters.yaml", "--output", "net.safetensors")
    assert done.exit_code == 0, done.output
    model = load(folder / "net.safetensors", NamedModel("own_nets:net").build()).model
    assert [type(layer.spatial.filter).__name__ for layer in model] == ["ImplicitFilter", "TableFilter"]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("sine", "--filter sine does not describe a filter; use one of implicit, niff-small"),
        ("{Sine: {}}", "--filter {} does not describe a filter"),
        ("{'0': {Sine: {}}}", "does not describe a filter"),
        ("{ImplicitFilter: {hiden: [3]}}", "unexpected keyword argument 'hiden'"),
        ("{nothing*: implicit}", "--filter nothing* matches none of the 2 convolutions: 0, 1"),
        ("{'re:(': implicit}", "'re:(' is not a regular expression"),
        ("{a: [", "is neither JSON nor YAML"),
        ("absent.yaml", "--filter absent.yaml does not exist"),
        ("binary.yaml", "--filter binary.yaml is not text in UTF-8"),
    ],
)
def test_filters_that_are_none(folder: Path, filter: str, expected: str) -> None:
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    done = convert("own_nets:net", "--filter", filter)
    assert done.exit_code == 2, done.output
    assert expected in message(done)


@pytest.mark.usefixtures("folder")
def test_what_was_not_done_is_said_in_words_of_options(folder: Path) -> None:
    done = convert("own_nets:net", "--match", "--filter", "spatial", "--kernel-size", "3")
    assert done.exit_code == 0
    assert re.search(
        r"nifconv: --match leaves 1 of 1 layers with a residual above 0\.1: 1 \(0\.\d+\); --filter spatial, without a "
        r"--kernel-size, with --to dense, or with --to lc and --expansion 8, takes the taps exactly; --tolerance 0\.1 ",
        done.output,
    )
    done = convert("own_nets:strided", "--channels", "3")
    assert done.exit_code == 0
    assert "nifconv: convert replaced none of 1 convolutions (0: stride=(2, 2): strided conv" in done.output
    assert "; --where chooses others than the default" in done.output
    done = convert("own_nets:strided", "--output", "net.safetensors")
    assert done.exit_code == 2
    assert "nothing was replaced, so nothing was written" in message(done)
    assert not (folder / "net.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("own_nets:pointwise", "--where", "0"), "--where 0 matches 1 of 1 convolutions, none of which can be"),
        (("own_nets:net", "--tolerance", "0.1"), "--tolerance 0.1 needs --match, since nothing is compared without"),
        (("own_nets:net", "--expansion", "2"), "--expansion 2 has no meaning for --to split; use --to lc, or --exp"),
        (("own_nets:net", "--where", "nothing"), "--where nothing matches none of the 2 convolutions: 0, 1; patt"),
        (("own_nets:net", "--output", "/nope/net.safetensors"), "/nope is not a folder; create it first"),
        (("own_nets:net", "--output", "net.pt"), "net.pt must end in .safetensors; name it net.safetensors"),
        (("own_nets:net", "--report", "."), ". is a folder; name a file in it"),
        (("own_nets:net", "--num-classes", "3"), "'own_nets:net' has no argument num_classes"),
        (("own_nets:net", "--pretrained"), "'own_nets:net' has no argument pretrained"),
        (("convnext_tiny.nosuchtag",), "'convnext_tiny.nosuchtag' cannot be built: Invalid pretrained tag"),
        (("own_nets:net", "--where", "["), "--where [ matches none of the 2 convolutions"),
        (("own_nets:net", "--input-size", "99999999"), "(1, 3, 99999999, 99999999) is too large for this machine"),
        (("own_nets:net", "--input-size", "9" * 30), "is too large for this machine; give fewer pixels"),
        (
            ("own_nets:net", "--weights", "own.safetensors", "--output", "./own.safetensors"),
            "own.safetensors is an input of this command; name another file",
        ),
        (("resnet5000",), "unknown model 'resnet5000' (searched torchvision, timm); give a name from"),
    ],
)
def test_mistakes_are_named_before_the_work_and_in_options(
    folder: Path, arguments: tuple[str, ...], expected: str
) -> None:
    (folder / "own.safetensors").touch()
    done = convert(*arguments)
    assert done.exit_code == 2, done.output
    assert expected in message(done)
    assert "=" not in re.sub(r"stride=|kernel_size=|name it", "", message(done).partition("Invalid value")[2])


def test_arguments_of_the_library_become_options() -> None:
    assert in_options("expansion=9 has no meaning for to='split'") == "--expansion 9 has no meaning for --to split"
    assert in_options("tolerance=-1.0 must be above 0") == "--tolerance -1.0 must be above 0"
    assert in_options("give match=True, or `where`") == "give --match, or --where"
    assert in_options("in_channels=4 and filter=SpatialFilter") == "--channels 4 and --filter spatial"
    assert in_options("kernel_size=(3, 3)") == "kernel_size=(3, 3)"


def test_weights_are_where_it_starts(folder: Path) -> None:
    source = NamedModel("own_nets:net").build()
    save_file(source.state_dict(), folder / "weights.safetensors")
    done = convert("own_nets:net", "--weights", "weights.safetensors", "--output", "net.safetensors")
    assert done.exit_code == 0, done.output
    assert "weights: weights.safetensors" in done.output
    loaded = load(folder / "net.safetensors", NamedModel("own_nets:net").build())
    assert torch.equal(loaded.model[0].weight, source[0].weight)


def test_words_that_help_shows_without_torch_are_those_of_the_library() -> None:
    assert [mode.value for mode in _convert.PaddingMode] == list(PADDING_MODES)
    assert [form.value for form in _export.Form] == list(FORMS)


def test_help_and_version_do_not_wait_for_torch() -> None:
    program = "import sys; sys.argv = ['nifconv', *sys.argv[1:]]; from nifconv.cli import main\ntry: main()\n"
    program += "except SystemExit: pass\nprint('torch' in sys.modules)"
    for arguments in (["--help"], ["--version"], ["convert", "--help"], ["inspect", "--help"], ["bake", "--help"]):
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("False\n"), arguments
    assert re.search(r"nifconv \d+\.\d+", CliRunner().invoke(app, ["--version"]).output)


def test_errors_have_no_traceback_on_the_terminal(folder: Path) -> None:
    command = [sys.executable, "-m", "nifconv.cli", "convert", "own_nets:net", "--where", "nothing"]
    environment = {**os.environ, "PYTHONPATH": str(Path(nifconv.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 2
    assert "--where nothing matches none of the 2 convolutions" in re.sub(r"[│\s]+", " ", done.stderr)
    assert "Traceback" not in done.stderr


def test_without_typer_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "nifconv.cli._app", raising=False)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"the command line needs typer; install it with: .* 'nifconv\[cli\]'"):
        cli.main()
