import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from experiments.soak import __main__ as soak
from experiments.soak import conversions, files, growth, layers, training, watchdog
from nifconv.layers._conv import FrequencyConv
from tests.experiments import commands


@pytest.mark.parametrize("check", [layers.check, conversions.check, files.check])
def test_a_case_is_a_function_of_its_seed(check: Any) -> None:
    for seed in range(6):
        found, again = check(seed), check(seed)
        if check is not files.check:  # whose numbers are seconds
            assert found == again


def test_what_is_wrong_with_a_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = FrequencyConv.forward
    monkeypatch.setattr(FrequencyConv, "forward", lambda *arguments: right(*arguments) * 1.01)
    found = [watchdog.outcome("layers", seed) for seed in range(10)]
    assert any("off by 0.01" in str(one.get("error")) for one in found), found


def test_growing_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter(range(10**6))
    monkeypatch.setattr(growth, "_resident", lambda: 2.0 * next(sizes))
    with pytest.raises(AssertionError, match=r"memory grows by 2\.00 kB a step"):
        growth.grow(20)


def test_a_case_that_ends_its_process_is_noted_and_the_next_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def ending(command: list[str], **options: Any) -> Any:
        child = start(["/bin/sh", "-c", f"kill -{signal.SIGSEGV.value} $$"] if not ended else command, **options)
        ended.append(child.pid)
        return child

    start = watchdog.subprocess.Popen
    monkeypatch.setattr(watchdog.subprocess, "Popen", ending)
    first, second = watchdog.watched("files", 3, 5)
    assert first == {"seed": 3, "outcome": "failed", "error": "ended its process, status -11"}
    assert second["seed"] == 4
    assert second["outcome"] in ("refused", "loaded as it was")


def test_the_command_goes_on_and_repeats_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(part: str, first: int, last: int) -> Any:
        return ({"seed": seed, "outcome": "equal", "of": part, "error": 0.0} for seed in range(first, last))

    monkeypatch.setattr(watchdog, "watched", watched)
    monkeypatch.setattr(growth, "grow", lambda steps: {"steps": steps, "slope": 0.0, "bound": 1.0, "resident": 1.0})
    soak.main(out=tmp_path, smoke=True)
    data = json.loads((tmp_path / "results.json").read_text())
    found = data["parts"]["layers"]
    assert found["cases"] == found["outcomes"]["equal"] == 10
    found["failures"] = {"3": "ValueError at layers.py:1: wrong"}
    assert "--case layers:3`: ValueError" in soak.to_markdown(data)
    (tmp_path / "results.json").write_text(json.dumps(data))
    soak.main(out=tmp_path, smoke=True)
    assert json.loads((tmp_path / "results.json").read_text())["parts"]["layers"]["failures"] == {}


def test_committed_reports_are_those_of_their_results() -> None:
    for module in (soak, training):
        data = json.loads((module.FOLDER / "results.json").read_text())
        assert (module.FOLDER / "REPORT.md").read_text() == module.to_markdown(data)


def test_one_case_is_repeated_by_its_name() -> None:
    import typer

    app = typer.Typer()
    app.command()(soak.main)
    result = CliRunner().invoke(app, ["--case", "layers:0"])
    assert result.output == f"{watchdog.outcome('layers', 0)}\n"


def test_trainings_are_killed_and_spoiled(tmp_path: Path) -> None:
    training.main(out=tmp_path, smoke=True)
    data = json.loads((tmp_path / "results.json").read_text())
    assert data["signals"][0]["equal"] == 1
    (spoiled,) = data["files"]
    assert spoiled["equal"]
    assert "in use by another process" in spoiled["error"]
    assert os.access(commands.ROOT, os.R_OK)
