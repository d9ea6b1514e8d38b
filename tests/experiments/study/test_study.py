"""The shared command line of the studies, on a study that counts its runs."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from experiments.study.study import UNFINISHED, Study
from experiments.study.sweep import Experiment
from experiments.study.verdicts import Claim


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Arm:
    name: str = "only"


class Counting:
    """Measures nothing but how often it was asked, and breaks off at one seed if told to."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.break_at: int | None = None

    def experiments(self, config: Config) -> list[Experiment[Arm]]:
        return [
            Experiment(
                arms=[Arm()],
                seeds=lambda _: config.seeds,
                run=lambda _, value, seed: self._run(seed),
                validate=lambda *_: 0.0,
                grid=lambda _: (0.1,),
            )
        ]

    def _run(self, seed: int) -> dict[str, Any]:
        if seed == self.break_at:
            raise KeyboardInterrupt
        self.done.append(seed)
        return {"value": seed}


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def study(tmp_path: Path, counting: Counting) -> Study[Config]:
    folder = tmp_path / "counting"
    folder.mkdir()
    (folder / "REPORT.md.j2").write_text("{{ data.rows[0].runs | length }} runs, {{ best }} the best\n")
    return Study(
        folder,
        Config((0, 1, 2)),
        Config((7, 8)),
        counting.experiments,
        lambda _: {"c": Claim("claim", {"value": {("only", "value"): 1.0}})},
        lambda data: str(data["settings"]["seeds"]).encode(),
        facts=lambda data: {"best": max(run["value"] for run in data["rows"][0]["runs"])},
    )


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".j2")


def test_writes_results_report_and_figures(study: Study[Config]) -> None:
    study.main()
    data = json.loads((study.folder / "results.json").read_text())
    runs = data["rows"][0]["runs"]
    assert [run["value"] for run in runs] == data["settings"]["seeds"] == [0, 1, 2]
    assert data["seconds"] == pytest.approx(sum(run["seconds"] for run in runs))
    assert data["claims"][0]["contrasts"][0]["estimate"] == 1
    assert (study.folder / "REPORT.md").read_text() == "3 runs, 2 the best\n"
    assert (study.folder / "figure.png").read_text() == "[0, 1, 2]"
    assert written(study.folder) == sorted(study.files)


def test_goes_on_where_it_was_interrupted(study: Study[Config], counting: Counting) -> None:
    counting.break_at = 2
    with pytest.raises(KeyboardInterrupt):
        study.main()
    assert not (study.folder / "results.json").exists()
    assert study.progress(study.folder, study.config) == pytest.approx(2 / 3)
    counting.break_at = None
    study.main()
    assert counting.done == [0, 1, 2]
    study.main()
    assert counting.done == [0, 1, 2] * 2


@pytest.mark.parametrize("damage", [b"", b'{"key": "seed', b"\xff\xfe"])
def test_what_a_crash_has_damaged_is_measured_again(study: Study[Config], counting: Counting, damage: bytes) -> None:
    counting.break_at = 1
    with pytest.raises(KeyboardInterrupt):
        study.main()
    (entry,) = (path for path in (study.folder / UNFINISHED).iterdir() if path.name != "settings.json")
    entry.write_bytes(damage)
    with pytest.raises(KeyboardInterrupt):
        study.main()
    (study.folder / UNFINISHED / "settings.json").write_bytes(damage)
    counting.break_at = None
    study.main()
    assert counting.done == [0, 0, 0, 1, 2]


def test_a_report_that_could_not_be_written_loses_no_run(study: Study[Config], counting: Counting) -> None:
    def full(_: object) -> str:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        dataclasses.replace(study, facts=full).main()
    study.main()
    assert counting.done == [0, 1, 2]
    assert written(study.folder) == sorted(study.files)


def test_runs_of_other_settings_are_not_used(study: Study[Config], counting: Counting, tmp_path: Path) -> None:
    counting.break_at = 2
    with pytest.raises(KeyboardInterrupt):
        study.main(out=tmp_path / "results")
    (tmp_path / "results" / UNFINISHED / "settings.json").write_text('{"seeds": [0, 1]}')
    counting.break_at = None
    study.main(out=tmp_path / "results")
    assert counting.done == [0, 1, 0, 1, 2]


def test_smoke_needs_a_folder_of_its_own(study: Study[Config], tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="counting holds the real results"):
        study.main(smoke=True)
    study.main(out=tmp_path / "real")
    with pytest.raises(typer.BadParameter, match="real holds real results; choose another folder for --smoke"):
        study.main(out=tmp_path / "real", smoke=True)
    study.main(out=tmp_path / "other", smoke=True)
    assert json.loads((tmp_path / "other" / "results.json").read_text())["settings"]["seeds"] == [7, 8]


def test_knows_the_results_of_a_config(study: Study[Config], tmp_path: Path) -> None:
    study.main(out=tmp_path / "tiny", smoke=True)
    assert study.holds(tmp_path / "tiny", study.smoke)
    assert not study.holds(tmp_path / "tiny", study.config)
    assert not study.holds(tmp_path / "nowhere", study.config)
    (tmp_path / "tiny" / "results.json").write_text('{"experiment": "counting", "sett')
    assert not study.holds(tmp_path / "tiny", study.smoke)


def test_redraw_measures_nothing(study: Study[Config], counting: Counting) -> None:
    with pytest.raises(typer.BadParameter, match=r"has no results\.json"):
        study.main(redraw=True)
    study.main()
    (study.folder / "REPORT.md").unlink()
    study.main(redraw=True)
    assert counting.done == [0, 1, 2]
    assert (study.folder / "REPORT.md").exists()


def test_nothing_is_finished_before_the_first_run(study: Study[Config], tmp_path: Path) -> None:
    assert study.progress(tmp_path / "nowhere", study.config) == 0


def test_foreign_files_are_not_replaced(study: Study[Config], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "figure.png").write_text("mine")
    with pytest.raises(typer.BadParameter, match=r"holds 'figure\.png'"):
        study.main(out=tmp_path / "mine")
    assert (tmp_path / "mine" / "figure.png").read_text() == "mine"
