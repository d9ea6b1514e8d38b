"""Building the layer that replaces a convolution, with all that it inherits except the weights."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import parametrize

from nifconv._support.modules import move_hooks
from nifconv.conversion._candidate import Candidate
from nifconv.conversion._plan import Plan
from nifconv.conversion._savable import mark
from nifconv.conversion._unsupported import size_obstacle
from nifconv.filters import FrequencyFilter
from nifconv.layers import ConvNd, ConvNdView, SpatialLayer, conv_gain, effective_weight


def build_layer(candidate: Candidate, plan: Plan) -> None:
    """Gives a chosen candidate its new layer, or marks it as kept if the plan has none for it.

    Raises:
        TypeError: `to` returned something other than a module or None.
    """
    name, conv = candidate.names[0], candidate.conv
    own = plan.for_layer(candidate.names)
    assert own is not None  # noqa: S101 - `choose` keeps layers without a filter
    plan = own
    if callable(plan.to):
        layer = plan.to(name, conv)
        if layer is None:
            return candidate.keep("left alone by `to`")
        if not isinstance(layer, nn.Module):
            raise TypeError(f"`to` returned a {type(layer).__name__} for {name!r}; it must return a module, or None")
    elif reason := size_obstacle(conv, plan.kernel_for(conv)):
        return candidate.keep(reason)
    else:
        layer = plan.build(name, conv)
    # A function `to` may return any module; only a SpatialLayer says where its bias and its taps are.
    spatial_layer = layer if isinstance(layer, SpatialLayer) else None
    if parametrize.is_parametrized(conv) and not _move_parametrization(spatial_layer, conv, keep_taps=plan.match):
        return candidate.keep(
            "its weight is parametrized, and the new layer has no weight of that shape; use filter=SpatialFilter with "
            "to='dense', or remove the parametrization first"
        )
    # A module that `to` returned is moved too: it may have been built on the CPU for a model on a GPU.
    weight = effective_weight(conv)
    layer.to(weight.device, weight.dtype).train(conv.training)
    if spatial_layer is None:
        candidate.reason = f"{type(conv).__name__} -> {type(layer).__name__}, returned by `to`"
    else:
        inherit_state(spatial_layer, conv)
        candidate.reason = _describe(conv, spatial_layer)
    move_hooks(layer, conv)
    mark(layer)
    candidate.layer = layer
    return None


def inherit_state(layer: SpatialLayer, conv: ConvNd) -> None:
    """Gives a layer the bias of the convolution it replaces, and freezes it if the weight of `conv` is frozen."""
    # A frozen convolution must not start to learn, but the shared filters of a bank still learn through other layers.
    if not any(weight.requires_grad for weight in ConvNdView(conv).weights()):
        shared = [m for m in layer.modules() if isinstance(m, FrequencyFilter) and m.shared]
        others = {parameter for module in shared for parameter in module.parameters()}
        for parameter in set(layer.parameters()) - others:
            parameter.requires_grad_(False)
    if conv.bias is not None:
        layer.bias_holder.bias = conv.bias  # the parameter itself: a bias tied to that of another module stays tied


def _move_parametrization(layer: SpatialLayer | None, conv: ConvNd, *, keep_taps: bool) -> bool:
    """Moves the parametrization of the weight of `conv` to the taps of the new layer; False if they do not fit.

    Args:
        layer: the new layer, if it is a `SpatialLayer`.
        conv: a convolution with a parametrized weight.
        keep_taps: whether the taps become those of `conv`, or the nearest to those of the new layer that the
            parametrization can express; without an inverse of it they become those of `conv` in any case.
    """
    target = None if layer is None else layer.taps_module
    if target is None or target.get_parameter("weight").shape != effective_weight(conv).shape:
        return False
    # The new layer does not have the device and dtype of `conv` yet.
    initial = target.get_parameter("weight").detach().clone().to(effective_weight(conv))
    # From a copy in eval mode: registering a parametrization may set its buffers from the weight that it finds.
    parametrize.transfer_parametrizations_and_params(copy.deepcopy(conv).eval(), target.eval(), "weight")
    moved, source = (m.get_submodule("parametrizations.weight") for m in (target, conv))
    moved.load_state_dict(source.state_dict())  # buffers too, such as the singular vectors of spectral_norm
    for own, original in zip(moved.parameters(), source.parameters(), strict=True):
        own.requires_grad_(original.requires_grad)
    if not keep_taps and all(hasattr(step, "right_inverse") for step in moved.children()):
        with torch.no_grad():
            target.weight = initial  # the setter of a parametrized weight calls right_inverse
    return True


def _describe(conv: ConvNd, layer: SpatialLayer) -> str:
    kernel = "as large as the map" if layer.kernel_size is None else str(layer.kernel_size)
    words = [f"kernel_size={conv.kernel_size} -> {kernel}, {layer.structure}"]
    if layer.padding_mode != conv.padding_mode:
        words.append(f"padding_mode {conv.padding_mode} -> {layer.padding_mode}")
    if conv_gain(conv) == 0:
        words.append("all weights were zero, and so are the new ones")
    return "; ".join(words)
