import pytest
import torch
from torch import nn

from experiments.nets.convnext import convnext
from experiments.training.loop.models import Conversion, Network, read_filter
from nifconv import SpatialFilter, TableFilter
from nifconv.layers._conv import FrequencyConv

SEPARABLE = {"width": 8, "kernel_size": 3, "depth": 2}


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (Network("torchvision:resnet18"), 3),
        (Network("timm:convnext_atto", {"drop_path_rate": 0.1}), 1),
        (Network("convnext", {"width": 8, "depths": [1, 2, 1], "kernel_size": 9, "drop_path": 0.1}), 1),
        (Network("resnet_lc", {"depth": 8, "width": 4, "expansion": 2, "filter": {"SpatialFilter": {}}}), 2),
        (Network("separable", SEPARABLE), 3),
    ],
)
def test_networks_have_the_classes_and_channels_of_the_data(network: Network, channels: int) -> None:
    net = network.build(classes=7, in_channels=channels).eval()
    assert net(torch.randn(2, channels, 32, 32)).shape == (2, 7)


def test_a_resnet_with_split_global_frequency_filters() -> None:
    net = Network("torchvision:resnet50", conversion=Conversion(to="split", filter="niff-small")).build(10, 3)
    layers = [module for module in net.modules() if isinstance(module, FrequencyConv)]
    assert len(layers) == 13
    assert {layer.kernel_size for layer in layers} == {None}
    assert {layer.filter.coordinates for layer in layers} == {"image"}


def test_a_conversion_carries_all_of_its_arguments() -> None:
    conversion = Conversion(
        to="lc",
        filter="spatial",
        frozen=3,
        bank=64,
        expansion=2,
        where=["spatial1"],
        kernel_size=5,
        padding_mode="zeros",
    )
    net = Network("separable", SEPARABLE, conversion).build(10, 1)
    assert isinstance(net.spatial0, nn.Conv2d)
    layer = net.spatial1.spatial
    assert layer.kernel_size == (5, 5)
    assert layer.padding_mode == "zeros"
    assert layer.out_channels == 16
    assert isinstance(layer.filter.bank, SpatialFilter)
    assert layer.filter.bank.out_channels == 64
    assert not list(layer.filter.parameters())


def test_a_bank_is_one_for_all_layers() -> None:
    net = Network("separable", SEPARABLE, Conversion(bank=8)).build(10, 1)
    assert net.spatial0.filter.bank is net.spatial1.filter.bank


def test_a_filter_as_data() -> None:
    made = read_filter({"TableFilter": {"size": 6}})(4, 1)
    assert isinstance(made, TableFilter)
    assert made((8, 8)).shape[-2:] == (8, 5)


@pytest.mark.parametrize("filter", ["niff", {"Sine": {}}, {"torch.nn.Conv9d": {}}])
def test_what_is_no_filter_is_refused(filter: str) -> None:
    with pytest.raises(ValueError, match=r"filter=.*(niff|Sine|Conv9d).*implicit, niff-small") as error:
        read_filter(filter)
    assert "or data such as" in str(error.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network("resnet50"), r"unknown net.name='resnet50'.*torchvision:NAME.*close to it are.*timm:resnet50"),
        (Network("timm:convnext_tny"), r"net.name='timm:convnext_tny'.*timm:convnext_tiny"),
        (Network("flax:resnet50"), r"unknown net.name='flax:resnet50'"),
        (Network("%%"), r"unknown net.name='%%'; .* from that library$"),
        (
            Network("separable", {**SEPARABLE, "stride": 2}),
            r"net.arguments=\['stride'\] are not arguments of 'separable'; it has depth, .*width",
        ),
        (Network("torchvision:resnet18"), r"'torchvision:resnet18' reads 3 channels, and the images have 1"),
        (
            Network("separable", SEPARABLE, Conversion(where=["mix*"])),
            r"where=\['mix\*'\] matches 2 of 5 convolutions, none of",
        ),
        (Network("convnext", {"kernel_size": 4}), r"kernel_size=4 must be odd.*use 5"),
    ],
)
def test_nonsense_is_refused(network: Network, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network.build(10, 1)


def test_blocks_of_a_fresh_convnext_hardly_change_their_input_and_are_dropped_in_training() -> None:
    net = convnext(8, (2, 2, 1), drop_path=0.4)
    x = torch.randn(3, 8, 16, 16)
    torch.testing.assert_close(net.stage1_block1.eval()(x), x, rtol=0, atol=1e-4)
    rates = [net.get_submodule(name).drop.p for name in net._modules if "block" in name]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
