"""Frequency convolutions against taps: the nets that are compared, the scenes, the claims, the facts of the report."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from experiments.nets.separable import parameters, separable_net
from experiments.studies.accuracy import claims, run
from experiments.studies.accuracy.__main__ import STUDY
from experiments.studies.accuracy.config import Config
from experiments.studies.accuracy.variants import (
    CIRCULAR,
    EQUAL,
    FAMILIES,
    IMAGE,
    IMAGE_LARGE,
    PIXEL,
    PIXEL_LARGE,
    TAPS_3,
    ZEROS,
    Shape,
    Variant,
    variants,
)
from experiments.study.judge import NOT_SUPPORTED, SUPPORTED
from experiments.study.training import accuracy
from experiments.tasks.scenes import CANVAS, OBJECTS, Scene, Scenes, place, resolutions, source_pools
from nifconv import FrequencyConv2d

SHAPE = Config().shape
ALL = variants(Config().kernel_sizes, Config().longer)


def test_nets_of_equal_parameters_have_them() -> None:
    counts = {
        family: parameters(Variant(family, CIRCULAR, FAMILIES[family].kernel_size).build(SHAPE)) for family in EQUAL
    }
    plain = counts[TAPS_3]
    assert all(abs(count / plain - 1) < 0.05 for count in counts.values()), counts
    assert counts[PIXEL] == counts[IMAGE] <= plain


def test_only_the_narrower_net_has_another_width() -> None:
    narrower = {variant.family for variant in ALL if variant.width(SHAPE) != SHAPE.width}
    assert narrower == {family for family in EQUAL if FAMILIES[family].narrower}


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
def test_nets_differ_in_their_depthwise_kernels_alone(variant: Variant) -> None:
    net = variant.build(SHAPE)
    spatial = {name: module for name, module in net.named_children() if name.startswith("spatial")}
    assert len(spatial) == SHAPE.depth
    for module in spatial.values():
        assert isinstance(module, nn.Conv2d if "taps" in variant.family else FrequencyConv2d)
        assert module.groups == module.in_channels == module.out_channels == variant.width(SHAPE)
        assert module.padding_mode == variant.padding
        assert module.kernel_size == (None if variant.kernel_size is None else (variant.kernel_size,) * 2)
    rest = {name: str(module) for name, module in net.named_children() if name not in spatial}
    plain = separable_net(variant.width(SHAPE), 3, classes=10, depth=3, halve_after=(0,), pool=nn.AdaptiveMaxPool2d)
    assert rest == {name: str(m) for name, m in plain.named_children() if not name.startswith("spatial")}


def test_coordinates_of_the_filters() -> None:
    def coordinates(family: str) -> Any:
        layers = Variant(family, CIRCULAR, None).build(SHAPE).modules()
        return {module.filter.coordinates for module in layers if isinstance(module, FrequencyConv2d)}

    assert [coordinates(family) for family in (PIXEL, PIXEL_LARGE)] == [{"pixel"}] * 2
    assert [coordinates(family) for family in (IMAGE, IMAGE_LARGE)] == [{"image"}] * 2


def test_a_net_does_not_depend_on_which_were_built_before() -> None:
    narrower = next(variant for variant in ALL if FAMILIES[variant.family].narrower)
    shape = Shape(width=6, depth=1, halve_after=())
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        weights.append(next(narrower.build(shape).parameters()))
    assert torch.equal(*weights)


def test_a_scene_shows_its_digit_somewhere_and_nothing_else() -> None:
    digits = torch.arange(1.0, 65).view(1, 1, 8, 8).repeat(50, 1, 1, 1)
    shown = place(digits, Scene(8, 12), torch.Generator().manual_seed(0))
    corners = set()
    for canvas in shown[:, 0]:
        rows, columns = canvas.nonzero().T
        corners.add((rows.min().item(), columns.min().item()))
        torch.testing.assert_close(canvas[canvas > 0].view(8, 8), digits[0, 0], rtol=0, atol=0)
        assert rows.max() - rows.min() == columns.max() - columns.min() == 7
    assert {row for row, _ in corners} == {column for _, column in corners} == set(range(5))


def test_digits_grow_with_the_canvas_or_keep_their_size() -> None:
    found = resolutions(Scene(12, 16), (12, 24, 48))
    assert found[OBJECTS] == {12: Scene(9, 12), 16: Scene(12, 16), 24: Scene(18, 24), 48: Scene(36, 48)}
    assert {scene.digit for scene in found[CANVAS].values()} == {12}
    assert [scene.canvas for scene in found[CANVAS].values()] == [12, 16, 24, 48]


def test_pools_are_blank_at_zero_and_share_no_digit() -> None:
    pools = source_pools()
    images = torch.cat([pool.images.flatten(1) for pool in pools])
    assert images.min() == 0
    assert len(images.unique(dim=0)) == len(images)
    drawn, labels = Scenes(pools[0], Scene(8, 8))(20, torch.Generator().manual_seed(1))
    for image, label in zip(drawn, labels, strict=True):
        (match,) = (pools[0].images == image).flatten(1).all(1).nonzero()[0]
        assert pools[0].labels[match] == label


def test_accuracy_of_a_net_is_the_share_of_right_answers_in_eval_mode() -> None:
    net = nn.Sequential(nn.Dropout(0.999), nn.Flatten())
    images = torch.eye(4).view(4, 1, 2, 2)
    assert accuracy(net, [(images, torch.tensor([0, 1, 2, 0]))], classes=4) == 0.75


def rows_of(accuracies: dict[str, list[float]], drop: dict[tuple[str, str], float]) -> list[dict[str, Any]]:
    rows = []
    for variant in ALL:
        runs = []
        for index, value in enumerate(accuracies.get(variant.family, [0.9, 0.901, 0.902])):
            resolution = {
                kind: {"16": value, "24": value - drop.get((variant.family, kind), 0.0) * (1 + index / 100)}
                for kind in (OBJECTS, CANVAS)
            }
            runs.append({"accuracy": value + 0.0001 * index * (variant.padding == ZEROS), "resolution": resolution})
        rows.append({"name": variant.name, "runs": runs})
    return rows


def judged(accuracies: dict[str, list[float]], drop: dict[tuple[str, str], float]) -> dict[str, str]:
    config = replace(Config(), canvases=(12, 24))
    found = claims.judged(config, rows_of(accuracies, drop))
    return {claim["claim"]: claim["verdict"] for claim in found["claims"]}


def test_equal_accuracies_support_all_that_is_said_of_the_trained_resolution() -> None:
    found = judged({}, {})
    assert {found[key] for key in claims.CLAIMS if key not in (OBJECTS, CANVAS)} == {SUPPORTED}


def test_two_points_less_are_worse_and_not_better() -> None:
    found = judged({PIXEL: [0.879, 0.8812, 0.8821]}, {})
    assert (found["not worse"], found["not better"]) == (NOT_SUPPORTED, SUPPORTED)
    assert found["boundary"] == SUPPORTED


def test_the_coordinates_that_keep_more_are_named_by_the_claims() -> None:
    as_claimed = {(PIXEL, OBJECTS): 0.3, (IMAGE, CANVAS): 0.3, (IMAGE, OBJECTS): 0.1, (PIXEL, CANVAS): 0.1}
    found = judged({}, as_claimed)
    assert (found["objects"], found["canvas"]) == (SUPPORTED, SUPPORTED)
    swapped = {({PIXEL: IMAGE, IMAGE: PIXEL}[family], kind): drop for (family, kind), drop in as_claimed.items()}
    found = judged({}, swapped)
    assert (found["objects"], found["canvas"]) == (NOT_SUPPORTED, NOT_SUPPORTED)


def test_parameters_are_counted_for_every_size() -> None:
    found = run.counts(Config())
    assert [row["kernel_size"] for row in found] == [3, 5, 7, 15, None]
    assert len({row["frequency"] for row in found}) == 1
    for row in found:
        taps = (row["kernel_size"] or Config().scene.canvas) ** 2
        assert row["taps"] - found[0]["taps"] == SHAPE.depth * SHAPE.width * (taps - 9)


def test_the_report_follows_the_counts() -> None:
    data = json.loads((STUDY.folder / "results.json").read_text())
    assert "does not depend on the kernel size" in STUDY.report(data)
    grown = copy.deepcopy(data)
    grown["counts"][1]["frequency"] += 1
    assert "frequency net depends on the kernel size" in STUDY.report(grown)
