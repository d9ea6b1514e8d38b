import json
from pathlib import Path

import pytest
import typer

from experiments.roundtrip import report
from experiments.roundtrip.__main__ import FOLDER, main
from experiments.roundtrip.run import VARIANTS


def test_the_smoke_run_takes_every_step(tmp_path: Path) -> None:
    main(out=tmp_path, smoke=True)
    data = json.loads((tmp_path / "results.json").read_text())
    exact, approximate = data["rows"]
    assert exact["residual"] == 0
    assert exact["matched"] == exact["plain"]
    assert exact["baked"] == exact["onnx"] == exact["fine_tuned"]
    assert 0 < approximate["residual"] < 1
    assert approximate["bake_bound"] <= data["settings"]["tolerance"]
    assert data["fit"]["layers"] == 13
    assert (tmp_path / "REPORT.md").read_text() == report.to_markdown(data)


def test_the_real_results_are_not_replaced_by_a_smoke_run() -> None:
    with pytest.raises(typer.BadParameter, match="holds the real results"):
        main(out=FOLDER, smoke=True)


def test_results_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "REPORT.md").write_text("of somebody else")
    with pytest.raises(typer.BadParameter, match="which is not a result of 'roundtrip'"):
        main(out=tmp_path)


def test_the_committed_report_is_that_of_the_committed_numbers() -> None:
    data = json.loads((FOLDER / "results.json").read_text())
    assert (FOLDER / "REPORT.md").read_text() == report.to_markdown(data)
    assert {row["variant"] for row in data["rows"]} == set(VARIANTS)
    assert data["fit"]["network"] == "resnet50"
