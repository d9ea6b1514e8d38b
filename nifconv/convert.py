"""Replacing the convolutions of a model by frequency convolutions."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn

from nifconv._validate import choice, ints_per_axis, positive_int
from nifconv.conv import FrequencyConv, layer_class
from nifconv.conversion import Conversion, ConversionReport, Decision
from nifconv.filters.base import DEFAULT_GAIN, FrequencyFilter
from nifconv.filters.factory import FilterFactory, for_layer, needs_kernel_size
from nifconv.filters.implicit import ImplicitFilter
from nifconv.functional import PADDING_MODES
from nifconv.lc import LCConv, lc_class

Where = str | Sequence[str] | Callable[[str, nn.Module], bool]
ConvNd = nn.modules.conv._ConvNd  # the transposed and lazy ones too, which are only reported
_REPLACEABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def convert(
    model: nn.Module,
    *,
    to: str = "split",
    expansion: int = 1,
    filter: FilterFactory = ImplicitFilter,
    where: Where | None = None,
    kernel_size: int | Sequence[int] | None = None,
    padding_mode: str = "circular",
    inplace: bool = False,
) -> Conversion:
    """Replaces the spatial convolutions of a model by frequency convolutions of the same gain.

    By default those with stride 1 and more than one tap are replaced, and the stem is kept (the first convolution,
    where it reads an image: at most 4 channels), as in Grabinski, Keuper & Keuper 2024. 1x1 convolutions are never
    replaced, and what cannot be replaced faithfully is kept, with the reason in the report.

    The new filters are fresh: std(output) / std(input) under white input is that of the replaced layer, and the bias
    is taken over, but not the function. A module that occurs at several places is replaced by one module at all of
    them. Device, dtype, train/eval state and `requires_grad` are those of the replaced layer.

    Args:
        model: any module; a bare `nn.ConvNd` too.
        to: "lc": an `LCConv` block: `expansion` depthwise frequency filters for each input channel, then a 1x1
            convolution with the groups of the original. "split": the same with one filter each; a convolution that is
            depthwise already becomes a depthwise frequency convolution alone. "dense": a frequency convolution with
            the channels and groups of the original.
        expansion: E of "lc".
        filter: as in `FrequencyConv2d`. `SpatialFilter` without a size gets that of the replaced convolution; of a
            `frozen` one each layer gets its own draw, from the seed and the layer's name; a `FilterBank` is shared.
        where: which convolutions, instead of the default choice: a name pattern such as "layer1.*", several of them,
            or a predicate `(name, conv) -> bool`.
        kernel_size: taps of the new kernels, or None for kernels as large as the map. The output keeps its size.
        padding_mode: of the new layers.
        inplace: change `model` itself; by default a deep copy is changed.

    Returns:
        `Conversion(model, report)`.

    Raises:
        TypeError: `model` is not a module, `where` or `filter` is none of the above, or `kernel_size` or `expansion`
            is not of integers.
        ValueError: `where` matches nothing, the model cannot be copied, `to` or `padding_mode` is unknown,
            `kernel_size` or `expansion` is below 1, `expansion` is given without "lc", or the filter does not fit a
            layer.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    choice("to", to, ("split", "dense", "lc"))
    choice("padding_mode", padding_mode, PADDING_MODES)
    if positive_int("expansion", expansion) > 1 and to != "lc":
        raise ValueError(f"expansion={expansion} has no meaning for to={to!r}; use to='lc', or expansion=1")
    needs_kernel_size(filter)  # refuses what is no factory, also where nothing will be replaced
    model = model if inplace else _copy(model)
    names = _names(model)
    kept = _default_choice(names) if where is None else _user_choice(names, where)
    tied = _tied_parameters(model)

    decisions: list[Decision] = []
    replacements: dict[nn.Module, FrequencyConv | LCConv] = {}
    for conv, (name, *_) in names.items():
        obstacle = _obstacle(conv, tied) or kept[conv] or _size_obstacle(conv, filter, kernel_size)
        if not obstacle:
            replacements[conv] = _replacement(conv, to, expansion, for_layer(filter, name), kernel_size, padding_mode)
        decisions.append(_decision(names[conv], conv, replacements.get(conv), obstacle))
    return Conversion(_substitute(model, replacements), ConversionReport(tuple(decisions)))


def conv_gain(conv: ConvNd) -> float:
    """std(output) / std(input) of an `nn.ConvNd` under white input, over all output channels, without the bias.

    On the meta device, where weights have no values, that of a freshly made one.
    """
    if conv.weight.is_meta:
        return DEFAULT_GAIN
    return math.sqrt(conv.weight.detach().double().square().sum().item() / conv.out_channels)


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except RuntimeError as error:
        raise ValueError(
            "the model cannot be copied, as with torch.nn.utils.weight_norm and prune in their old form; remove the "
            "reparametrisation first, or convert with inplace=True"
        ) from error


def _names(model: nn.Module) -> dict[ConvNd, list[str]]:
    """All convolutions and where they stand, in the order of the model; one may stand at several places."""
    names: dict[ConvNd, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, ConvNd):
            names.setdefault(module, []).append(name)
    return names


def _default_choice(names: Mapping[ConvNd, list[str]]) -> dict[ConvNd, str]:
    """For each convolution the reason to keep it, or "" to replace it."""
    reasons = dict.fromkeys(names, "")
    for index, (conv, (name, *_)) in enumerate(names.items()):
        if max(conv.stride) > 1:
            reasons[conv] = f"stride={conv.stride}: strided convolutions are kept unless `where` names them"
        elif name and index == 0 and conv.in_channels <= 4:
            reasons[conv] = f"stem, in_channels={conv.in_channels}: kept unless `where` names it"
    return reasons


def _user_choice(names: Mapping[ConvNd, list[str]], where: Where) -> dict[ConvNd, str]:
    if callable(where):
        chosen = {conv: any(where(name, conv) for name in places) for conv, places in names.items()}
        return {conv: "" if yes else "not chosen by `where`" for conv, yes in chosen.items()}
    patterns = [where] if isinstance(where, str) or not isinstance(where, Sequence) else where
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"where={where!r} must hold name patterns, or be a predicate (name, conv) -> bool")
        if not any(fnmatchcase(name, pattern) for places in names.values() for name in places):
            found = ", ".join(places[0] for places in names.values()) or "the model has none"
            raise ValueError(
                f"where={pattern!r} matches none of the {len(names)} convolutions: {found}; patterns are those of "
                "fnmatch, such as 'layer1.*'"
            )
    matched = {
        conv: any(fnmatchcase(name, pattern) for name in places for pattern in patterns)
        for conv, places in names.items()
    }
    return {conv: "" if yes else f"not matched by where={where!r}" for conv, yes in matched.items()}


def _obstacle(conv: ConvNd, tied: set[nn.Parameter]) -> str:
    """Why a convolution cannot be replaced whatever the choice, or "" if it can."""
    if type(conv) not in _REPLACEABLE:
        return f"{type(conv).__name__} is not a plain nn.ConvNd, and its forward may differ"
    if conv.out_channels == 0 or conv.in_channels == 0:
        return "it has no channels"
    if max(conv.kernel_size) == 1:
        return "1x1: nothing spatial to replace"
    if conv.weight in tied:
        return "its weight is used by another module too, from which a new layer would part it"
    hooks = (conv._forward_hooks, conv._forward_pre_hooks, conv._backward_hooks, conv._backward_pre_hooks)
    if any(hooks):
        return "it has hooks, which a new layer would lose; remove them first"
    if "forward" in vars(conv) or len(list(conv.children())):
        return "its forward or its children were changed, which a new layer would lose"
    if not math.isfinite(conv_gain(conv)):
        return "its weights are not finite, and give the new layer no gain"
    return ""


def _size_obstacle(conv: ConvNd, filter: FilterFactory, kernel_size: int | Sequence[int] | None) -> str:
    """Why the new kernel could not keep the output size, or "" if it can."""
    kernel = _kernel_size(conv, filter, kernel_size)
    if isinstance(conv.padding, str) and conv.padding == "same":
        return ""
    if kernel is None:
        if any(2 * p != d * (k - 1) for p, d, k in zip(_padding(conv), conv.dilation, conv.kernel_size, strict=True)):
            return (
                f"padding={conv.padding} with kernel_size={conv.kernel_size} changes the size of the map, which a "
                "kernel as large as the map does not; give convert a kernel_size"
            )
        return ""
    doubled = [2 * p + d * (k - old) for p, d, k, old in _geometry(conv, kernel)]
    if any(p < 0 or p % 2 for p in doubled):
        return (
            f"no padding gives kernel_size={kernel} the output size that padding={conv.padding} gives "
            f"{conv.kernel_size}; choose a kernel_size that differs by an even number"
        )
    return ""


def _replacement(
    conv: ConvNd,
    to: str,
    expansion: int,
    filter: FilterFactory,
    kernel_size: int | Sequence[int] | None,
    padding_mode: str,
) -> FrequencyConv | LCConv:
    kernel = _kernel_size(conv, filter, kernel_size)
    ndim = conv.weight.dim() - 2
    padding: str | tuple[int, ...] = "same"
    if kernel is not None and conv.padding != "same":
        padding = tuple((2 * p + d * (k - old)) // 2 for p, d, k, old in _geometry(conv, kernel))
    dilation = 1 if kernel is None else conv.dilation
    geometry = (conv.in_channels, conv.out_channels, kernel, conv.stride, padding, dilation)
    bias = conv.bias is not None
    replacement: FrequencyConv | LCConv
    last: nn.Module
    if to == "dense" or (to == "split" and conv.groups == conv.in_channels):
        replacement = last = layer_class(ndim)(*geometry, conv.groups, bias, padding_mode, filter=filter)
        replacement.filter.rescale_(conv_gain(conv) / replacement.filter.initial_gain)
    else:
        replacement = lc_class(ndim)(
            *geometry, bias, padding_mode, expansion=expansion, groups=conv.groups, filter=filter
        )
        last = replacement.pointwise
        bound = conv_gain(conv) * math.sqrt(3 / replacement.pointwise.weight.shape[1])
        nn.init.uniform_(replacement.pointwise.weight, -bound, bound)
    replacement.to(conv.weight.device, conv.weight.dtype).train(conv.training)
    if not conv.weight.requires_grad:
        filters = [m for m in replacement.modules() if isinstance(m, FrequencyFilter) and m.shared]
        shared = {parameter for module in filters for parameter in module.parameters()}
        for parameter in set(replacement.parameters()) - shared:
            parameter.requires_grad_(False)
    if conv.bias is not None:
        last.bias = conv.bias
    return replacement


def _kernel_size(
    conv: ConvNd, filter: FilterFactory, kernel_size: int | Sequence[int] | None
) -> tuple[int, ...] | None:
    if kernel_size is not None:
        return ints_per_axis("kernel_size", kernel_size, conv.weight.dim() - 2)
    return conv.kernel_size if needs_kernel_size(filter) else None


def _padding(conv: ConvNd) -> tuple[int, ...]:
    return (0,) * len(conv.kernel_size) if isinstance(conv.padding, str) else conv.padding


def _geometry(conv: ConvNd, kernel: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    """Padding, dilation, new and old kernel size of each axis."""
    return zip(_padding(conv), conv.dilation, kernel, conv.kernel_size, strict=True)


def _tied_parameters(model: nn.Module) -> set[nn.Parameter]:
    """Parameters that more than one module of the model holds."""
    seen: set[nn.Parameter] = set()
    tied: set[nn.Parameter] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            (tied if parameter in seen else seen).add(parameter)
    return tied


def _decision(
    places: Sequence[str], conv: ConvNd, replacement: FrequencyConv | LCConv | None, obstacle: str
) -> Decision:
    return Decision(
        name=places[0],
        aliases=tuple(places[1:]),
        replaced=replacement is not None,
        reason=obstacle if replacement is None else _describe(conv, replacement),
        before=repr(conv),
        after="" if replacement is None else repr(replacement),
        parameters_before=_count(conv),
        parameters_after=_count(conv if replacement is None else replacement),
    )


def _describe(conv: ConvNd, replacement: FrequencyConv | LCConv) -> str:
    spatial = replacement.spatial if isinstance(replacement, LCConv) else replacement
    kernel = "as large as the map" if spatial.kernel_size is None else str(spatial.kernel_size)
    channels = "depthwise" if spatial.groups == spatial.in_channels else f"groups={spatial.groups}"
    words = [f"kernel_size={conv.kernel_size} -> {kernel}, {channels}{' + 1x1' if spatial is not replacement else ''}"]
    if spatial.padding_mode != conv.padding_mode:
        words.append(f"padding_mode {conv.padding_mode} -> {spatial.padding_mode}")
    if conv_gain(conv) == 0:
        words.append("all weights were zero, and so are the new ones")
    return "; ".join(words)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if not nn.parameter.is_lazy(p))


def _substitute(model: nn.Module, replacements: Mapping[nn.Module, nn.Module]) -> nn.Module:
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # named_children() would leave out repetitions
            if child is not None and child in replacements:
                setattr(parent, name, replacements[child])
    return replacements.get(model, model)
