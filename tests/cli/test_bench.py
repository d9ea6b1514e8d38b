"""`nifconv bench`."""

import re
from pathlib import Path

from typer.testing import CliRunner

from nifconv.cli._app import app
from nifconv.spectral import Crossover


def test_the_command_writes_a_table_that_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    result = CliRunner().invoke(app, ["bench", "--quick", "--repeats", "1", "--crossover", str(path)])
    assert result.exit_code == 0, result.output
    assert set(Crossover.load(path).limits) == {"inference", "training"}
    assert "NIFCONV_CROSSOVER" in result.output


def test_the_command_compares_with_a_convolution() -> None:
    result = CliRunner().invoke(app, ["bench", "--quick", "--repeats", "1"])
    assert result.exit_code == 0, result.output
    assert re.search(r"32 x 512 x +7²", result.output)


def test_the_command_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    runner = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"})
    result = runner.invoke(app, ["bench", "--crossover", str(tmp_path / "none" / "table.json")])
    assert result.exit_code == 2
    assert "is not a folder; create it" in result.output
