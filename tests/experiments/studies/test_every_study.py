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
from pathlib import Path
from typing import Any

import pytest
import typer

from experiments import __main__ as every
from experiments.study import index
from experiments.study.study import FAMILY, UNFINISHED, Study

ROOT = Path(__file__).parents[3]
PNG = b"\x89PNG"


@pytest.fixture(params=every.STUDIES)
def study(request: pytest.FixtureRequest) -> Study[Any]:
    return every._study(request.param)


@pytest.fixture
def committed(study: Study[Any]) -> dict[str, Any]:
    """The committed results of a study; `test_every_study_has_results` fails where there are none."""
    file = study.folder / "results.json"
    if not file.exists():
        pytest.skip(f"{study.name} has not been run")
    return json.loads(file.read_text())


def test_every_study_has_results() -> None:
    missing = {name for name in every.STUDIES if not (every._study(name).folder / "results.json").exists()}
    assert not missing, "run python -m experiments, and commit what it writes"


def test_primary_claims_are_as_many_as_verdicts_are_adjusted_for() -> None:
    made = [every._study(name) for name in every.STUDIES]
    claims = [claim for study in made for claim in study.claims(study.config).values()]
    assert sum(not claim.secondary for claim in claims) == FAMILY


def test_claims_can_be_judged_with_the_seeds_that_are_planned(study: Study[Any]) -> None:
    seeds = {arm.name: e.seeds(arm) for e in study.experiments(study.config) for arm in e.arms}
    for claim in study.claims(study.config).values():
        for weights in claim.contrasts.values():
            assert len({tuple(seeds[name]) for name, _ in weights}) == 1
            assert sum(weights.values()) == pytest.approx(0)


def test_arms_have_names_of_their_own(study: Study[Any]) -> None:
    names = [arm.name for e in study.experiments(study.config) for arm in e.arms]
    assert len(set(names)) == len(names)
    tuned = [e.tuned_as(arm) for e in study.experiments(study.config) for arm in e.arms]
    seeds = {seed for e in study.experiments(study.config) for arm in e.arms for seed in e.seeds(arm)}
    assert all(set(e.tuning_seeds).isdisjoint(seeds) for e in study.experiments(study.config))
    assert len(tuned) == len(names)


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
    report = (folder / "REPORT.md").read_text()
    # It opens with its answer and its one figure, and is not long.
    assert re.match(r"# .*\n\n- \*\*.*: open\.\*\*|# .*\n\n- \*\*", report)
    assert re.findall(r"\]\((\w+\.png)\)", report) == ["figure.png"]
    assert report.index("figure.png") < report.index("## ")
    assert len(report.splitlines()) < 150
    assert (folder / "figure.png").read_bytes().startswith(PNG)


def test_the_committed_report_is_that_of_the_committed_results(study: Study[Any], committed: dict[str, Any]) -> None:
    assert (study.folder / "REPORT.md").read_text() == study.report(committed)


def test_the_committed_results_are_those_of_the_config(study: Study[Any], committed: dict[str, Any]) -> None:
    config = json.loads(json.dumps(asdict(study.config)))
    assert {key: committed["settings"][key] for key in config} == config
    assert committed["seconds"] > 0


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


def test_a_run_makes_results_of_the_committed_structure(
    study: Study[Any], committed: dict[str, Any], smoke_folder: Callable[[str], Path]
) -> None:
    tiny = json.loads((smoke_folder(study.name) / "results.json").read_text())
    for data in (committed, tiny):
        data.pop("settings")
        data.pop("tuning")  # in a smoke run there is nothing to choose from
    assert list(committed) == list(tiny)
    assert shape(committed) == shape(tiny)


def test_the_committed_verdicts_follow_from_the_committed_runs(study: Study[Any], committed: dict[str, Any]) -> None:
    found = index.complete(ROOT / "experiments", every.STUDIES)
    claims = [claim for other in found if other["name"] != study.name for claim in other["claims"]]
    judged = study.judge(study.config, committed["rows"], [one["raw_p"] for one in claims if not one["secondary"]])
    assert {key: committed[key] for key in judged} == json.loads(json.dumps(judged))


def test_the_committed_figure_can_be_drawn_again(study: Study[Any], committed: dict[str, Any]) -> None:
    assert study.figure(committed).startswith(PNG)
    assert (study.folder / "figure.png").read_bytes().startswith(PNG)


def test_one_command_runs_studies_and_skips_complete_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> str:
        every.main(out=tmp_path, study=["resolution"], smoke=True)
        return capsys.readouterr().out

    assert re.search(r"resolution: \d+ s, see ", run())
    assert (tmp_path / "studies" / "resolution" / "REPORT.md").is_file()
    assert run().startswith("resolution: complete")
    assert "](studies/resolution/REPORT.md)" in (tmp_path / "README.md").read_text()


def test_smoke_and_real_results_do_not_pass_for_one_another(
    tmp_path: Path, smoke_folder: Callable[[str], Path]
) -> None:
    shutil.copytree(smoke_folder("resolution"), tmp_path / "studies" / "resolution")
    assert every._is_complete("resolution", tmp_path / "studies" / "resolution", smoke=True)
    assert not every._is_complete("resolution", tmp_path / "studies" / "resolution", smoke=False)


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
    (tmp_path / "studies" / "resolution").mkdir(parents=True)
    (tmp_path / "studies" / "resolution" / "REPORT.md").write_text("# Title")
    (tmp_path / "studies" / "resolution" / "results.json").write_text('{"claims": [')
    assert "Title" not in index.to_markdown(tmp_path, every.STUDIES)


def test_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(typer.BadParameter, match=r"/file is a file, but must be a folder"):
        every.main(out=tmp_path / "file")


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    folder = ROOT / "experiments"
    assert (folder / "README.md").read_text() == index.to_markdown(folder, every.STUDIES)


def test_the_page_shows_every_claim_of_complete_studies(smoke_folder: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("resolution", "locality"):
        shutil.copytree(smoke_folder(name), tmp_path / "studies" / name)
    index.write(tmp_path, every.STUDIES)
    page = (tmp_path / "README.md").read_text()
    for name in ("resolution", "locality"):
        data = json.loads((tmp_path / "studies" / name / "results.json").read_text())
        assert all(f"| {claim['text']} | " in page and f" | {claim['verdict']} | " in page for claim in data["claims"])
    assert "## Schneider 2020" in page
    assert "## Grabinski" not in page
    assert (tmp_path / "forest.png").read_bytes().startswith(PNG)


def test_verdicts_are_settled_when_other_studies_are_complete(
    smoke_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in ("resolution", "locality"):
        shutil.copytree(smoke_folder(name), tmp_path / "studies" / name)
    file, report = (tmp_path / "studies" / "resolution" / name for name in ("results.json", "REPORT.md"))
    other = tmp_path / "studies" / "locality" / "results.json"
    data = json.loads(other.read_text())
    data["claims"][0]["raw_p"] = 1e-30  # the smallest of all, which leaves a smaller factor to the others
    other.write_text(json.dumps(data))
    alone = json.loads(file.read_text())["claims"][0]
    every._settle(tmp_path)
    together = json.loads(file.read_text())["claims"][0]
    assert together["raw_p"] == alone["raw_p"]
    assert together["p"] == pytest.approx(min(1.0, (FAMILY - 1) * alone["raw_p"]))
    before = report.stat().st_mtime_ns
    every._settle(tmp_path)
    assert report.stat().st_mtime_ns == before  # nothing new is written
    assert json.loads(other.read_text())["claims"][0]["raw_p"] > 1e-30


def test_what_remains_is_the_minutes_of_unfinished_runs(tmp_path: Path) -> None:
    study = every._study("resolution")
    assert every._minutes_left(tmp_path, ["resolution"], smoke=False) == study.minutes
    ledger = tmp_path / "studies" / "resolution" / UNFINISHED
    ledger.mkdir(parents=True)
    planned = sum(e.planned for e in study.experiments(study.config))
    for number in range(planned // 2 + 1):  # with the settings
        (ledger / f"{number}.json").touch()
    assert every._minutes_left(tmp_path, ["resolution"], smoke=False) == pytest.approx(study.minutes / 2, rel=0.02)


def test_a_failed_study_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(every, "STUDIES", ("no_such_study",))
    monkeypatch.setattr(every, "_minutes_left", lambda *_, **__: 0.0)
    found = every._study("resolution")
    monkeypatch.setattr(every, "_study", lambda _: found)
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
    with pytest.raises(typer.BadParameter, match=r"\['nonsense'\] must be among frozen"):
        every.main(out=tmp_path, study=["nonsense"])
