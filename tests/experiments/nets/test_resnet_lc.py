"""ResNet-LC: the published parameter counts, the shortcut without parameters, and a draw of its own for each layer."""

import pytest
import torch
from torch import nn

from experiments.nets.resnet_lc import Shortcut, resnet_lc
from nifconv import FilterBank, ImplicitFilter, LCConv2d, ParameterCount, SpatialFilter, count_parameters, frozen

NORMS_AND_HEAD = 2 * (16 * 7 + 32 * 6 + 64 * 6) + 64 * 10 + 10
FROZEN_TAPS = frozen(SpatialFilter, seed=7)


def blocks(net: nn.Module) -> dict[str, LCConv2d]:
    return {name: module for name, module in net.named_modules() if isinstance(module, LCConv2d)}


def test_the_plain_net_has_the_published_count() -> None:
    spatial = 267_696
    assert count_parameters(resnet_lc(20, 16)) == ParameterCount(
        learnable=spatial + NORMS_AND_HEAD, frozen=0, spatial=spatial, pointwise=0, other=NORMS_AND_HEAD
    )


@pytest.mark.parametrize("expansion", [1, 2, 8])
def test_a_frozen_net_learns_the_published_count(expansion: int) -> None:
    spatial, pointwise = 267_696 * expansion, 32_512 * expansion
    assert count_parameters(resnet_lc(20, 16, expansion=expansion, filter=FROZEN_TAPS)) == ParameterCount(
        learnable=pointwise + NORMS_AND_HEAD, frozen=spatial, spatial=spatial, pointwise=pointwise, other=NORMS_AND_HEAD
    )


@pytest.mark.parametrize(("depth", "convolutions"), [(8, 7), (20, 19)])
def test_every_convolution_is_a_block_and_the_maps_shrink_twice(depth: int, convolutions: int) -> None:
    net = resnet_lc(depth, 2, expansion=1, filter=FROZEN_TAPS)
    sizes = []
    for block in blocks(net).values():
        block.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    assert net(torch.randn(1, 3, 32, 32)).shape == (1, 10)
    per_stage = (convolutions - 1) // 3
    assert sizes == [(2, 32, 32)] * (1 + per_stage) + [(4, 16, 16)] * per_stage + [(8, 8, 8)] * per_stage


@pytest.mark.parametrize(("kernel_size", "mode"), [(3, "zeros"), (7, "zeros"), (None, "circular")])
def test_the_boundary_follows_the_kernel_size(kernel_size: int | None, mode: str) -> None:
    net = resnet_lc(8, 2, expansion=2, kernel_size=kernel_size, filter=frozen(ImplicitFilter, seed=0), in_channels=1)
    for block in blocks(net).values():
        expected = None if kernel_size is None else (kernel_size, kernel_size)
        assert (block.spatial.kernel_size, block.spatial.padding_mode) == (expected, mode)
        assert block.spatial.bias is None
        assert block.pointwise.bias is None


def test_the_boundary_can_be_chosen() -> None:
    net = resnet_lc(8, 2, expansion=2, kernel_size=7, padding_mode="circular", filter=FROZEN_TAPS, in_channels=1)
    block = net.get_submodule("stage1_block1.conv1")
    x = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(block(x.roll(3, -1)), block(x).roll(3, -1), rtol=1e-4, atol=1e-5)


def test_an_activation_stands_between_the_spatial_filters_and_the_pointwise_convolution() -> None:
    nets = [resnet_lc(8, 4, expansion=3, filter=FROZEN_TAPS, activation=made) for made in (None, nn.BatchNorm2d)]
    bare, activated = (net.get_submodule("stage2_block1.conv1") for net in nets)
    x = torch.randn(2, 4, 9, 9)
    responses = nn.functional.conv2d(x, bare.spatial.filter.taps(3), stride=2, padding=1)
    expected = nn.functional.conv2d(nn.BatchNorm2d(24)(responses), activated.block.pointwise.weight)
    torch.testing.assert_close(activated(x), expected, rtol=1e-4, atol=1e-5)
    assert len(blocks(nets[0])) == len(blocks(nets[1]))


def test_layers_see_one_bank() -> None:
    bank = FilterBank(FROZEN_TAPS, kernels=8 * 2 * 8, kernel_size=3)
    filters = [block.spatial.filter for block in blocks(resnet_lc(8, 2, expansion=2, filter=bank)).values()]
    largest = filters[-1].taps(3).flatten(0, 1)
    for one in filters:
        taps = one.taps(3).flatten(0, 1)
        torch.testing.assert_close(taps / taps[0].norm(), largest[: len(taps)] / largest[0].norm())


def test_a_block_on_three_taps_is_the_plain_convolution_with_its_combined_taps() -> None:
    block = resnet_lc(8, 4, expansion=3, filter=FROZEN_TAPS).get_submodule("stage2_block1.conv1")
    x = torch.randn(2, 4, 9, 9)
    expected = nn.functional.conv2d(x, block.combined_taps(3), stride=2, padding=1)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


def test_the_shortcut_subsamples_and_pads_channels_by_zeros() -> None:
    shortcut = Shortcut(4, 8, 2)
    assert not list(shortcut.parameters())
    x = torch.randn(3, 4, 7, 6)
    y = shortcut(x)
    assert y.shape == (3, 8, 4, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


def test_the_shortcut_of_equal_shapes_is_the_identity() -> None:
    x = torch.randn(3, 4, 7, 6)
    assert torch.equal(Shortcut(4, 4, 1)(x), x)


@pytest.mark.parametrize("filter", [SpatialFilter, ImplicitFilter])
def test_frozen_layers_differ_from_one_another_and_agree_between_constructions(filter: type) -> None:
    first, second = (blocks(resnet_lc(14, 3, expansion=2, filter=frozen(filter, seed=5))) for _ in range(2))
    other = blocks(resnet_lc(14, 3, expansion=2, filter=frozen(filter, seed=6)))
    taps = {name: block.spatial.filter.taps(3) for name, block in first.items()}
    for name, block in second.items():
        assert torch.equal(taps[name], block.spatial.filter.taps(3))
        assert not torch.equal(taps[name], other[name].spatial.filter.taps(3))
    same_shape = [taps[f"stage1_block{block}.conv{conv}"] for block in (1, 2) for conv in (1, 2)]
    for i, one in enumerate(same_shape):
        assert all((one - two).abs().max() > 0.01 * one.abs().max() for two in same_shape[:i])


def test_frozen_filters_survive_a_training_step() -> None:
    net = resnet_lc(8, 2, expansion=2, filter=FROZEN_TAPS)
    block = blocks(net)["stage1_block1.conv1"]
    before, mixed = block.spatial.filter.taps(3).clone(), block.pointwise.weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    nn.functional.cross_entropy(net(torch.randn(4, 3, 8, 8)), torch.arange(4)).backward()
    optimizer.step()
    assert torch.equal(block.spatial.filter.taps(3), before)
    assert not torch.equal(block.pointwise.weight, mixed)


@pytest.mark.parametrize("depth", [2, 7, 18, -4])
def test_a_depth_without_whole_blocks_is_an_error(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth={depth} must be 6n \+ 2 .* use 8, 14, 20"):
        resnet_lc(depth)


def test_a_plain_net_needs_a_kernel_size() -> None:
    with pytest.raises(ValueError, match="kernel_size=None needs LC blocks; give an expansion"):
        resnet_lc(20, kernel_size=None)
