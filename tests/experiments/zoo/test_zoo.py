import json
from pathlib import Path

import pytest
import typer

from experiments.zoo import report
from experiments.zoo.__main__ import FOLDER, main
from experiments.zoo.models import Entry, entries
from experiments.zoo.run import run_one

ENTRIES = {(entry.library, entry.name): entry for entry in entries()}
DOZEN = {
    ("torchvision", "alexnet"): 5,
    ("torchvision", "resnet18"): 17,
    ("torchvision", "mobilenet_v2"): 18,
    ("torchvision", "shufflenet_v2_x0_5"): 20,
    ("torchvision", "efficientnet_b0"): 17,
    ("torchvision", "regnet_x_400mf"): 23,
    ("torchvision", "lraspp_mobilenet_v3_large"): 16,
    ("timm", "mixnet_s"): 44,
    ("timm", "tf_mixnet_s"): 31,
    ("timm", "repvgg_a0"): 22,
    ("timm", "ghostnet_100"): 42,
    ("timm", "efficientnet_cc_b0_4e"): 9,
}


@pytest.mark.parametrize("key", DOZEN, ids="/".join)
def test_a_known_network_is_matched_and_baked(key: tuple[str, str]) -> None:
    from experiments.zoo.run import _matched

    entry = ENTRIES[key]
    row = _matched(entry, entry.example())
    assert row["replaced"] == DOZEN[key]
    assert row["residual"] < 1e-6
    assert row["match_error"] < 1e-5
    assert row["bake_error"] < 1e-5


def test_a_row_says_what_happened_and_why() -> None:
    row = run_one(ENTRIES["timm", "lcnet_050"])
    assert "failed" not in row
    assert row["split"]["gradients_finite"] is True
    assert row["split"]["baked"] == row["split"]["replaced"] > 0
    assert row["split"]["bake_error"] < 1e-4
    assert row["split"]["kept"]["strided"] + row["split"]["replaced"] == row["matched"]["replaced"]


def test_a_model_that_cannot_be_run_is_a_row_too() -> None:
    entry = ENTRIES["torchvision", "alexnet"]
    small = Entry(entry.name, entry.library, entry.part, entry.make, lambda: (entry.example()[0][..., :8, :8],))
    assert run_one(small)["failed"].startswith("RuntimeError: ")


@pytest.mark.filterwarnings("ignore")  # of torch, where it quantises
def test_the_command_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    main(out=tmp_path, smoke=False, model=["lcnet_050"])
    first = json.loads((tmp_path / "results.json").read_text())
    first["rows"][0]["seconds"] = -1
    (tmp_path / "results.json").write_text(json.dumps(first))
    main(out=tmp_path, smoke=False, model=["quantized_shufflenet_v2_x0_5"])
    rows = {row["name"]: row for row in json.loads((tmp_path / "results.json").read_text())["rows"]}
    assert rows["lcnet_050"]["seconds"] == -1
    assert rows["quantized_shufflenet_v2_x0_5"]["split"]["replaced"] == 0
    text = (tmp_path / "REPORT.md").read_text()
    assert "Conv2d is quantised: quantized_shufflenet_v2_x0_5" in text


def test_arguments_that_would_lose_something_are_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="holds the real results"):
        main(out=FOLDER, smoke=True)
    with pytest.raises(typer.BadParameter, match=r"\['resnet5000'\] names no model of the sweep"):
        main(out=tmp_path, model=["resnet5000"])
    (tmp_path / "REPORT.md").write_text("of somebody else")
    with pytest.raises(typer.BadParameter, match="which is not a result of 'zoo'"):
        main(out=tmp_path, model=["alexnet"])


def test_the_committed_report_is_that_of_the_committed_numbers() -> None:
    data = json.loads((FOLDER / "results.json").read_text())
    assert (FOLDER / "REPORT.md").read_text() == report.to_markdown(data)
    assert {(row["library"], row["name"]) for row in data["rows"]} == set(ENTRIES)
