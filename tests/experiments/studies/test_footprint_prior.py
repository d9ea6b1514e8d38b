"""Locality before and after training: nets that differ in their filters alone, measures, claims and report."""

import copy
import dataclasses
import itertools
import json
from typing import Any

import pytest
import torch

from experiments.studies.footprint_prior import claims, measures, report
from experiments.studies.footprint_prior.__main__ import STUDY
from experiments.studies.footprint_prior.run import VARIANTS
from experiments.studies.footprint_prior.tasks import CANVAS, DECAYED, DISTANCES, ONE, TWO, how_far, which_digit
from experiments.studies.footprint_prior.variants import (
    FOURIER,
    FREE,
    IMAGE,
    MAPS,
    PARAMETERISATIONS,
    PIXEL,
    TABLE,
    TAPS,
    build,
    filter_of,
)
from experiments.study.judge import spread
from nifconv import FrequencyConv2d, footprint

EXAMPLE = torch.zeros(1, 1, CANVAS, CANVAS)


def net_of(arm: str, width: int = 3) -> torch.nn.Module:
    return build(arm, width, ONE.classes, seed=0)


def delta(side: int, row: int, column: int) -> torch.Tensor:
    taps = torch.zeros(1, 1, side, side)
    taps[..., side // 2 + row, side // 2 + column] = 1
    return taps


def layer_of(taps: torch.Tensor) -> footprint.LayerFootprint:
    return footprint.LayerFootprint("layer", "FrequencyConv2d", tuple(taps.shape[2:]), taps, periodic=True)


@pytest.mark.parametrize("arm", PARAMETERISATIONS)
def test_every_kernel_is_as_large_as_its_map(arm: str) -> None:
    torch.manual_seed(0)
    layers = footprint.survey(net_of(arm), EXAMPLE).layers
    assert [layer.map_size for layer in layers] == [(side, side) for side in MAPS]
    for layer in layers:
        assert layer.periodic
        assert tuple(layer.taps.shape) == (3, 1, *layer.map_size)
        assert (layer.taps.abs().amax(dim=(0, 1)) > 0).all()  # no place of the map is out of reach


def test_nets_differ_in_their_filters_alone() -> None:
    def rest(arm: str) -> list[tuple[str, torch.Size]]:
        return [(name, p.shape) for name, p in net_of(arm).named_parameters() if ".filter." not in name]

    def free(arm: str) -> list[int]:
        filters = [m.filter for m in net_of(arm).modules() if isinstance(m, FrequencyConv2d)]
        return [sum(p.numel() for p in f.parameters()) for f in filters]

    assert all(rest(arm) == rest(PIXEL) for arm in PARAMETERISATIONS)
    assert free(TAPS) == [3 * side**2 for side in MAPS]
    assert free(TABLE) == [3 * 2 * side * (side // 2 + 1) for side in MAPS]


def test_parameterisations_are_those_that_the_report_names() -> None:
    def build_filter(arm: str, seed: int = 0) -> Any:
        return filter_of(arm, 12, seed)(3, 1, 2)

    assert build_filter(PIXEL).coordinates == "pixel"
    assert build_filter(PIXEL).encoding is None
    assert build_filter(IMAGE).coordinates == "image"
    assert len(build_filter(IMAGE).trunks) == 2
    assert build_filter(FOURIER).encoding.reach == 6
    assert not torch.equal(build_filter(FOURIER, seed=0).offsets, build_filter(FOURIER, seed=1).offsets)
    assert build_filter(TABLE).size == build_filter(TAPS).kernel_size == (12, 12)


@pytest.mark.parametrize("side", MAPS)
def test_shifted_kernels_give_another_net(side: int) -> None:
    # Without the sum before the ReLU, average pooling would make all shifts equal, and a centre would mean nothing.
    torch.manual_seed(0)
    net = net_of(TAPS)
    x = torch.randn(2, 1, CANVAS, CANVAS)
    before = net(x)
    weight = net.get_submodule(f"block{side}.spatial.filter").weight
    with torch.no_grad():
        weight.copy_(weight.roll(2, dims=-1))
    assert (net(x) - before).abs().max() > 1e-4


def test_a_digit_stands_at_any_place_and_wraps_around() -> None:
    split = which_digit()
    images, labels = split.train(400, torch.Generator().manual_seed(0))
    pool = split.train.pool
    assert images.shape == (400, 1, CANVAS, CANVAS)
    background = pool.images.min()
    assert ((images > background).float().mean(0) > 0).all()  # no pixel is always empty
    # The sorted grey values of a canvas are those of a digit of its class, and background.
    for image, label in zip(images[:20], labels[:20], strict=True):
        padding = torch.full((len(pool), CANVAS**2 - pool.images[0].numel()), background)
        candidates = torch.cat([pool.images.flatten(1), padding], dim=1).sort(dim=1).values
        same = (candidates == image.flatten().sort().values).all(dim=1)
        assert label in pool.labels[same]


def test_two_digits_are_as_far_apart_as_their_class_says() -> None:
    images, labels = how_far().test(60, torch.Generator().manual_seed(0))
    assert images.shape == (60, 1, CANVAS, CANVAS)
    assert labels.unique().tolist() == list(range(TWO.classes))
    for image, label in zip((images[:, 0] > 0).float(), labels.tolist(), strict=True):
        # The two lie in a box of 8 px times displacement + 8, at one of the places of the torus.
        distance = DISTANCES[label % len(DISTANCES)]
        box = (8, 8 + distance) if label < len(DISTANCES) else (8 + distance, 8)
        kernel = torch.ones(1, 1, *(min(side, CANVAS) for side in box))
        padded = torch.nn.functional.pad(image[None, None], (0, CANVAS - 1, 0, CANVAS - 1), mode="circular")
        assert torch.nn.functional.conv2d(padded, kernel).max() == image.sum()


@pytest.mark.parametrize("load", [which_digit, how_far])
def test_pools_are_disjoint(load: Any) -> None:
    split = load()
    pools = [getattr(draw.pool, "images", draw.pool).flatten(1) for draw in (split.train, split.validation, split.test)]
    together = torch.cat([pool.unique(dim=0) for pool in pools])
    assert len(together) == len(together.unique(dim=0))


@pytest.mark.parametrize(("side", "half"), [(24, 11), (12, 5), (6, 3), (7, 3), (2, 1)])
def test_half_the_map_is_the_largest_odd_window_that_is_no_wider(side: int, half: int) -> None:
    assert measures.half_window(side) == half


@pytest.mark.parametrize(("row", "inside"), [(0, 1.0), (5, 1.0), (-5, 1.0), (6, 0.0), (-6, 0.0)])
def test_mass_is_within_half_the_map_or_not(row: int, inside: float) -> None:
    state = measures.state_of(layer_of(delta(24, row, 0)))
    assert state[measures.HALF] == state[measures.ENERGY] == inside
    assert state[measures.MASS_3] == (1.0 if row == 0 else 0.0)
    assert state[measures.RADIUS] == abs(row)
    assert state[measures.SIZE] == 2 * abs(row) + 1
    assert state[measures.ALIGNED] == 1


def test_what_training_adds_is_free_of_the_noise_at_the_start() -> None:
    torch.manual_seed(0)
    net = net_of(TAPS)
    before = footprint.survey(net, EXAMPLE, null=3, fresh=lambda: net_of(TAPS))
    with torch.no_grad():
        for side in MAPS:
            net.get_submodule(f"block{side}.spatial.filter").weight[..., side // 2, side // 2] += 0.01
    for entry in measures.compare(before, footprint.survey(net, EXAMPLE)):
        assert entry[measures.CHANGE][measures.SIZE] == 1
        assert entry[measures.BEFORE][measures.SIZE] > entry["map"] / 2
        assert entry["moved"] > 0


def test_a_survey_without_fresh_draws_is_refused() -> None:
    found = footprint.survey(net_of(TAPS), EXAMPLE)
    with pytest.raises(ValueError, match=r"'block24\.spatial' was surveyed with null=0"):
        measures.compare(found, found)


def test_mean_goes_through_what_is_nested() -> None:
    one, other = {"a": [1.0, 2.0], "b": {"c": 1}}, {"a": [3.0, 6.0], "b": {"c": 2}}
    assert measures.mean_of([one, other]) == {"a": [2.0, 4.0], "b": {"c": 1.5}}


def test_free_kernels_are_trained_under_strong_decay_too() -> None:
    plan = [(variant.condition, variant.parameterisation) for variant in VARIANTS]
    assert plan == [
        *itertools.product([ONE], PARAMETERISATIONS),
        *itertools.product([DECAYED], FREE),
        *itertools.product([TWO], PARAMETERISATIONS),
    ]
    assert dataclasses.replace(DECAYED, name=ONE.name, weight_decay=ONE.weight_decay) == ONE


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return json.loads((STUDY.folder / "results.json").read_text(encoding="utf-8"))


def test_differences_are_those_between_all_pairs(data: dict[str, Any]) -> None:
    rows = copy.deepcopy(data["rows"])
    for row in rows:
        for run in row["runs"]:
            for layer in run["layers"]:
                place = PARAMETERISATIONS.index(row["arm"])
                layer["before"][measures.HALF], layer["after"][measures.HALF] = 0.1 * place, 0.1 * place + 0.05
    found = claims.values(rows)
    # Five values 0.1 apart: 4, 3, 2 and 1 pairs at distances 1, 2, 3 and 4.
    assert found["difference before"] == pytest.approx([0.2] * len(rows[0]["runs"]))
    assert found["difference after"] == pytest.approx(found["difference before"])
    assert found["change"] == pytest.approx([0.05] * len(rows[0]["runs"]))


def test_every_claim_has_contrasts_of_values_that_exist(data: dict[str, Any]) -> None:
    found = claims.values(data["rows"])
    contrasts = list(claims.contrasts())
    assert {contrast.claim for contrast in contrasts} == set(claims.CLAIMS)
    assert all(set(contrast.weights) <= set(found) for contrast in contrasts)


def test_differences_are_paired_within_the_seed(data: dict[str, Any]) -> None:
    row = data["rows"][0]
    halves = [
        [sum(layer[state][measures.HALF] for layer in run["layers"]) / len(MAPS) for run in row["runs"]]
        for state in (measures.AFTER, measures.BEFORE)
    ]
    expected = spread([after - before for after, before in zip(*halves, strict=True)])
    assert report.difference(row, measures.AFTER, measures.BEFORE, measures.HALF) == pytest.approx(expected)


def test_the_report_names_the_extremes_of_the_results(data: dict[str, Any]) -> None:
    changed = copy.deepcopy(data)
    for row in changed["rows"]:
        for run in row["runs"]:
            for layer in run["layers"]:
                for state in (measures.NULL, measures.BEFORE, measures.AFTER):
                    layer[state][measures.HALF] = 0.111 if row["arm"] == FOURIER else 0.222
                layer[measures.AFTER][measures.HALF] += 0.077 if row["arm"] == TABLE else 0.0
    text = STUDY.report(changed)
    assert f"between 11.1 % ({FOURIER}) and 22.2 % ({PIXEL})" in text
    assert f"7.7 points at most ({TABLE}" in text
