"""`nifconv inspect`: what it prints and writes, and how it fails."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import Result
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from nifconv import FrequencyConv2d, ImplicitFilter, compact_state_dict, frozen
from nifconv.cli._app import app
from nifconv.cli._weights import load_weights

ME = "tests.cli.test_inspect"


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 5, padding=2)
        self.layer1 = FrequencyConv2d(4, 4, groups=4)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.layer1(self.stem(x))).flatten(1)


def small() -> nn.Module:
    return Small()


def bracketed() -> nn.Module:
    model = nn.Sequential()
    model._modules["[red]x[/red][/]"] = nn.Conv2d(3, 2, 3)
    return model


def one_d() -> nn.Module:
    return nn.Conv1d(3, 2, 3)


def pointwise() -> nn.Module:
    return nn.Conv2d(3, 2, 1)


def with_frozen() -> nn.Module:
    return nn.Sequential(FrequencyConv2d(3, 3, filter=frozen(ImplicitFilter, seed=1)))


def inspect(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["inspect", *arguments], env={"COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"})


def message(result: Result) -> str:
    return re.sub(r"[│\s]+", " ", result.output)


def test_a_table_has_a_row_for_each_layer() -> None:
    result = inspect(f"{ME}:small", "--input-size", "16x12", "--null", "3")
    assert result.exit_code == 0, result.output
    stem, layer = (re.split(r"[│┃|]", line) for line in result.output.splitlines() if "Conv2d" in line)
    assert [cell.strip() for cell in stem[1:5]] == ["stem", "Conv2d", "16 x 12", "5 x 5"]
    assert [cell.strip() for cell in layer[1:5]] == ["layer1", "FrequencyConv2d", "16 x 12", "16 x 12"]
    assert "(z against the null)" in result.output
    assert re.search(r"5 \(\+0\.0\)", result.output)


def test_files_are_written_and_agree(tmp_path: Path) -> None:
    csv, html, data = (tmp_path / name for name in ("a.csv", "a.html", "a.json"))
    files = ["--csv", str(csv), "--html", str(html), "--json", str(data)]
    result = inspect(f"{ME}:small", "--input-size", "16", "--null", "2", "--erf", *files)
    assert result.exit_code == 0, result.output
    content = json.loads(data.read_text())
    layers = content["surveys"][f"{ME}:small"]["layers"]
    assert [layer["name"] for layer in layers] == ["stem", "layer1"]
    assert layers[0]["null"]["rms_radius"]["mean"] > 0
    (field,) = content["receptive_fields"][f"{ME}:small"]
    assert field["layer"] == "layer1"
    assert re.search(rf"Gaussian .*\n.*\n.* {100 * field['gaussian']:.0f} % ", result.output)
    assert csv.read_text().splitlines()[1].startswith("stem,")
    assert "Effective receptive fields" in html.read_text()


def test_receptive_fields_of_a_layer_at_several_sizes() -> None:
    result = inspect(f"{ME}:small", "--erf-layer", "stem", "--erf-size", "8", "--erf-size", "12", "--input-size", "8")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if " stem " in line and "%" in line]
    assert [re.search(r"\d+ x \d+", line)[0] for line in lines] == ["8 x 8", "12 x 12"]


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_loaded_and_compared(tmp_path: Path, suffix: str) -> None:
    trained = small()
    nn.init.dirac_(trained.stem.weight)
    path = tmp_path / f"trained{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": {f"module.{k}": v for k, v in trained.state_dict().items()}, "epoch": 3}, path)
    else:
        save_file(trained.state_dict(), path)
    data = tmp_path / "a.json"
    result = inspect(f"{ME}:small", "--input-size", "8", "--compare", str(path), "--json", str(data))
    assert result.exit_code == 0, result.output
    surveys = json.loads(data.read_text())["surveys"]
    sizes = {name: survey["layers"][0]["measures"]["size90"][1] for name, survey in surveys.items()}
    assert sizes == {f"{ME}:small": 5.0, f"{ME}:small, trained{suffix}": 1.0}
    result = inspect(f"{ME}:small", "--input-size", "8", "--weights", str(path), "--json", str(data))
    assert list(json.loads(data.read_text())["surveys"]) == [f"{ME}:small, trained{suffix}"]


def test_two_models_are_compared_and_two_initialisations_stay_apart(tmp_path: Path) -> None:
    html, csv = tmp_path / "a.html", tmp_path / "a.csv"
    others = ["--compare", f"{ME}:small", "--compare", f"{ME}:bracketed"]
    result = inspect(f"{ME}:small", "--input-size", "8", *others, "--html", str(html), "--csv", str(csv))
    assert result.exit_code == 0, result.output
    assert {line.split(",")[0] for line in csv.read_text().splitlines()[1:]} == {
        f"{ME}:small",
        f"{ME}:small again",
        f"{ME}:bracketed",
    }
    assert "Kernels side by side" in html.read_text()


def test_names_that_look_like_markup_are_printed_as_they_are() -> None:
    result = inspect(f"{ME}:bracketed", "--input-size", "8")
    assert result.exit_code == 0, result.output
    assert "[red]x[/red][/]" in result.output


def test_a_model_without_convolutions_is_said_to_have_none() -> None:
    result = inspect(f"{ME}:pointwise", "--input-size", "8")
    assert result.exit_code == 0, result.output
    assert "no spatial convolution ran" in result.output


def test_compact_checkpoints_are_loaded(tmp_path: Path) -> None:
    model, path = with_frozen(), tmp_path / "compact.pt"
    nn.init.ones_(model[0].bias)
    torch.save(compact_state_dict(model), path)
    loaded = with_frozen()
    load_weights(loaded, path)
    assert torch.equal(loaded[0].bias, model[0].bias)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save(small(), path)
    result = inspect(f"{ME}:small", "--weights", str(path))
    assert result.exit_code == 2
    assert "cannot be read with weights_only=True" in message(result)


def test_it_is_a_command_of_the_console_script() -> None:
    command = [sys.executable, "-c", "from nifconv.cli import main; main()", "inspect", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200", "PATH": ""})
    for option in ("--weights", "--input-size", "--null", "--erf", "--compare", "--csv", "--html", "--json"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["resnet18", "--input-size", "0"],
            "Invalid value for --input-size: '0' must be pixels, such as 224 or 224x160",
        ),
        (["resnet18", "--erf-size", "a"], "Invalid value for --erf-size: 'a' must be pixels"),
        (["no_such_net"], "Invalid value for MODEL: unknown model 'no_such_net'"),
        ([f"{ME}:ME"], "'tests.cli.test_inspect:ME' is a str; it must be a function that returns a torch.nn.Module"),
        ([f"{ME}:none"], "Invalid value for MODEL: cannot find"),
        (
            [f"{ME}:one_d", "--input-size", "8"],
            "one_d cannot be run on an input of shape (1, 3, 8, 8)",
        ),
        ([f"{ME}:small", "--weights", "none.pt"], "Invalid value for --weights: none.pt does not exist"),
        ([f"{ME}:small", "--weights", "none.bin"], "none.bin has the suffix '.bin'; use one of .safetensors, .pt"),
        ([f"{ME}:small", "--csv", "no/such/folder/a.csv"], "no/such/folder is not a folder; create it first"),
        ([f"{ME}:small", "--erf-layer", "x", "--input-size", "8"], "layer='x' is not a module of the model"),
    ],
)
def test_errors_name_option_value_and_rule(arguments: list[str], expected: str) -> None:
    result = inspect(*arguments)
    assert result.exit_code == 2
    assert expected in message(result)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (torch.zeros(3), "holds a Tensor; it must hold a state_dict, tensors by name"),
        ({3: torch.zeros(3)}, "has the key 3; it must hold a state_dict, tensors by name"),
        ({"weight": torch.zeros(3)}, "does not fit the model: .*Missing key.*name the model it was saved from"),
    ],
)
def test_a_file_with_something_else_is_an_error(tmp_path: Path, content: object, expected: str) -> None:
    path = tmp_path / "a.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=expected):
        load_weights(small(), path)


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    for suffix, expected in (
        (".safetensors", "is not a safetensors file"),
        (".pt", "cannot be read with weights"),
    ):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"not weights at all")
        with pytest.raises(ValueError, match=expected):
            load_weights(small(), path)
