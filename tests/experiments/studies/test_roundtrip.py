import json
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.studies.roundtrip.__main__ import STUDY
from experiments.studies.roundtrip.run import SMOKE, VARIANTS


@pytest.mark.filterwarnings("ignore:match=True leaves")  # the approximate variant is meant to
def test_every_step_keeps_what_it_promises(smoke_folder: Callable[[str], Path]) -> None:
    data = json.loads((smoke_folder("roundtrip") / "results.json").read_text())
    exact, approximate = data["rows"]
    assert exact["residual"] == 0
    assert exact["matched"] == exact["plain"]
    assert exact["baked"] == exact["onnx"] == exact["fine_tuned"]
    assert 0 < approximate["residual"] < 1
    assert approximate["bake_bound"] <= SMOKE.tolerance
    assert data["fit"]["layers"] == 13


def test_the_committed_results_hold_every_variant() -> None:
    data = json.loads((STUDY.folder / "results.json").read_text())
    assert {row["variant"] for row in data["rows"]} == set(VARIANTS)
    assert data["fit"]["network"] == "resnet50"
