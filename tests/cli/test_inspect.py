"""`nifconv inspect`: what it prints and writes, and how it fails."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import Result
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from nifconv import FrequencyConv2d, convert
from nifconv.cli._app import app
from nifconv.footprint.measures._table import HEADLINE
from nifconv.models import NamedModel

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


def three_d() -> nn.Module:
    return nn.Conv3d(3, 2, 3, padding=1)


def seeded() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(3, 2, 3)


def pointwise() -> nn.Module:
    return nn.Conv2d(3, 2, 1)


def inspect(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["inspect", *arguments], env={"COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"})


def message(result: Result) -> str:
    return re.sub(r"[│\s]+", " ", result.output)


def test_a_table_has_a_row_for_each_layer() -> None:
    result = inspect(f"{ME}:small", "--input-size", "16x12", "--null", "3")
    assert result.exit_code == 0, result.output
    assert f"{ME}:small: Small, weights: random (newly initialised)" in result.output
    stem, layer = (line.split() for line in result.output.splitlines() if line.startswith(("stem", "layer1")))
    assert stem[:3] == ["stem", "16x12", "5x5"]
    assert layer[:3] == ["layer1", "16x12", "16x12"]
    assert re.search(r"5 \([+-]\d+\)", result.output)
    assert "distance from the null distribution (3 re-initialisations)" in result.output
    assert "With so few, z is not evidence, however large: use 19 or more" in result.output


@pytest.mark.parametrize("columns", [40, 80, 100, 240])
def test_no_number_is_cut_however_narrow_the_terminal(columns: int) -> None:
    model = NamedModel(f"{ME}:small").build()
    torch.manual_seed(0)
    arguments = ["inspect", f"{ME}:small", "--input-size", "16", "--null", "2", "--seed", "1"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"})
    assert "…" not in result.output
    table = [line for line in result.output.splitlines() if not line.startswith(("In", "Med", "With so few", ME))]
    assert max(map(len, table)) <= columns
    cells = [cell for line in table if line.startswith("layer1") for cell in re.findall(r"\S+ \([+-]\d+\)|-", line)]
    assert len(cells) == len(HEADLINE)
    assert isinstance(model, Small)


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
    assert re.search(rf"Gaussian\n.* {100 * field['gaussian']:.0f} %\n", result.output)
    assert csv.read_text().splitlines()[1].startswith("stem,")
    assert "Effective receptive fields" in html.read_text()


def test_receptive_fields_of_a_layer_at_several_sizes() -> None:
    result = inspect(f"{ME}:small", "--erf-layer", "stem", "--erf-size", "8", "--erf-size", "12", "--input-size", "8")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("stem ") and "%" in line]
    assert [re.search(r"\d+ x \d+", line)[0] for line in lines] == ["8 x 8", "12 x 12"]


class Tokens(nn.Module):
    """Returns two things: all pixels as tokens, of every row before the next, and a score."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 3, padding=1)
        self.both = Both()

    def forward(self, x: Tensor) -> Tensor:
        return self.both(self.embed(x))[1]


class Both(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean((2, 3)), x.flatten(2).transpose(1, 2)


def tokens() -> nn.Module:
    return Tokens()


def test_receptive_fields_of_tokens_are_drawn_over_an_image(tmp_path: Path) -> None:
    html, data, plain = tmp_path / "a.html", tmp_path / "a.json", tmp_path / "plain.html"
    picture = tmp_path / "picture.png"
    Image.effect_noise((20, 10), 90).save(picture)
    # 9 x 9 pixels as tokens; without a grid, any 81 tokens of a 18 x 9 input would not tell theirs.
    field = ["--erf-layer", "both", "--erf-output", "1", "--erf-grid", "9x9", "--json", str(data)]
    result = inspect(f"{ME}:tokens", "--input-size", "9", *field, "--html", str(html), "--erf-image", str(picture))
    assert result.exit_code == 0, result.output
    (found,) = json.loads(data.read_text())["receptive_fields"][f"{ME}:tokens"]
    assert found["layer"] == "both"
    assert found["side"]["0.99"] == 3
    assert "pixels, over an input." in html.read_text()
    assert inspect(f"{ME}:tokens", "--input-size", "9", *field, "--html", str(plain)).exit_code == 0
    assert "over an input" not in plain.read_text()


@pytest.mark.parametrize(
    ("name", "size", "map_size"),
    [("one_d", "30", "30"), ("three_d", "6", "6x6x6"), ("three_d", "6x5x4", "6x5x4"), ("small", "6", "6x6")],
)
def test_one_number_is_the_side_along_every_axis_of_the_model(name: str, size: str, map_size: str) -> None:
    result = inspect(f"{ME}:{name}", "--input-size", size, "--erf")
    assert result.exit_code == 0, result.output
    assert any(line.split()[1:2] == [map_size] for line in result.output.splitlines()), result.output
    assert f" {map_size.replace('x', ' x ')} " in result.output.split("effective receptive field")[1]


def two_channels() -> nn.Module:
    return nn.Conv1d(2, 4, 5, padding=2)


def test_a_function_without_such_an_argument_knows_its_channels() -> None:
    result = inspect(f"{ME}:two_channels", "--channels", "2", "--input-size", "30")
    assert result.exit_code == 0, result.output
    result = inspect(f"{ME}:two_channels", "--channels", "5", "--input-size", "30")
    assert result.exit_code == 2
    assert "cannot be run on an input of shape (1, 5, 30)" in message(result)


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


def test_what_convert_wrote_is_measured_beside_other_weights(tmp_path: Path) -> None:
    conversion = convert(NamedModel(f"{ME}:small").build(), where="stem", to="dense")
    path, other, data = (tmp_path / name for name in ("a.safetensors", "b.safetensors", "a.json"))
    conversion.save(path)
    save_file({name: value.clone() for name, value in conversion.model.state_dict().items()}, other)
    result = inspect(f"{ME}:small", "--weights", str(path), "--input-size", "8", "--json", str(data), "--null", "2")
    assert result.exit_code == 0, result.output
    assert f"weights: {path}" in result.output
    (survey,) = json.loads(data.read_text())["surveys"].values()
    assert [layer["kind"] for layer in survey["layers"]] == ["FrequencyConv2d", "FrequencyConv2d"]
    result = inspect(str(path), "--input-size", "8")
    assert result.exit_code == 2
    assert "a function that is called only if you trust the file; give --trust, or" in message(result)
    result = inspect(str(path), "--trust", "--weights", str(other), "--input-size", "8")
    assert result.exit_code == 0, result.output
    result = inspect("squeezenet1_1", "--compare", str(path), "--trust", "--input-size", "32", "--json", str(data))
    assert result.exit_code == 0, result.output
    assert list(json.loads(data.read_text())["surveys"]) == ["squeezenet1_1", str(path)]


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
            [f"{ME}:one_d", "--input-size", "8x8"],
            "one_d cannot be run on an input of shape (1, 3, 8, 8)",
        ),
        ([f"{ME}:seeded", "--null", "2", "--input-size", "8"], f"{ME}:seeded built the same weights twice in a Conv2d"),
        (["resnet18", "--erf-grid", "a"], "Invalid value for --erf-grid: 'a' must be pixels"),
        (
            ["resnet18", "--erf-image", "a.png"],
            "value for --erf-image: it is drawn on the page; give --html too",
        ),
        (["resnet18", "--erf-image", "a.png", "--html", "a.html"], "a.png is not an image that can be read: "),
        (["resnet18", "--erf-image", __file__, "--html", "a.html"], "test_inspect.py is not an image that can be read"),
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
