"""What commands write: each result has a file of its own, and none replaces what it is made of."""

import re
from itertools import combinations
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from nifconv.cli._app import app
from nifconv.cli._output import check_outputs

READ = {"erf_image"}
"""Parameters with the path of a file that is read."""


def outputs() -> dict[str, list[str]]:
    """The options of each command that name a file to write."""
    found: dict[str, list[str]] = {}
    for command in app.registered_commands:
        hints = get_type_hints(command.callback, include_extras=True)
        paths = {name: get_args(hint)[1] for name, hint in hints.items() if "Path" in str(get_args(hint)[:1])}
        # Typer has the first name that is given as the default until it reads it.
        names = {name: f"--{name}" if option.default is ... else option.default for name, option in paths.items()}
        found[str(command.name)] = [option for name, option in names.items() if name not in READ]
    return found


PAIRS = [(command, *pair) for command, options in outputs().items() for pair in combinations(options, 2)]


def message(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    return " ".join(re.sub("[│╭╮╰╯─]", " ", result.output).split())


def test_all_outputs_are_known() -> None:
    assert outputs() == {
        "convert": ["--output", "--report"],
        "inspect": ["--csv", "--html", "--json"],
        "bake": ["--output", "--report"],
        "export": ["--output", "--report"],
        "bench": ["--crossover"],
        "doctor": [],
    }


def test_the_weights_of_an_export_are_not_replaced_by_its_report(tmp_path: Path) -> None:
    output, report = (str(tmp_path / name) for name in ("a.onnx", "a.onnx.data"))
    found = message("export", "no.safetensors", "--output", output, "--report", report)
    assert "is the file of the weights of --output, which it would replace" in " ".join(found.split())


@pytest.mark.parametrize(("command", "one", "other"), PAIRS)
def test_two_outputs_of_one_command_have_two_files(
    command: str, one: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a.onnx" if command == "export" else "a.safetensors"
    # The model does not exist: this is said before anything is looked for.
    found = message(command, "no.safetensors", one, name, other, str(tmp_path / name))
    assert f"Invalid value for {other}: " in found
    assert found.replace(" ", "").endswith(
        f"{tmp_path / name} is the file of {one}, which it would replace; name another file".replace(" ", "")
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "option"), [(pair[0], option) for pair in PAIRS for option in pair[1:]])
def test_no_output_replaces_the_model(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a.onnx" if (command, option) == ("export", "--output") else "a.safetensors"
    Path(name).write_text("precious")
    needed = ("--output", "b.onnx") if command == "export" and option != "--output" else ()
    found = message(command, "resnet18", "--weights", name, option, f"./{name}", *needed)
    assert f"Invalid value for {option}: {name} is an input of this command; name another file" in found
    assert Path(name).read_text() == "precious"


def test_links_to_one_file_are_one_file(tmp_path: Path) -> None:
    first, hard, soft, folder = (tmp_path / name for name in ("first", "hard", "soft", "folder"))
    first.touch()
    hard.hardlink_to(first)
    soft.symlink_to(tmp_path / "later")
    folder.symlink_to(tmp_path)
    for one, other in ((first, hard), (soft, tmp_path / "later"), (folder / "new", tmp_path / "new")):
        with pytest.raises(typer.BadParameter, match=f"{other} is the file of --csv, which it would replace"):
            check_outputs({"--csv": one, "--json": other})
    check_outputs({"--csv": first, "--json": soft, "--html": None}, read=("x" * 5000, "no", None))


def test_what_is_compared_and_drawn_on_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.pt").touch()
    for option in ("--compare", "--erf-image"):
        found = message("inspect", "no.pt", option, str(tmp_path / "b.pt"), "--html", str(tmp_path / "b.pt"))
        assert "is an input of this command" in found
