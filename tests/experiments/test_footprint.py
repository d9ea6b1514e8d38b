"""The surveys of untrained nets: the published window, and the whole command at a tiny size."""

import json
from pathlib import Path

import pytest
import torch
import typer
from torch.testing import assert_close

from experiments.footprint.__main__ import main
from experiments.footprint.published import HIDDEN, kernels, labelled_mass
from experiments.tasks.batches import FreshBatches
from experiments.tasks.centred import centred_digits


def test_the_published_window_is_off_centre_and_one_pixel_narrower_than_its_label() -> None:
    flat = torch.ones(1, 1, 16, 16)
    assert_close(labelled_mass(flat, 9).item(), 64 / 256)
    for row, column, inside in ((4, 4, 1.0), (11, 11, 1.0), (12, 8, 0.0), (8, 12, 0.0), (3, 8, 0.0)):
        taps = torch.zeros(1, 1, 16, 16)
        taps[0, 0, row, column] = -3.0
        assert labelled_mass(taps, 9).item() == inside


@pytest.mark.parametrize("hidden", HIDDEN.values())
def test_the_published_filter_has_the_real_part_of_its_spectrum_and_its_centre_in_the_middle(
    hidden: tuple[int, ...],
) -> None:
    taps = kernels(hidden, 8, 14)
    assert taps.shape == (8, 1, 14, 14)
    assert labelled_mass(taps, 9).mean() > 64 / 196


def test_a_centred_digit_stands_in_the_middle_and_no_test_digit_was_trained_on() -> None:
    train, test = centred_digits()
    assert train.digits.unique().tolist() == list(range(8))
    seen = {tuple(image.flatten().tolist()) for image in train.images}
    assert not any(tuple(image.flatten().tolist()) in seen for image in test.images)
    images, labels = next(iter(FreshBatches(train, 1, 16, 0)))
    again, _ = next(iter(FreshBatches(train, 1, 16, 0)))
    assert torch.equal(images, again)
    assert images.shape == (16, 1, 48, 48)
    assert labels.max() < 8
    images[..., 20:28, 20:28] = 0
    assert not images.any()


def test_smoke_reports_its_own_numbers(tmp_path: Path) -> None:
    main(out=tmp_path, smoke=True)
    data = json.loads((tmp_path / "results.json").read_text())
    report = (tmp_path / "REPORT.md").read_text()
    for row in data["published"]:
        assert f"| {row['filter']} | {row['map']} | {row['label_9']:.2f} |" in report
    for stage, given in data["trained"].items():
        assert f"| {stage} | {given['map']} | " in report
    for row in data["resnet50"]:
        assert f"| {row['filter']} | {row['map']} | {row['layers']} | " in report
    assert (tmp_path / "mass.png").read_bytes().startswith(b"\x89PNG")
    assert "ConvNeXt-T" in (tmp_path / "convnext_tiny.html").read_text()


def test_a_smoke_run_does_not_replace_the_real_results() -> None:
    with pytest.raises(typer.BadParameter, match="holds the real results"):
        main(smoke=True)
