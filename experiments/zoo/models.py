"""The models of the sweep: every CNN of torchvision, and the convolutional families of timm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
import torchvision
from torch import nn

SIZES = {"inception_v3": 299, "s3d": 224, "maxvit_t": 224, "ssd300_vgg16": 300, "raft_large": 128, "raft_small": 128}
"""Input sizes in pixels, for networks that need more than the usual 64."""

TRANSFORMERS = ("vit_", "swin", "mvit")

# fmt: off
TIMM = [
    "resnet18", "resnet50d", "resnetv2_50", "resnetv2_50x1_bit", "seresnet50", "skresnet18", "res2net50_26w_4s",
    "resnest26d", "resnext50_32x4d", "wide_resnet50_2", "tresnet_m", "gernet_s", "regnetx_004", "regnety_004",
    "regnetz_c16", "densenet121", "rdnet_tiny", "vgg11_bn", "inception_v3", "inception_v4",
    "inception_resnet_v2", "inception_next_tiny", "xception41", "legacy_xception", "mobilenetv2_100",
    "mobilenetv3_large_100", "mobilenetv4_conv_small", "mnasnet_100", "mixnet_s", "tf_mixnet_s",
    "efficientnet_b0", "efficientnet_lite0", "tf_efficientnet_b0", "tf_efficientnetv2_b0",
    "efficientnet_cc_b0_4e", "convnext_tiny", "convnextv2_tiny", "repvgg_a0", "mobileone_s0", "dla34",
    "hrnet_w18_small", "rexnet_100", "ghostnet_100", "ghostnetv2_100", "repghostnet_100", "fbnetc_100",
    "fbnetv3_b", "nfnet_f0", "dm_nfnet_f0", "nf_resnet50", "eca_nfnet_l0", "cspdarknet53", "cspresnet50",
    "selecsls42", "dpn68", "ese_vovnet19b_dw", "hardcorenas_a", "lcnet_050", "tinynet_e", "hgnet_tiny",
    "starnet_s1", "repvit_m1_0", "fastvit_t8", "edgenext_xx_small", "poolformer_s12",
]
# fmt: on


@dataclass(frozen=True)
class Entry:
    """One model of the sweep.

    Attributes:
        name: name in its library.
        library: "torchvision" or "timm".
        part: part that is converted: "whole", or the "backbone" of a detector.
        make: builds it with random weights.
        example: makes one batch of inputs.
    """

    name: str
    library: str
    part: str
    make: Callable[[], nn.Module]
    example: Callable[[], tuple[torch.Tensor, ...]]


def entries() -> list[Entry]:
    """All models, in the order of the table."""
    return [*map(_torchvision, torchvision.models.list_models()), *map(_timm, TIMM)]


def is_transformer(entry: Entry) -> bool:
    """Whether the only spatial convolution of the network is known to be its patch embedding."""
    return entry.library == "torchvision" and entry.name.startswith(TRANSFORMERS)


def _torchvision(name: str) -> Entry:
    module = torchvision.models.get_model_builder(name).__module__
    detector = ".detection" in module
    size = SIZES.get(name.removeprefix("quantized_"), 224 if name.startswith(TRANSFORMERS) else 64)

    def make() -> nn.Module:
        options = {"weights_backbone": None} if detector or ".segmentation" in module else {}
        if name in ("googlenet", "inception_v3"):
            options["init_weights"] = False  # type: ignore[assignment]
        if name.startswith("quantized"):
            return torchvision.models.get_model(name, weights=None, quantize=True)
        model = torchvision.models.get_model(name, weights=None, **options)
        return model.backbone if detector else model

    def example() -> tuple[torch.Tensor, ...]:
        if ".video" in module:
            return (torch.randn(2, 3, 16, size, size),)
        return (torch.randn(2, 3, size, size),) * (2 if "raft" in name else 1)

    return Entry(name, "torchvision", "backbone" if detector else "whole", make, example)


def _timm(name: str) -> Entry:
    size = 96 if "inception" in name or "xception" in name or "nfnet" in name else 64
    return Entry(
        name,
        "timm",
        "whole",
        lambda: timm.create_model(name, pretrained=False),
        lambda: (torch.randn(2, 3, size, size),),
    )
