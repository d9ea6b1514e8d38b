"""What holds for every study: it runs tiny, its report and figures follow from its results, and it is one command."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from experiments import __main__ as every
from experiments.study import index
from experiments.study.study import Study

ROOT = Path(__file__).parents[3]
PNG = b"\x89PNG"


@pytest.fixture(params=every.STUDIES)
def study(request: pytest.FixtureRequest) -> Study[Any]:
    return import_module(f"experiments.studies.{request.param}.__main__").STUDY


def test_every_package_with_a_study_is_listed() -> None:
    found = {
        path.parent.name for path in ROOT.glob("experiments/studies/*/__main__.py") if "STUDY = " in path.read_text()
    }
    assert found == set(every.STUDIES)


def test_a_smoke_run_makes_all_files(study: Study[Any], smoke_folder: Callable[[str], Path]) -> None:
    folder = smoke_folder(study.name)
    assert sorted(path.name for path in folder.iterdir()) == sorted(study.files)
    data = json.loads((folder / "results.json").read_text())
    assert data["experiment"] == study.name
    assert (folder / "REPORT.md").read_text().startswith("# ")
    assert all((folder / name).read_bytes().startswith(PNG) for name in study.figures)


def test_the_committed_report_is_that_of_the_committed_results(study: Study[Any]) -> None:
    data = json.loads((study.folder / "results.json").read_text())
    report = (study.folder / "REPORT.md").read_text()
    assert report == study.report(data)
    assert all(name in report for name in study.figures)
    assert set(re.findall(r"\]\((\w+\.png)\)", report)) == set(study.figures)


def test_the_committed_results_are_those_of_the_config(study: Study[Any]) -> None:
    data = json.loads((study.folder / "results.json").read_text())
    config = json.loads(json.dumps(asdict(study.config)))
    assert {key: data["settings"][key] for key in config} == config
    assert data["seconds"] > 0


def shape(value: Any) -> Any:
    """Keys and types; elements of lists, and values under numbers, are alike and become one."""
    if isinstance(value, dict) and not all(key.replace(".", "", 1).isdecimal() for key in value):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, dict | list):
        merged: Any = {}
        for one in map(shape, value.values() if isinstance(value, dict) else value):
            merged = {**merged, **one} if isinstance(one, dict) else one
        return [merged]
    # Nothing stands for a number that could not be measured.
    return "number" if value is None or isinstance(value, int | float) else type(value).__name__


def test_a_run_makes_results_of_the_committed_structure(study: Study[Any], smoke_folder: Callable[[str], Path]) -> None:
    committed, tiny = (
        json.loads((folder / "results.json").read_text()) for folder in (study.folder, smoke_folder(study.name))
    )
    for data in (committed, tiny):
        data.pop("settings")
    assert list(committed) == list(tiny)
    assert shape(committed) == shape(tiny)


def test_the_committed_verdicts_follow_from_the_committed_runs(study: Study[Any]) -> None:
    data = json.loads((study.folder / "results.json").read_text())
    if study.judge is None:
        assert "claims" not in data
        return
    judged = study.judge(study.config, data["rows"])
    assert {key: data[key] for key in ("test", "level", "claims")} == {
        key: judged[key] for key in ("test", "level", "claims")
    }
    found, expected = (
        {(one["claim"], one["label"], one["limit"]): one for one in contrasts}
        for contrasts in (judged["contrasts"], data["contrasts"])
    )
    assert len(expected) == len(data["contrasts"])
    assert found == expected


def test_the_committed_figures_can_be_drawn_again(study: Study[Any]) -> None:
    data = json.loads((study.folder / "results.json").read_text())
    for name, figure in study.figures.items():
        assert figure(data).startswith(PNG)
        assert (study.folder / name).read_bytes().startswith(PNG)


def test_one_command_runs_studies_and_skips_complete_ones(tmp_path: Path) -> None:
    def run() -> str:
        command = [sys.executable, "-m", "experiments", "--out", str(tmp_path), "--study", "defaults", "--smoke"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.search(r"defaults: \d+ s, see ", run())
    assert (tmp_path / "studies" / "defaults" / "REPORT.md").is_file()
    assert run().startswith("defaults: complete")
    assert "](studies/defaults/REPORT.md)" in (tmp_path / "README.md").read_text()


def test_smoke_and_real_results_do_not_pass_for_one_another(
    tmp_path: Path, smoke_folder: Callable[[str], Path]
) -> None:
    shutil.copytree(smoke_folder("defaults"), tmp_path / "studies" / "defaults")
    assert every._is_complete("defaults", tmp_path / "studies" / "defaults", smoke=True)
    assert not every._is_complete("defaults", tmp_path / "studies" / "defaults", smoke=False)
    assert all(
        every._is_complete("defaults", ROOT / "experiments" / "studies" / "defaults", smoke) for smoke in (True, False)
    )


def test_an_end_of_the_command_is_one_of_its_studies(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "experiments", "--out", str(tmp_path), "--jobs", "1"]
    command += ["--study", "accuracy", "--study", "locality"]
    alive, held = os.pipe()  # open for reading without an end as long as one of the processes holds its standard input
    with subprocess.Popen(command, cwd=ROOT, stdin=held, stdout=subprocess.DEVNULL) as running:
        os.close(held)
        while not (tmp_path / "studies" / "accuracy" / "log.txt").exists():
            time.sleep(0.05)
        running.terminate()
        try:
            assert running.wait(timeout=60) == 128 + signal.SIGTERM
        finally:
            running.kill()  # if it has not ended, the test shall
    assert select.select([alive], [], [], 1.0)[0]
    os.close(alive)
    assert not (tmp_path / "studies" / "accuracy" / "REPORT.md").exists()
    assert not (tmp_path / "studies" / "locality").exists()


def test_the_page_leaves_out_damaged_results(tmp_path: Path) -> None:
    (tmp_path / "studies" / "defaults").mkdir(parents=True)
    (tmp_path / "studies" / "defaults" / "REPORT.md").write_text("# Title")
    (tmp_path / "studies" / "defaults" / "results.json").write_text('{"claims": [')
    assert "Title" not in index.to_markdown(tmp_path, every.STUDIES)


def test_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(typer.BadParameter, match=r"/file is a file, but must be a folder"):
        every.main(out=tmp_path / "file")


def test_the_committed_page_of_verdicts_is_that_of_the_committed_results() -> None:
    page = (ROOT / "experiments" / "README.md").read_text()
    assert page == index.to_markdown(ROOT / "experiments", every.STUDIES)
    for name in every.STUDIES:
        data = json.loads((ROOT / "experiments" / "studies" / name / "results.json").read_text())
        assert all(f"| {claim['text']} | {claim['verdict']} |" in page for claim in data.get("claims", []))


def test_a_failed_study_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(every, "STUDIES", ("no_such_study",))
    with pytest.raises(typer.Exit) as failure:
        every.main(out=tmp_path)
    assert failure.value.exit_code == 1
    assert f"failed, see {tmp_path / 'studies' / 'no_such_study' / 'log.txt'}" in capsys.readouterr().out
    assert (
        "No module named experiments.studies.no_such_study"
        in (tmp_path / "studies" / "no_such_study" / "log.txt").read_text()
    )


def test_a_page_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Mine")
    with pytest.raises(typer.BadParameter, match=r"README\.md was not written by this command and would be replaced"):
        every.main(out=tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Mine"


def test_an_unknown_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"\['nonsense'\] must be among accuracy"):
        every.main(out=tmp_path, study=["nonsense"])
