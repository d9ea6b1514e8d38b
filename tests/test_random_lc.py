"""Frozen random filters: the data, the rows, the rule of the verdict, and the whole command at a tiny size."""

import copy
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from experiments.common.data.batches import Batches
from experiments.common.data.handwritten import CLASSES, SIDE, digit_pools, subset
from experiments.common.nets import parameters
from experiments.random_lc import report, run, verdict
from experiments.random_lc.__main__ import FILES, FOLDER, main
from nifconv import LCConv2d

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"\d+\.\d+")


def random_lc(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.random_lc", *options]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("random_lc")
    return folder, random_lc("--smoke", "--out", str(folder))


@pytest.fixture(scope="module")
def data(smoke: tuple[Path, subprocess.CompletedProcess[str]]) -> dict[str, Any]:
    return json.loads((smoke[0] / "results.json").read_text())


def rows_of(**accuracies: list[float]) -> list[dict[str, Any]]:
    return [{"name": name, "runs": [{"accuracy": a} for a in values]} for name, values in accuracies.items()]


def test_no_image_is_in_two_pools() -> None:
    pools = digit_pools()
    parts = [pool.images.flatten(1) for pool in (pools.train, pools.validation, pools.test)]
    assert len(torch.cat(parts)) == len(torch.cat(parts).unique(dim=0))
    assert len(pools.test) > len(pools.validation) > run.Recipe().train_images
    assert pools.test.images.shape[1:] == (1, SIDE, SIDE)
    assert pools.train.labels.unique().tolist() == list(range(CLASSES))


def test_the_images_are_those_of_their_labels() -> None:
    # A nearest-mean classifier is right on most digits if images and labels are still paired.
    pools = digit_pools()
    train, test = pools.train, pools.test
    means = torch.stack([train.images[train.labels == c].mean(0).flatten() for c in range(CLASSES)])
    nearest = torch.cdist(test.images.flatten(1), means).argmin(1)
    assert (nearest == test.labels).float().mean() > 0.8
    assert train.images.mean().abs() < 1e-5
    assert train.images.std().item() == pytest.approx(1)


def test_training_images_depend_on_the_seed_alone() -> None:
    pool = digit_pools().train
    one, same, other = (subset(pool, 100, seed) for seed in (3, 3, 4))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)
    assert len(one.images.flatten(1).unique(dim=0)) == 100


def test_batches_pass_over_all_images_in_new_orders() -> None:
    chosen = subset(digit_pools().train, 30, 0)
    digits = chosen.images, chosen.labels
    shuffled, ordered = Batches(*digits, 10, seed=1), Batches(*digits, 20)
    first, second = [torch.cat([images for images, _ in shuffled]) for _ in range(2)]
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten(1).unique(dim=0), chosen.images.flatten(1).unique(dim=0))
    assert torch.equal(torch.cat([labels for _, labels in ordered]), chosen.labels)
    assert [len(ordered), len(Batches(*digits, 20, seed=1))] == [2, 1] == [len(list(ordered)), 1]


def test_the_wide_net_has_the_parameters_that_the_largest_frozen_net_learns() -> None:
    recipe = run.Recipe()
    nets = {variant.name: variant for variant in run.variants(recipe)}
    most = nets[run.row_name(run.FREQUENCY, learned=False, expansion=recipe.expansions[-1])]
    wide, frozen = (parameters(nets[name].build(recipe.depth, 0)) for name in (run.WIDE, most.name))
    assert wide / frozen == pytest.approx(1, abs=0.05)


def test_frozen_nets_have_the_filters_of_their_seed_and_learned_ones_new_ones() -> None:
    def taps(variant: run.Variant, seed: int) -> torch.Tensor:
        block = next(m for m in variant.build(8, seed).modules() if isinstance(m, LCConv2d))
        return block.spatial.filter.taps(5)

    for variant in run.variants(run.SMOKE)[2:]:
        assert torch.equal(taps(variant, 1), taps(variant, 1)) != variant.learned
        assert not torch.equal(taps(variant, 1), taps(variant, 2))


def test_spread_is_that_of_a_sample() -> None:
    assert run.spread([1.0, 2.0, 3.0, 6.0]) == pytest.approx(
        {"mean": 3.0, "deviation": (14 / 3) ** 0.5, "error": (14 / 12) ** 0.5}
    )


@pytest.mark.parametrize(
    ("left", "below", "expected"),
    [
        ([0.80, 0.81, 0.82], False, verdict.SUPPORTED),
        ([0.60, 0.61, 0.62], False, verdict.NOT_SUPPORTED),
        ([0.65, 0.70, 0.78], False, verdict.UNDECIDED),
        ([0.71, 0.71, 0.71], True, verdict.SUPPORTED),
        ([0.73, 0.73, 0.73], True, verdict.NOT_SUPPORTED),
        ([0.70, 0.72, 0.74], True, verdict.UNDECIDED),
    ],
)
def test_a_contrast_is_decided_by_its_standard_error(left: list[float], below: bool, expected: str) -> None:
    contrast = verdict.Contrast("within", "left - right", {"left": 1, "right": -1}, below=below)
    result = contrast.evaluate(rows_of(left=left, right=[0.7, 0.7, 0.7]))
    assert result["verdict"] == expected
    assert result["mean"] == pytest.approx(sum(left) / 3 - 0.7)


def test_a_contrast_pairs_the_seeds() -> None:
    contrast = verdict.Contrast("rises", "left - right", {"left": 1, "right": -1})
    result = contrast.evaluate(rows_of(left=[0.2, 0.9, 0.5], right=[0.1, 0.8, 0.4]))
    assert result["error"] == pytest.approx(0, abs=1e-9)
    assert result["verdict"] == verdict.SUPPORTED


def test_every_claim_has_contrasts_of_rows_that_exist() -> None:
    recipe = run.Recipe()
    names = {variant.name for variant in run.variants(recipe)}
    contrasts = verdict.contrasts(recipe)
    assert {contrast.claim for contrast in contrasts} == set(verdict.CLAIMS)
    for contrast in contrasts:
        assert set(contrast.weights) <= names
        assert sum(contrast.weights.values()) == 0
    learned_wins = next(c for c in contrasts if c.claim == "within").weights
    assert {name.split()[0]: weight for name, weight in learned_wins.items()} == {"learned": 1, "frozen": -1}


def test_smoke_writes_results_of_the_stated_form(
    smoke: tuple[Path, subprocess.CompletedProcess[str]], data: dict[str, Any]
) -> None:
    folder, process = smoke
    assert process.returncode == 0, process.stderr
    assert "Warning" not in process.stdout + process.stderr
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert data["experiment"] == "random_lc"
    assert [row["name"] for row in data["rows"]] == [variant.name for variant in run.variants(run.SMOKE)]
    for row in data["rows"]:
        accuracies = [one["accuracy"] for one in row["runs"]]
        assert all(0 <= accuracy <= 1 for accuracy in accuracies)
        assert {key: row[key] for key in ("mean", "deviation", "error")} == run.spread(accuracies)
        assert row["seconds"] > 0
        count = row["parameters"]
        assert count["learnable"] + count["frozen"] == count["spatial"] + count["pointwise"] + count["other"]
        assert count["frozen"] == (0 if row["learned"] else count["spatial"])
    best = max(data["tuning"], key=lambda trial: trial["accuracy"])
    assert data["settings"]["learning_rate"] == best["learning_rate"]
    assert data["settings"]["test_images"] == run.SMOKE.test_images


def test_the_report_has_its_numbers_from_the_results(
    smoke: tuple[Path, subprocess.CompletedProcess[str]], data: dict[str, Any]
) -> None:
    text = (smoke[0] / "REPORT.md").read_text()
    assert text == report.to_markdown(data)
    changed = copy.deepcopy(data)
    for row in changed["rows"]:
        row.update(mean=0.1234, deviation=0.1234, error=0.1234, seconds=12.34)
        row["runs"] = [{**one, "accuracy": 0.1234} for one in row["runs"]]
    for one in (*changed["contrasts"], *changed["tuning"]):
        one.update(mean=0.1234, error=0.1234, accuracy=0.1234)
    changed["settings"]["learning_rate"] = 12.3
    for trial in changed["tuning"]:
        trial["learning_rate"] = 12.3
    assert set(NUMBER.findall(report.to_markdown(changed))) == {"12.3"}


def test_redraw_writes_the_report_of_the_results_that_are_there(tmp_path: Path, data: dict[str, Any]) -> None:
    with pytest.raises(typer.BadParameter, match=r"has no results.json; run without --redraw first"):
        main(tmp_path, redraw=True)
    data = copy.deepcopy(data)
    data["rows"][0]["mean"] = 0.987
    (tmp_path / "results.json").write_text(json.dumps(data))
    main(tmp_path, redraw=True)
    assert "| 98.7 |" in (tmp_path / "REPORT.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)


def test_a_smoke_run_does_not_replace_the_real_results() -> None:
    with pytest.raises(typer.BadParameter, match="holds the real results; choose another folder for --smoke"):
        main(smoke=True)


def test_the_published_report_and_verdict_follow_from_the_published_results() -> None:
    data = json.loads((FOLDER / "results.json").read_text())
    settings = data["settings"]
    recipe = replace(run.Recipe(), expansions=tuple(settings["expansions"]), tap_sizes=tuple(settings["tap_sizes"]))
    judged = verdict.judge(data["rows"], recipe)
    assert {key: data[key] for key in judged} == judged
    assert (FOLDER / "REPORT.md").read_text() == report.to_markdown(data)
