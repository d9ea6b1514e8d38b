"""The quickstart: its data, the fairness of its comparison, and the whole command at a tiny size."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import typer
from click.testing import Result
from torch import Tensor
from typer.testing import CliRunner

from experiments import files
from experiments.nets.separable import parameters
from experiments.quickstart import run
from experiments.quickstart.__main__ import FILES, main
from experiments.tasks.batches import FreshBatches
from experiments.tasks.displaced import (
    CANVAS,
    DISPLACEMENTS,
    displaced_digits,
    draw_canvases,
)
from experiments.tasks.handwritten import DIGIT

PARAMETER_TOLERANCE = 0.05
ROOT = Path(__file__).parents[2]


def quickstart(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.quickstart", *options]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def message(process: subprocess.CompletedProcess[str]) -> str:
    """What was printed as an error, without the box around it and its line breaks."""
    return re.sub(r"[│\s]+", " ", process.stderr)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Its folder and what it printed; in this process, which has imported what takes longer than the run."""
    folder = tmp_path_factory.mktemp("quickstart") / "results"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    app = typer.Typer()
    app.command()(main)
    arguments = ["--smoke", "--out", str(folder)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as in a process of its own; of torch, from Matplotlib
        return folder, CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})


def positions(canvas: Tensor, digit: Tensor) -> set[tuple[int, int]]:
    """Where on the torus the digit is found, pixel by pixel."""
    wrapped = torch.nn.functional.pad(canvas[None], (0, DIGIT - 1, 0, DIGIT - 1), mode="circular")[0, 0]
    windows = wrapped.unfold(0, DIGIT, 1).unfold(1, DIGIT, 1)
    return {(int(row), int(column)) for row, column in (windows == digit).all(-1).all(-1).nonzero()}


def test_no_digit_is_in_both_pools() -> None:
    train, test = (task.pool for task in displaced_digits())
    seen = {tuple(digit.flatten().tolist()) for digit in train}
    assert len(train) > len(test) > 300
    assert not any(tuple(digit.flatten().tolist()) in seen for digit in test)


def test_the_label_is_the_displacement_found_in_the_pixels() -> None:
    pool = displaced_digits()[1].pool
    canvases = draw_canvases(pool, 64, torch.Generator().manual_seed(3), run.DISPLACEMENTS)
    for image, label, (first, second) in zip(canvases.images, canvases.labels, canvases.digits, strict=True):
        starts, ends = positions(image, pool[first]), positions(image, pool[second])
        found = {((b[0] - a[0]) % CANVAS, (b[1] - a[1]) % CANVAS) for a in starts for b in ends}
        down, right = run.DISPLACEMENTS[label]
        assert (down % CANVAS, right % CANVAS) in found
        assert image.sum().item() == pytest.approx((pool[first] + pool[second]).sum().item())


def test_classes_are_balanced_and_independent_of_position() -> None:
    canvases = draw_canvases(displaced_digits()[0].pool, 8000, torch.Generator().manual_seed(0))
    assert canvases.labels.bincount().tolist() == [1000] * len(DISPLACEMENTS)
    # Ink falls on all rows and columns alike, whatever the class. Pairs kept off the border would give far more than 2.
    for label in range(len(DISPLACEMENTS)):
        ink = canvases.images[canvases.labels == label].mean((0, 1))
        rows, columns = ink.mean(0), ink.mean(1)
        assert max(rows.max() / rows.min(), columns.max() / columns.min()) < 2


def test_batches_depend_on_the_seed_alone_and_are_fresh_on_every_pass() -> None:
    task, _ = displaced_digits()
    one, same, other = (FreshBatches(task, 2, 8, seed) for seed in (5, 5, 6))
    first, second = [torch.cat([images for images, _ in one]) for _ in range(2)]
    assert torch.equal(first, torch.cat([images for images, _ in same]))
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.cat([images for images, _ in other]))


def test_the_nets_have_the_same_number_of_parameters() -> None:
    counts = [parameters(run.build(name, run.Settings())[0]) for name in run.NET_NAMES]
    assert max(counts) / min(counts) < 1 + PARAMETER_TOLERANCE


@pytest.mark.parametrize("name", ["3x3", "7x7"])
def test_the_receptive_field_is_the_stated_one(name: str) -> None:
    net = run.build(name, run.Settings())[0].eval()
    body = torch.nn.Sequential(*list(net.children())[:-3])
    x = torch.rand(1, 1, CANVAS, CANVAS, requires_grad=True)
    body(x)[..., CANVAS // 2, CANVAS // 2].sum().backward()
    assert x.grad is not None
    reached = x.grad[0, 0].nonzero()
    field = run.to_dict([], None, run.Settings(), 0.0)["settings"]["receptive_field"][name]
    assert (reached.amax(0) - reached.amin(0) + 1).tolist() == [field, field]


def test_smoke_writes_results_of_the_stated_form(smoke: tuple[Path, Result]) -> None:
    folder, result = smoke
    assert result.exit_code == 0, result.exception
    assert "Warning" not in result.output
    data = json.loads((folder / "results.json").read_text())
    assert [net["name"] for net in data["nets"]] == ["3x3", "7x7", "frequency"]
    for net in data["nets"]:
        assert 0 <= net["accuracy"] <= 1
        assert isinstance(net["parameters"], int)
        assert net["seconds"] > 0
        by_displacement = net["accuracy_by_displacement"]
        assert sum(by_displacement.values()) / len(DISPLACEMENTS) == pytest.approx(net["accuracy"])
        before, after = (net[f"survey_{time}"]["layers"][0]["measures"]["rms_radius"] for time in ("before", "after"))
        assert before != after
    assert [net["effective_size_after"] for net in data["nets"][:2]] == [3, 7]
    assert data["settings"]["seed"] == 0
    assert data["settings"]["torch"] == torch.__version__


def test_smoke_leaves_its_files_and_those_of_the_user(smoke: tuple[Path, Result]) -> None:
    folder, _ = smoke
    assert {path.name for path in folder.iterdir()} == {*FILES, "notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"
    for path in folder.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_report_needs_no_other_file(smoke: tuple[Path, Result]) -> None:
    page = (smoke[0] / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == len([name for name in FILES if name.endswith(".png") and name != "overview.png"])
    assert "Nothing was trained long enough" in page
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import|<script|<link", page)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_report_opens_in_a_browser_without_errors(smoke: tuple[Path, Result], tmp_path: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    page = (smoke[0] / "report.html").resolve().as_uri()
    process = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom", page],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "CONSOLE" not in process.stderr
    assert "How far must a filter reach?" in process.stdout
    assert process.stdout.count("<img ") == len([name for name in FILES if name.endswith(".png")]) - 1


def test_an_out_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    process = quickstart("--smoke", "--out", str(taken))
    assert process.returncode == 2
    assert f"Invalid value for --out: {taken} is a file, but must be a folder" in message(process)
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(("option", "value", "minimum"), [("--epochs", "0", 1), ("--seed", "-1", 0)])
def test_a_number_out_of_range_is_an_error(tmp_path: Path, option: str, value: str, minimum: int) -> None:
    process = quickstart("--smoke", "--out", str(tmp_path / "results"), option, value)
    assert process.returncode == 2
    assert f"Invalid value for {option}: {value} must be at least {minimum}" in message(process)
    assert not (tmp_path / "results").exists()


def test_a_file_of_our_name_that_is_not_ours_is_kept(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"experiment": "mine"}')
    with pytest.raises(FileExistsError, match=r"holds 'results.json', which is not a result of 'quickstart'"):
        files.claim_folder(tmp_path, "quickstart", FILES)
    files.claim_folder(tmp_path, "mine", FILES)


def test_json_without_a_number_is_refused_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    files.write_json(path, {"accuracy": 0.5})
    with pytest.raises(ValueError, match="nan"):
        files.write_json(path, {"accuracy": float("nan")})
    assert json.loads(path.read_text()) == {"accuracy": 0.5}
