"""Convolutions and small networks that several tests convert, and what is asked of models."""

import io
import math
from collections import OrderedDict
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from nifconv.layers._conv import FrequencyConv
from nifconv.layers._linear_combination import LCConv

PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
CONVS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
MAP = (11, 9, 10)


def small_net() -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](
        stem=nn.Conv2d(3, 8, 3, padding=1),
        body=nn.Conv2d(8, 16, 3, padding=1),
        down=nn.Conv2d(16, 16, 3, stride=2, padding=1),
        depthwise=nn.Conv2d(16, 16, 5, padding=2, groups=16),
        pointwise=nn.Conv2d(16, 4, 1),
    )
    return nn.Sequential(layers)


def input_for(conv: Any) -> Tensor:
    ndim = len(conv.stride)
    size = MAP if ndim < 3 else (7, 6, 8)
    return torch.randn(2, conv.in_channels, *size[:ndim], dtype=conv.weight.dtype)


@st.composite
def convs(draw: st.DrawFn, *, depthwise: bool = False, odd: bool = False, keeps_size: bool = False) -> nn.Module:
    """Convolutions of every geometry that torch runs on the maps of `input_for`, in float64.

    Args:
        depthwise: with one input channel per group.
        odd: without kernels of an even size.
        keeps_size: with a padding that makes up for the kernel, as one as large as the map needs it.
    """
    ndim = draw(st.sampled_from([1, 2, 2, 3]))
    groups = draw(st.sampled_from([2, 4])) if depthwise else draw(st.sampled_from([1, 2]))
    per_group = 1 if depthwise else draw(st.integers(1, 3))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(ndim))
    sizes = [1, 3] if odd or keeps_size else [1, 2, 3]
    kernel = tuple(draw(st.sampled_from(sizes)) for _ in range(ndim - 1))
    kernel += (draw(st.sampled_from([3] if odd else [2, 3] if not keeps_size else [3])),)
    stride = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    padding: Any
    if keeps_size:
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    else:
        padding = draw(st.sampled_from(["same", "valid", 1, 2]))
    if padding == "same":
        stride = (1,) * ndim
        kernel = tuple(draw(st.integers(2, 4)) for _ in range(ndim)) if not odd else kernel
    conv = CONVS[ndim](
        groups * per_group,
        groups * draw(st.integers(1, 3)),
        kernel,
        stride,
        padding,
        dilation,
        groups,
        draw(st.booleans()),
        mode,
        dtype=torch.float64,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(draw(st.integers(0, 99)))
        for parameter in conv.parameters():
            parameter.normal_()
    return conv


def saved_and_loaded(module: nn.Module) -> Any:
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def is_plain(model: nn.Module) -> bool:
    return not any(isinstance(m, FrequencyConv | LCConv) for m in model.modules())


def kernel_of(baked: nn.Module) -> Tensor:
    """The weight of the only convolution with more than one tap, or of the first."""
    convs: list[Any] = [m for m in baked.modules() if isinstance(m, PLAIN)]
    return max(convs, key=lambda conv: math.prod(conv.kernel_size)).weight
