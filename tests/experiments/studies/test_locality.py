"""The study of locality: the penalties are comparable, nets differ in the penalty only, strengths are validated."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments.studies.locality import report, run
from experiments.studies.locality.__main__ import STUDY
from experiments.studies.locality.claims import NONE, PROFILES, accuracy_name, judged
from experiments.studies.locality.config import SMOKE, Config
from experiments.studies.locality.nets import Locality, build, by_distance, centre_shares, centre_side, squared_kernels
from experiments.tasks.handwritten import digit_pools, subset

KERNEL_SIZES = Config().kernel_sizes


@pytest.fixture(scope="module")
def data(smoke_folder: Callable[[str], Path]) -> dict[str, Any]:
    return json.loads((smoke_folder("locality") / "results.json").read_text())


def fill(net: nn.Module, value: Callable[[float], float]) -> None:
    """Sets each tap from its distance to the centre."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            half = module.kernel_size[0] // 2
            for row, column in product(range(2 * half + 1), repeat=2):
                module.weight.data[:, :, row, column] = value(math.hypot(row - half, column - half))


@pytest.mark.parametrize("kernel_size", KERNEL_SIZES)
def test_penalties_are_the_profiles_over_their_mean(kernel_size: int) -> None:
    net = build(kernel_size, 2)
    half = kernel_size // 2
    distances = [math.hypot(y, x) for y, x in product(range(-half, half + 1), repeat=2)]
    corner = max(distances) ** 2
    weigh: dict[str, Callable[[float], float]] = {
        "uniform": lambda _: 1.0,
        "linear": lambda r: r,
        "quadratic": lambda r: r**2,
        "inverted": lambda r: corner - r**2,
    }
    assert set(weigh) == set(PROFILES)
    for profile, weight in weigh.items():
        profile_of_taps = torch.tensor([weight(r) for r in distances]).view(kernel_size, kernel_size)
        expected = 0.5 * sum(
            (module.weight.square() * profile_of_taps / profile_of_taps.mean()).sum()
            for module in net.modules()
            if isinstance(module, nn.Conv2d)
        )
        torch.testing.assert_close(Locality(profile, 0.5, kernel_size)(net), expected)


@pytest.mark.parametrize("kernel_size", KERNEL_SIZES)
def test_all_penalties_cost_the_same_on_flat_kernels(kernel_size: int) -> None:
    net = build(kernel_size, 2)
    fill(net, lambda _: 0.1)
    costs = torch.stack([Locality(profile, 1.0, kernel_size)(net) for profile in PROFILES])
    torch.testing.assert_close(costs, costs[:1].expand_as(costs))


def test_centre_shares_of_known_kernels() -> None:
    net = build(11, 2)
    fill(net, lambda _: 0.1)
    assert centre_shares(squared_kernels(net)) == pytest.approx([centre_side(11) ** 2 / 121] * 4)
    assert by_distance(squared_kernels(net)) == pytest.approx([1.0] * 8)
    fill(net, lambda r: float(r <= 2))  # inside the window of 5x5
    assert centre_shares(squared_kernels(net)) == pytest.approx([1.0] * 4)
    fill(net, lambda r: float(r >= 3))  # outside of it
    assert centre_shares(squared_kernels(net)) == pytest.approx([0.0] * 4)
    assert [centre_side(k) for k in KERNEL_SIZES] == [1, 3, 5]


def test_variants_differ_in_the_penalty_alone() -> None:
    config = replace(SMOKE, epochs=2)
    images = subset(digit_pools().validation, 40, 0)
    results = [
        run.train(config, run.Variant(3, profile, 0.01, strength), 5, images)
        for profile, strength in ((NONE, 0.0), ("inverted", 0.0), ("inverted", 1.0))
    ]
    assert results[0] == results[1] != results[2]
    assert results[2]["centre"]["initial"] == results[0]["centre"]["initial"]


def highest(trials: list[dict[str, Any]]) -> dict[str, Any]:
    return max(trials, key=lambda trial: trial["accuracy"])


def test_strengths_and_rates_are_those_that_validate_best(data: dict[str, Any]) -> None:
    for row in data["rows"]:
        rates = [one for one in data["tuning"]["learning_rates"] if one["kernel_size"] == row["kernel_size"]]
        assert row["learning_rate"] == highest(rates)["learning_rate"]
        tried = [
            one
            for one in data["tuning"]["strengths"]
            if (one["kernel_size"], one["profile"]) == (row["kernel_size"], row["profile"])
        ]
        if row["profile"] == NONE:
            assert not tried
        else:
            assert [one["strength"] for one in tried] == data["settings"]["strengths"]
            assert row["strength"] == highest(tried)["strength"]


@pytest.mark.parametrize("config", [Config(), SMOKE])
def test_strengths_are_chosen_with_other_seeds(config: Config) -> None:
    assert not set(config.seeds) & set(config.tuning_seeds)


def verdicts(gains: dict[str, float], centre: float) -> dict[str, str]:
    """Of made-up runs: gain over uniform in points per pixel of kernel size, and what training adds to the centre."""
    noise = (-0.002, 0.0, 0.001, 0.002)
    rows = [
        {
            "name": accuracy_name(k, profile),
            "kernel_size": k,
            "profile": profile,
            "accuracies": [0.8 + (k + one) * gains.get(profile, 0.0) for one in noise],
            "centre": {"initial": [0.2] * 4, "trained": [0.2 + centre + one for one in noise]},
        }
        for k, profile in product(KERNEL_SIZES, (NONE, *PROFILES))
    ]
    return {one["claim"]: one["verdict"] for one in judged(Config(), rows)["claims"]}


def test_claims_hold_where_they_should_and_fail_in_the_opposite_world() -> None:
    gains = {"quadratic": 0.02, "linear": 0.01, "inverted": -0.01}
    assert set(verdicts(gains, 0.1).values()) == {"supported"}
    opposite = {profile: -gain for profile, gain in gains.items()}
    assert set(verdicts(opposite, -0.1).values()) == {"not supported"}


def test_the_report_names_what_was_chosen_at_the_edge(data: dict[str, Any]) -> None:
    settings = {**data["settings"], "learning_rates": [0.1, 0.2, 0.3], "strengths": [1.0, 2.0, 3.0]}
    rows = [{**row, "learning_rate": 0.2, "strength": 2.0} for row in data["rows"]]
    chosen = {**data, "settings": settings, "rows": rows}
    assert report.at_the_edge(chosen) == []
    assert "Nothing was chosen at the edge" in STUDY.report(chosen)
    rows[1]["strength"] = 3.0
    rows[-1]["learning_rate"] = 0.1
    named = [f"the learning rate of k={rows[-1]['kernel_size']}", f"the strength of {rows[1]['name']}"]
    assert report.at_the_edge(chosen) == named
    assert f"At the edge of what was tried: {'; '.join(named)}." in STUDY.report(chosen)
