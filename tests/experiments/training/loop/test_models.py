import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from experiments.nets.convnext import convnext
from experiments.training.loop.models import Conversion, Network
from nifconv import FrequencyConv2d, SpatialFilter, TableFilter, convert
from nifconv.filters import read_filter
from nifconv.layers._conv import FrequencyConv
from nifconv.models import NamedModel

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
        (Network("resnet_50"), r"net.name='resnet_50': unknown model 'resnet_50' .*close to it: resnet50"),
        (Network("timm:convnext_tny"), r"net.name='timm:convnext_tny': unknown model .*convnext_tiny"),
        (Network("flax:resnet50"), r"net.name='flax:resnet50': cannot find 'flax:resnet50': No module named 'flax'"),
        (Network("%%"), r"net.name='%%': unknown model '%%' .*; give a name from torchvision or timm, or '[^;]*$"),
        (Network("nowhere/net.pt"), r"net.name='nowhere/net.pt': nowhere/net.pt does not exist"),
        (
            Network("separable", {**SEPARABLE, "stride": 2}),
            r"net.name='separable': .* cannot be built with .*unexpected keyword argument 'stride'",
        ),
        (Network("torchvision:resnet18"), r"'torchvision:resnet18' reads 3 channels, not 1; use a timm model"),
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


OWN = """
from torch import nn

def net(num_classes, width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nets_of_a_user.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_of_a_user", raising=False)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_network_of_the_user_is_told_the_number_of_classes() -> None:
    net = Network("nets_of_a_user:net", {"width": 6}).build(5, 3)
    assert net(torch.randn(2, 3, 9, 9)).shape == (2, 5)
    assert net[0].out_channels == 6


def test_a_converted_network_is_trained_from_its_file_and_from_its_weights(folder: Path) -> None:
    named = NamedModel("resnet18", num_classes=5)
    conversion = convert(named.build(), where="layer1.0.conv1", to="dense")
    conversion.save(folder / "net.safetensors")
    for network in (
        Network("net.safetensors", weights=None),
        Network("resnet18", weights="net.safetensors"),
    ):
        net = network.build(5, 3)
        assert isinstance(net.layer1[0].conv1, FrequencyConv2d)
        assert torch.equal(net.fc.weight, conversion.model.fc.weight)


def test_weights_are_matched_by_a_conversion(folder: Path) -> None:
    source = NamedModel("nets_of_a_user:net", num_classes=5).build()
    torch.save(source.state_dict(), folder / "weights.pt")
    conversion = Conversion(to="dense", filter={"0": "spatial", "_default": None}, match=True)
    net = Network("nets_of_a_user:net", weights="weights.pt", conversion=conversion).build(5, 3)
    assert isinstance(net[0].filter, SpatialFilter)
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(net(x), source(x), rtol=1e-4, atol=1e-5)
