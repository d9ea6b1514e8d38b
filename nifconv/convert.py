"""Replacing the convolutions of a model by frequency convolutions."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from nifconv._validate import choice, ints_per_axis
from nifconv.conv import FrequencyConv, layer_class
from nifconv.filters.base import DEFAULT_GAIN, FilterFactory, needs_kernel_size
from nifconv.filters.implicit import ImplicitFilter
from nifconv.functional import PADDING_MODES

Where = str | Sequence[str] | Callable[[str, nn.Module], bool]
ConvNd = nn.modules.conv._ConvNd  # the transposed and lazy ones too, which are only reported
_REPLACEABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Decision:
    """What became of one convolution.

    Attributes:
        name: where it stands in the model.
        replaced: whether a new layer took its place.
        reason: why, or why not.
        before: the convolution as printed by torch.
        after: the module in its place, as printed by torch, or "" if it was kept.
        parameters_before: learnable and frozen parameters of the convolution, bias included.
        parameters_after: the same of the module in its place.
    """

    name: str
    replaced: bool
    reason: str
    before: str
    after: str
    parameters_before: int
    parameters_after: int


@dataclass(frozen=True)
class ConversionReport:
    """What `convert` replaced and kept, and why; printable."""

    decisions: tuple[Decision, ...]

    @property
    def replaced(self) -> tuple[Decision, ...]:
        """The decisions for a new layer, in the order of the model."""
        return tuple(d for d in self.decisions if d.replaced)

    @property
    def kept(self) -> tuple[Decision, ...]:
        """The decisions against one, in the order of the model."""
        return tuple(d for d in self.decisions if not d.replaced)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"layers": [asdict(d) for d in self.decisions]}

    def __str__(self) -> str:
        before = sum(d.parameters_before for d in self.replaced)
        after = sum(d.parameters_after for d in self.replaced)
        lines = [
            f"replaced {len(self.replaced)} of {len(self.decisions)} convolutions; "
            f"their parameters: {before:,} -> {after:,}"
        ]
        width = max((len(d.name) for d in self.decisions), default=0)
        for d in self.decisions:
            change = f"{d.parameters_before:,} -> {d.parameters_after:,}" if d.replaced else ""
            lines.append(f"  {d.name:<{width}}  {'replaced' if d.replaced else 'kept    '}  {change:>20}  {d.reason}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Conversion:
    """The converted model and the report on it."""

    model: nn.Module
    report: ConversionReport


def convert(
    model: nn.Module,
    *,
    to: str = "split",
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
        to: "split": a depthwise frequency convolution of gain 1, then a 1x1 convolution with the gain and the groups
            of the original (none is added to a convolution that is depthwise already). "dense": a frequency
            convolution with the channels and groups of the original.
        filter: as in `FrequencyConv2d`. `SpatialFilter` without a size gets that of the replaced convolution.
        where: which convolutions, instead of the default choice: a name pattern such as "layer1.*", several of them,
            or a predicate `(name, conv) -> bool`.
        kernel_size: taps of the new kernels, or None for kernels as large as the map. The output keeps its size.
        padding_mode: of the new layers.
        inplace: change `model` itself; by default a deep copy is changed.

    Returns:
        `Conversion(model, report)`.

    Raises:
        TypeError: `model` is not a module, or `where` is none of the above.
        ValueError: `to` or `padding_mode` is unknown, or `kernel_size` is below 1.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    choice("to", to, ("split", "dense"))
    choice("padding_mode", padding_mode, PADDING_MODES)
    model = model if inplace else copy.deepcopy(model)
    convs = {name: m for name, m in model.named_modules() if isinstance(m, ConvNd)}
    chosen = _default_choice(convs) if where is None else _user_choice(convs, where)
    tied = _tied_parameters(model)

    decisions: list[Decision] = []
    replacements: dict[nn.Module, nn.Module] = {}
    for name, conv in convs.items():
        obstacle = _obstacle(conv, tied) or chosen[name] or _size_obstacle(conv, filter, kernel_size)
        if not obstacle:
            replacements[conv] = _replacement(conv, to, filter, kernel_size, padding_mode)
        decisions.append(_decision(name, conv, replacements.get(conv), obstacle))
    return Conversion(_substitute(model, replacements), ConversionReport(tuple(decisions)))


def conv_gain(conv: ConvNd) -> float:
    """std(output) / std(input) of an `nn.ConvNd` under white input, over all output channels, without the bias.

    On the meta device, where weights have no values, that of a freshly made one.
    """
    if conv.weight.is_meta:
        return DEFAULT_GAIN
    return math.sqrt(conv.weight.detach().double().square().sum().item() / conv.out_channels)


def _default_choice(convs: dict[str, ConvNd]) -> dict[str, str]:
    """For each convolution the reason to keep it, or "" to replace it."""
    reasons = dict.fromkeys(convs, "")
    for index, (name, conv) in enumerate(convs.items()):
        if max(conv.stride) > 1:
            reasons[name] = f"stride={conv.stride}: strided convolutions are kept unless `where` names them"
        elif name and index == 0 and conv.in_channels <= 4:
            reasons[name] = f"stem, in_channels={conv.in_channels}: kept unless `where` names it"
    return reasons


def _user_choice(convs: dict[str, ConvNd], where: Where) -> dict[str, str]:
    if callable(where):
        return {name: "" if where(name, conv) else "not chosen by `where`" for name, conv in convs.items()}
    patterns = [where] if isinstance(where, str) or not isinstance(where, Sequence) else where
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"where={where!r} must hold name patterns, or be a predicate (name, conv) -> bool")
        if not any(fnmatchcase(name, pattern) for name in convs):
            raise ValueError(
                f"where={pattern!r} matches none of the {len(convs)} convolutions: {', '.join(convs)}; patterns are "
                "those of fnmatch, such as 'layer1.*'"
            )
    return {
        name: "" if any(fnmatchcase(name, pattern) for pattern in patterns) else f"not matched by where={where!r}"
        for name in convs
    }


def _obstacle(conv: ConvNd, tied: set[nn.Parameter]) -> str:
    """Why a convolution cannot be replaced whatever the choice, or "" if it can."""
    if type(conv) not in _REPLACEABLE:
        return f"{type(conv).__name__} is not a plain nn.ConvNd, and its forward may differ"
    if max(conv.kernel_size) == 1:
        return "1x1: nothing spatial to replace"
    if conv.weight in tied:
        return "its weight is used by another module too, from which a new layer would part it"
    hooks = (conv._forward_hooks, conv._forward_pre_hooks, conv._backward_hooks, conv._backward_pre_hooks)
    if any(hooks):
        return "it has hooks, which a new layer would lose; remove them first"
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
    conv: ConvNd, to: str, filter: FilterFactory, kernel_size: int | Sequence[int] | None, padding_mode: str
) -> nn.Module:
    kernel = _kernel_size(conv, filter, kernel_size)
    ndim = conv.weight.dim() - 2
    padding: str | tuple[int, ...] = "same"
    if kernel is not None and conv.padding != "same":
        padding = tuple((2 * p + d * (k - old)) // 2 for p, d, k, old in _geometry(conv, kernel))
    split = to == "split" and conv.groups < conv.in_channels
    spatial = layer_class(ndim)(
        conv.in_channels,
        conv.in_channels if split else conv.out_channels,
        kernel,
        conv.stride,
        padding,
        1 if kernel is None else conv.dilation,
        conv.in_channels if split else conv.groups,
        bias=conv.bias is not None and not split,
        padding_mode=padding_mode,
        filter=filter,
    )
    spatial.filter.rescale_((1.0 if split else conv_gain(conv)) / spatial.filter.initial_gain)
    replacement: nn.Module = spatial
    last: nn.Module = spatial
    if split:
        last = _pointwise(conv)
        replacement = nn.Sequential(OrderedDict(spatial=spatial, pointwise=last))
    replacement.to(conv.weight.device, conv.weight.dtype).train(conv.training)
    replacement.requires_grad_(conv.weight.requires_grad)
    if conv.bias is not None:
        last.bias = conv.bias
    return replacement


def _pointwise(conv: ConvNd) -> nn.Module:
    """A fresh 1x1 convolution with the channels, groups and gain of `conv`."""
    kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[conv.weight.dim()]
    pointwise = kind(conv.in_channels, conv.out_channels, 1, groups=conv.groups, bias=conv.bias is not None)
    bound = conv_gain(conv) * math.sqrt(3 * conv.groups / conv.in_channels)
    nn.init.uniform_(pointwise.weight, -bound, bound)
    return pointwise


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


def _decision(name: str, conv: ConvNd, replacement: nn.Module | None, obstacle: str) -> Decision:
    reason = obstacle
    if replacement is not None:
        reason = f"kernel_size={conv.kernel_size} -> {_describe(replacement)}"
    return Decision(
        name=name,
        replaced=replacement is not None,
        reason=reason,
        before=repr(conv),
        after="" if replacement is None else repr(replacement),
        parameters_before=_count(conv),
        parameters_after=_count(conv if replacement is None else replacement),
    )


def _describe(replacement: nn.Module) -> str:
    spatial = next(m for m in replacement.modules() if isinstance(m, FrequencyConv))
    kernel = "as large as the map" if spatial.kernel_size is None else str(spatial.kernel_size)
    channels = "depthwise" if spatial.groups == spatial.in_channels else f"groups={spatial.groups}"
    return f"{kernel}, {channels}{' + 1x1' if spatial is not replacement else ''}"


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if not nn.parameter.is_lazy(p))


def _substitute(model: nn.Module, replacements: dict[nn.Module, nn.Module]) -> nn.Module:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child in replacements:
                setattr(parent, name, replacements[child])
    return replacements.get(model, model)
