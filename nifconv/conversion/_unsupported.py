"""Why a convolution cannot be replaced, or None if it can."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from nifconv.layers import CONVS, ConvNd, ConvNdView, class_name, effective_weight

_LAZY = nn.modules.lazy.LazyModuleMixin
_TRANSPOSED = nn.modules.conv._ConvTransposeNd
_STATE_HOOKS = ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks")


def obstacle(conv: nn.Module, *, foreign: bool = False) -> str | None:
    """Why `conv` cannot be replaced, whatever the new layer, or None.

    Args:
        conv: a convolution, or what is called one.
        foreign: accept subclasses of `nn.ConvNd` too, whatever their forward does with the weight.
    """
    name = class_name(conv)
    # By kind of module first: those of TorchScript and of quantisation lack attributes that are read further below.
    if isinstance(conv, torch.jit.ScriptModule):
        return f"{name} inside TorchScript, whose code is fixed; convert the model before scripting it"
    if type(conv).__module__.startswith("torch.ao."):
        return f"{type(conv).__name__} is quantised; convert the model before quantising it"
    if isinstance(conv, _LAZY):
        return f"{name} has no shape yet; run the model once, then convert it"
    if isinstance(conv, _TRANSPOSED):
        return f"{name}: transposed convolutions are not replaced"
    if not isinstance(conv, ConvNd) or parametrize.type_before_parametrizations(conv) not in CONVS.values():
        kind = parametrize.type_before_parametrizations(conv)
        if name in {own.__name__ for own in CONVS.values()}:  # of the same name but another library
            name = f"{kind.__module__}.{name}"
        if foreign and isinstance(conv, ConvNd):
            return _nothing_spatial(conv)  # the function that replaces it knows what else it holds and does
        remedy = "; a function `to` without match can replace it" if isinstance(conv, ConvNd) else ""
        return f"{name} is not a plain nn.ConvNd, and its forward may differ{remedy}"
    return _nothing_spatial(conv) or _unusual_state(conv)


def size_obstacle(conv: ConvNd, kernel_size: Sequence[int] | None) -> str | None:
    """Why a kernel of another size could not keep the size of the output, or None if it can.

    Args:
        conv: a plain `nn.ConvNd`.
        kernel_size: taps per axis of the new layer, None for a kernel as large as the map.
    """
    if conv.padding == "same":
        return None
    padding = ConvNdView(conv).leading_padding
    if kernel_size is None:
        # The size stays only with the padding that "same" stands for, d * (k - 1) pixels in all, half on either side.
        if any(2 * p != d * (k - 1) for p, d, k in zip(padding, conv.dilation, conv.kernel_size, strict=True)):
            return (
                f"padding={conv.padding} with kernel_size={conv.kernel_size} changes the size of the map, which a "
                "kernel as large as the map does not; give convert a kernel_size"
            )
        return None
    # Each tap more needs `dilation` pixels of padding more, half of them on either side.
    if any(p < 0 or p % 2 for p in _doubled_padding(conv, kernel_size)):
        return (
            f"no padding gives kernel_size={tuple(kernel_size)} the output size that padding={conv.padding} gives "
            f"{conv.kernel_size}; choose a kernel_size that differs by an even number"
        )
    return None


def padding_for(conv: ConvNd, kernel_size: Sequence[int] | None) -> str | tuple[int, ...]:
    """The padding that gives a kernel of another size the output size of `conv`, where `size_obstacle` is None."""
    if kernel_size is None or conv.padding == "same":
        return "same"
    return tuple(p // 2 for p in _doubled_padding(conv, kernel_size))


def _doubled_padding(conv: ConvNd, kernel_size: Sequence[int]) -> list[int]:
    """Twice the padding, which is odd where no padding on both sides keeps the size."""
    geometry = zip(ConvNdView(conv).leading_padding, conv.dilation, kernel_size, conv.kernel_size, strict=True)
    return [2 * p + d * (new - old) for p, d, new, old in geometry]


def _nothing_spatial(conv: ConvNd) -> str | None:
    if conv.out_channels == 0 or conv.in_channels == 0:
        return "it has no channels"
    return "1x1: nothing spatial to replace" if max(conv.kernel_size) == 1 else None


def _unusual_state(conv: ConvNd) -> str | None:
    # The old weight_norm keeps weight_g and weight_v as parameters, and sets `conv.weight` in a hook.
    if not parametrize.is_parametrized(conv) and "weight" not in conv._parameters:
        return (
            "its weight is computed before each call, as by torch.nn.utils.weight_norm, spectral_norm and prune in "
            "their old form; remove that first, or use torch.nn.utils.parametrizations"
        )
    if parametrize.is_parametrized(conv, "bias"):
        return "its bias is parametrized; remove that first"
    if not parametrize.is_parametrized(conv) and any(getattr(conv, hooks) for hooks in _STATE_HOOKS):
        return "it has hooks on its state_dict, which would run on that of another layer; remove them first"
    # A forward set on the instance, or modules added to it, as adapters for fine-tuning do.
    children = [name for name, _ in conv.named_children() if name != "parametrizations"]
    if "forward" in vars(conv) or children:
        return "its forward or its children were changed, which a new layer would lose"
    added = [name for name in (*conv._parameters, *conv._buffers) if name not in ("weight", "bias")]
    if added:
        return f"it holds more than weight and bias, which a new layer would lose: {', '.join(added)}"
    weight = effective_weight(conv)
    if not weight.is_floating_point():
        return f"its weights are {weight.dtype}, but those of the new layer are real and floating"
    if not weight.is_meta and not weight.isfinite().all():
        return "its weights are not finite, so the new layer has no gain to match"
    return None
