"""Tools that look into a model: they work, or say what to do."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from nifconv import FrequencyConv2d, LCConv2d, bake, convert


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "layer",
    [
        FrequencyConv2d(4, 6),
        FrequencyConv2d(4, 4, groups=4, padding_mode="zeros"),
        FrequencyConv2d(4, 4, 5, stride=2, method="fft"),
        LCConv2d(4, 6, expansion=2),
    ],
)
def test_layers_are_traced_by_torchscript(layer: nn.Module) -> None:
    layer.eval()
    x = torch.randn(2, 4, 10, 9)
    traced = torch.jit.trace(layer, x)
    torch.testing.assert_close(traced(x), layer(x), rtol=1e-4, atol=1e-5)
    other = torch.randn(3, 4, 10, 9)  # the batch is free
    torch.testing.assert_close(traced(other), layer(other), rtol=1e-4, atol=1e-5)


def test_features_are_extracted_with_our_layers_as_leaves() -> None:
    model = convert(resnet18(num_classes=3), where="layer1.*").model.eval()
    x = torch.randn(1, 3, 32, 32)
    with pytest.raises(
        TypeError, match=r"input is a Proxy: torch\.fx cannot trace .*'leaf_modules': \[FrequencyConv2d"
    ):
        create_feature_extractor(model, ["layer1"])
    extractor = create_feature_extractor(
        model, ["layer1", "fc"], tracer_kwargs={"leaf_modules": [FrequencyConv2d, LCConv2d]}
    ).eval()
    found = extractor(x)
    torch.testing.assert_close(found["fc"], model(x))
    assert found["layer1"].shape == (1, 64, 8, 8)


def test_results_for_people_are_short_and_have_tables() -> None:
    conversion = convert(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)))
    baked = bake(conversion.model, torch.randn(1, 3, 8, 8))
    assert repr(conversion) == "Conversion(Sequential, 1 of 2 convolutions replaced)"
    assert repr(baked) == "Baked(Sequential, 1 of 1 frequency layers baked)"
    assert str(conversion) == str(conversion.report)
    assert str(baked) == str(baked.report)
    for result in (conversion, baked):
        assert result._repr_html_().startswith("<table>")
        assert "<td>1</td>" in result._repr_html_()
    with pytest.raises(TypeError, match=r"a Baked holds the model .*; call baked\.model"):
        baked(torch.randn(1, 3, 8, 8))
