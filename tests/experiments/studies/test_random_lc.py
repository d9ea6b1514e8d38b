"""Frozen random filters: what the rows are, what they share, and what the contrasts are made of."""

import copy
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from experiments.nets.resnet_lc import resnet_lc
from experiments.nets.separable import parameters
from experiments.studies.random_lc import claims, run, variants
from experiments.studies.random_lc.__main__ import STUDY
from experiments.studies.random_lc.config import Config
from experiments.studies.random_lc.variants import FAMILIES, FREQUENCY, FROZEN_PLAIN, PLAIN, SMALLEST, Variant, taps
from experiments.tasks.handwritten import digit_pools
from nifconv import FrequencyConv2d, LCConv2d, count_parameters

CONFIG = Config()
NAMES = {variant.name: variant for variant in variants.every(CONFIG)}


def blocks(net: nn.Module) -> list[LCConv2d]:
    return [module for module in net.modules() if isinstance(module, LCConv2d)]


def first_taps(variant: Variant, seed: int) -> torch.Tensor:
    return blocks(variant.build(seed))[0].spatial.filter.taps(7)


def test_no_two_rows_have_one_name() -> None:
    assert len(NAMES) == len(variants.every(CONFIG))


def test_a_frozen_net_without_pointwise_convolutions_learns_norms_and_head_alone() -> None:
    plain, net = PLAIN.build(0), FROZEN_PLAIN.build(0)
    counts, of_plain = count_parameters(net), count_parameters(plain)
    assert (counts.learnable, counts.frozen) == (of_plain.other, of_plain.spatial)
    frozen_layers = [module for module in net.modules() if isinstance(module, FrequencyConv2d)]
    layers = [module for module in plain.modules() if isinstance(module, nn.Conv2d)]
    assert len(frozen_layers) == len(layers) == 7
    norms_and_head = {name: value for name, value in net.state_dict().items() if "norm" in name or "head" in name}
    plain.load_state_dict(norms_and_head, strict=False)
    for layer, source in zip(layers, frozen_layers, strict=True):
        layer.weight.data = source.filter.taps(3)
        assert layer.weight.var().item() == pytest.approx(1 / (3 * layer.weight[0].numel()), rel=0.3)  # as nn.Conv2d
    x = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(net.eval()(x), plain.eval()(x), rtol=1e-4, atol=1e-5)


def test_learned_plain_nets_are_those_of_the_paper() -> None:
    assert parameters(PLAIN.build(0)) == parameters(resnet_lc(8, 8, in_channels=1))


@pytest.mark.parametrize("expansion", CONFIG.expansions)
def test_matched_nets_learn_as_many_parameters_as_the_frozen_one(expansion: int) -> None:
    target = parameters(Variant(SMALLEST, False, expansion).build(0))
    assert target == parameters(Variant(FREQUENCY, False, expansion).build(0))
    for variant in itertools.chain(*variants.matched((expansion,))):
        assert parameters(variant.build(0)) == pytest.approx(target, rel=0.15)
        for width in (variant.width - 1, variant.width + 1):
            farther = abs(parameters(variant._build(0, width)) - target)
            assert farther >= abs(parameters(variant.build(0)) - target)


def test_the_weights_of_a_net_do_not_depend_on_when_its_width_is_chosen() -> None:
    (variant,), _ = variants.matched((2,))
    heads = []
    for _ in range(2):
        torch.manual_seed(5)
        heads.append(variant.build(0).get_parameter("head.weight"))
    assert torch.equal(*heads)


def test_frozen_nets_have_the_filters_of_their_seed_and_learned_ones_new_ones() -> None:
    for family in (SMALLEST, variants.ENVELOPED, FREQUENCY):
        for variant in (Variant(family, learned, 1) for learned in (False, True)):
            assert torch.equal(first_taps(variant, 1), first_taps(variant, 1)) != variant.learned
            assert not torch.equal(first_taps(variant, 1), first_taps(variant, 2))


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_and_learned_nets_differ_in_what_learns(family: str) -> None:
    frozen, learned = (count_parameters(Variant(family, one, 2).build(0)) for one in (False, True))
    assert (frozen.spatial, frozen.pointwise) == (learned.spatial, learned.pointwise) == (frozen.frozen, 1376 * 4)
    assert learned.frozen == 0


def test_each_rung_of_the_ladder_differs_in_one_respect() -> None:
    rungs = [FAMILIES[variant.family] for variant in variants.ladder(8)]

    def respects(one: variants.Family) -> tuple[Any, ...]:
        return one.kernel_size, one.padding_mode or ("zeros" if one.kernel_size else "circular"), one.filter

    for one, other in itertools.pairwise(rungs):
        assert sum(a != b for a, b in zip(respects(one), respects(other), strict=True)) == 1


def test_wrapped_and_padded_nets_have_the_same_frozen_filters() -> None:
    for padded, wrapped in ((taps(7), variants.WRAPPED_TAPS), (variants.FREQUENCY_7, variants.WRAPPED_7)):
        one, other = (Variant(family, False, 2) for family in (padded, wrapped))
        torch.testing.assert_close(first_taps(one, 3), first_taps(other, 3))
        modes = [blocks(variant.build(3))[0].spatial.padding_mode for variant in (one, other)]
        assert modes == ["zeros", "circular"]


@pytest.mark.parametrize("family", [SMALLEST, FREQUENCY])
def test_layers_with_one_bank_hold_one_set_of_frozen_weights(family: str) -> None:
    shared = Variant(family, False, 2, shared=True).build(0)
    separate = Variant(family, False, 2).build(0)
    assert parameters(shared) == parameters(separate)
    assert len({id(block.spatial.filter.bank) for block in blocks(shared)}) == 1
    assert count_parameters(shared).frozen < count_parameters(separate).frozen


def test_activated_blocks_hold_batch_norm_and_relu() -> None:
    frozen, learned = (variant.build(0) for variant in variants.activated(2))
    bare = Variant(SMALLEST, False, 2).build(0)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (bare, frozen, learned)]
    assert norms == [7, 14, 14]
    assert count_parameters(frozen).frozen == count_parameters(bare).frozen


def test_every_net_takes_the_rate_of_its_own_kind() -> None:
    for variant in NAMES.values():
        tuned = variant.tuned_as
        assert (tuned.learned, tuned.expansion, tuned.sized_as) == (variant.learned, variant.expansion, None)
        assert (FREQUENCY in variant.family) == (tuned.family == FREQUENCY)
        assert FAMILIES[variant.family].filter is FAMILIES[tuned.family].filter or FREQUENCY in variant.family


def test_the_rate_of_best_validation_accuracy_is_taken() -> None:
    def ledger(key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG001
        return {"accuracy": 0.8 if "rate 0.006" in key else 0.7, "parameters": {}}

    chosen = run.measure(CONFIG, ledger)["tuning"]
    assert {one["learning_rate"] for one in chosen} == {0.006}
    assert {one["net"] for one in chosen} == {variant.tuned_as.name for variant in NAMES.values()}


def fake_rows(value: Callable[[Variant], float]) -> list[dict[str, Any]]:
    attacked = {"attacked": {name: [0.9, 0.8, 0.7, 0.6] for name in ("FGSM", "PGD")}}
    return [
        {
            "name": variant.name,
            "runs": [
                {"accuracy": value(variant), "centre": 0.5, **(attacked if variant.attacked else {})}
                for _ in CONFIG.seeds
            ],
        }
        for variant in NAMES.values()
    ]


def test_every_claim_has_contrasts_of_values_that_exist() -> None:
    values = claims.values(fake_rows(lambda _: 0.5))
    contrasts = sorted(claims.contrasts(CONFIG), key=lambda one: list(claims.CLAIMS).index(one.claim))
    assert [claim for claim, _ in itertools.groupby(one.claim for one in contrasts)] == list(claims.CLAIMS)
    for contrast in contrasts:
        assert set(contrast.weights) <= set(values)
        assert sum(contrast.weights.values()) == pytest.approx(0, abs=1e-12)
        assert any(contrast.weights.values())
    assert len({contrast.label for contrast in contrasts}) == len(contrasts)


def test_the_slope_is_that_of_the_gap_over_the_kernel_size() -> None:
    def value(variant: Variant) -> float:
        size = FAMILIES[variant.family].kernel_size or 0
        return 0.5 + (0.03 * size if variant.learned else 0.01 * size)

    values = claims.values(fake_rows(value))
    slopes = [one for one in claims.contrasts(CONFIG) if one.claim == "R3 grows"]
    for contrast in slopes:
        assert contrast.by_seed(values) == pytest.approx([0.02] * len(CONFIG.seeds))


def test_the_margins_are_those_of_the_claims() -> None:
    by_claim = {one.claim: one for one in claims.contrasts(CONFIG)}
    assert {key: (by_claim[key].limit, by_claim[key].above) for key in ("R1 taps", "R1 without", "R6", "R2 rises")} == {
        "R1 taps": (0.02, False),
        "R1 without": (0.16, True),
        "R6": (0.02, False),
        "R2 rises": (0.0, True),
    }
    learned_wins = {name.split()[0]: weight for name, weight in by_claim["R1 taps"].weights.items()}
    assert learned_wins == {"learned": 1, "frozen": -1}


def test_energy_at_the_centre_is_that_of_the_middle_nine_taps() -> None:
    net = Variant(taps(9), True, 1).build(0)
    with torch.no_grad():
        for block in blocks(net):
            block.spatial.filter.weight.fill_(0.3)
    assert run.centre_energy(net) == pytest.approx(9 / 81)
    assert run.centre_energy(PLAIN.build(0)) is None
    assert run.centre_energy(Variant(FREQUENCY, False, 1).build(0)) is None


def test_attacks_see_the_pixels_of_the_images_that_the_net_was_trained_on() -> None:
    test = digit_pools().test.first(60)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 10)).eval()
    test = replace(test, labels=net(test.images).argmax(1))  # pixels that are not normalised get other labels
    outcome = run._attack(Config(epsilons=(0, 64), attack_steps=2), net, test)
    clean = 1.0
    for accuracies in outcome.values():
        assert accuracies[:2] == [clean, clean]
        assert accuracies[2] < clean


def test_the_report_names_the_rates_at_the_edge() -> None:
    data = json.loads((STUDY.folder / "results.json").read_text())
    inner, edge = copy.deepcopy(data), copy.deepcopy(data)
    for one in inner["tuning"]:
        one["learning_rate"] = sorted(data["settings"]["learning_rates"])[1]
    assert "None is at the edge of the rates tried." in STUDY.report(inner)
    edge["tuning"] = [{**one, "learning_rate": max(data["settings"]["learning_rates"])} for one in edge["tuning"]]
    assert "At the edge of the rates tried: learned plain 3x3;" in STUDY.report(edge)
