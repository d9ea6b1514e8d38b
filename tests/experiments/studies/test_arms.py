"""What the arms of the studies have in common, and what they differ in."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from experiments.nets.blocks import KINDS, block_net
from experiments.nets.separable import parameters
from experiments.studies.accuracy.run import IMPLICIT, TAPS, ZEROS
from experiments.studies.accuracy.run import Arm as Kernel
from experiments.studies.accuracy.run import Config as AccuracyConfig
from experiments.studies.converting import run as converting
from experiments.studies.frozen.arms import FEW, LC, PLAIN, WHOLE, matched, pair
from experiments.studies.frozen.arms import Arm as Net
from experiments.studies.frozen.config import Config as FrozenConfig
from experiments.studies.layers.run import ALL, CHOICES, DISPLACED, LETTERS, NONE
from experiments.studies.layers.run import Arm as Reaching
from experiments.studies.layers.run import Config as LayersConfig
from experiments.studies.locality.run import _mean_weight
from experiments.studies.reach.arms import DIRECTIONS, FILTERS, contours, every_direction
from experiments.studies.reach.config import SMOKE as REACH
from nifconv import FrequencyConv2d, LCConv2d, locality_penalty
from nifconv.layers import FrequencyConv


def test_nets_of_equal_parameters_differ_by_two_percent_at_most() -> None:
    letters = AccuracyConfig().letters
    arms = [Kernel(TAPS, 3), Kernel(TAPS, 7), *(Kernel(IMPLICIT, size) for size in (3, 7, None))]
    counts = [parameters(arm.build(letters)) for arm in arms]
    assert max(counts) <= 1.03 * min(counts)
    assert len({Kernel(IMPLICIT, size).build(letters).spatial0.filter.out_channels for size in (3, None)}) == 1


def test_arms_of_accuracy_differ_in_kernels_and_padding_alone() -> None:
    letters = AccuracyConfig().letters
    whole, small = Kernel(IMPLICIT, None).build(letters), Kernel(IMPLICIT, 3).build(letters)
    assert whole.spatial0.padding_mode == small.spatial0.padding_mode == ZEROS
    assert (whole.spatial0.kernel_size, small.spatial0.kernel_size) == (None, (3, 3))
    assert Kernel(TAPS, 7).build(letters).spatial0.kernel_size == (7, 7)


CONFIG = FrozenConfig(width=4, block_width=8)
PAIRS = [pair(LC, 2), pair(LC, 1, 9), pair(LC, 2, 0), pair(LC, 2, bank=WHOLE), pair(LC, 2, bank=FEW), *map(pair, KINDS)]


@pytest.mark.parametrize(("learned", "frozen"), PAIRS, ids=[learned.name for learned, _ in PAIRS])
def test_learned_filters_start_from_the_frozen_draw_and_all_else_is_the_same(learned: Net, frozen: Net) -> None:
    nets = [arm.build(CONFIG, seed=3).eval() for arm in (learned, frozen)]
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(nets[0](x), nets[1](x))
    assert parameters(nets[0]) > parameters(nets[1])
    other = frozen.build(CONFIG, seed=4).eval()
    assert (other(x) - nets[1](x)).abs().max() > 1e-3


def test_matched_nets_have_as_many_learnable_parameters() -> None:
    config, ends = FrozenConfig(), FrozenConfig().expansions[:: len(FrozenConfig().expansions) - 1]
    for arm, e in zip(matched(config.expansions), ends, strict=True):
        count, target = (parameters(one.build(config, 0)) for one in (arm, Net(LC, learned=False, expansion=e)))
        assert abs(count - target) < 0.12 * target  # widths are whole numbers


def test_the_plain_net_has_no_blocks() -> None:
    net = Net(PLAIN, learned=True).build(CONFIG, 0)
    assert not any(isinstance(module, LCConv2d | FrequencyConv2d) for module in net.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_block_nets_see_letters(kind: str) -> None:
    net = block_net(kind, 8, classes=26)
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 26)
    spatial = [m for m in net.modules() if isinstance(m, nn.Conv2d) and min(m.kernel_size) > 2]
    assert len(spatial) == {"BasicBlock": 6}.get(kind, 3)


def test_only_the_chosen_blocks_are_global() -> None:
    config = replace(LayersConfig(), width=4)
    for task in (LETTERS, DISPLACED):
        found = {}
        for reaching in CHOICES:
            modules = Reaching(task, reaching).build(config).named_children()
            found[reaching] = [name for name, module in modules if isinstance(module, FrequencyConv)]
        assert found[NONE] == []
        assert found[ALL] == [f"spatial{index}" for index in range(4)]
        assert [found[f"block {index + 1}"] for index in range(4)] == [[f"spatial{index}"] for index in range(4)]


def test_every_filter_meets_every_direction() -> None:
    assert len(every_direction()) == len(DIRECTIONS) * (len(FILTERS) + 1)
    for arm in (every_direction()[0], *contours(REACH)[:2]):
        images, labels = arm.draws(REACH)[0](8, torch.Generator().manual_seed(0))
        logits = arm.build(REACH)(images)
        assert logits.shape == (8, arm.draws(REACH)[2])
        assert labels.max() < logits.shape[1]


def test_profiles_cost_the_same_on_flat_kernels() -> None:
    flat = nn.Conv2d(1, 1, 5, bias=False)
    nn.init.constant_(flat.weight, 0.5)
    costs = [
        locality_penalty(flat, name).item() / _mean_weight(name, 5) for name in ("uniform", "quadratic", "inverted")
    ]
    assert costs == pytest.approx([0.25 * 25] * 3)


@pytest.mark.filterwarnings("ignore:match=True leaves")  # approximate matches are meant to be
def test_converted_nets_start_where_the_plain_one_is() -> None:
    config = replace(converting.SMOKE, steps=4)
    plain, multi_scale, periodic, scratch = (arm.build(config, seed=0).eval() for arm in converting.ARMS)
    x = torch.rand(2, 1, 48, 48)
    change = [(net(x) - plain(x)).norm() / plain(x).norm() for net in (multi_scale, periodic, scratch)]
    assert max(change[:2]) < change[2]
