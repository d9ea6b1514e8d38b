"""Turning frequency layers back into plain convolutions, for deployment."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support import forward
from nifconv._support.arguments import fraction
from nifconv._support.modules import copy_model, move_hooks, substitute
from nifconv.baking._report import Baked, BakedLayer, BakeReport
from nifconv.baking._truncate import beyond, crop, operator_norm
from nifconv.frequency import resize_taps
from nifconv.layers import FrequencyConv, LCConv
from nifconv.parameters import count_parameters
from nifconv.spectral import windows

_CONVS: dict[int, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
# Two maps give the same kernel if it differs by no more than its evaluation does.
_ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 1e-3}
_RUNS = 3


def bake(model: nn.Module, example_input: forward.ExampleInput, *, tolerance: float = 0.0) -> Baked:
    """A copy of a model in which every frequency layer is a plain `nn.ConvNd`, for inference without any FFT.

    Kernels are those of the maps that the example input brings about. Each layer gets the smallest odd kernel whose
    discarded mass keeps `tolerance`:

        max_o sum |w[o] - cut w[o]|  <=  tolerance * max_o sum |w[o]|,

    that is, for inputs between -1 and 1 no output pixel changes by more than `tolerance` times the largest output
    that the layer can give. With 0 only taps that are exactly zero go, and the output is the same to float rounding.
    An `LCConv` becomes a spatial and a 1x1 convolution, or a single one where that takes fewer multiplications.

    A plain convolution does not grow with its map: at another input size the baked model runs too, with the kernels
    of the size it was baked at, unless a circular or reflected padding is larger than the map.

    Args:
        model: any module; it is left as it is.
        example_input: its argument, a tuple or list of its positional arguments, or a mapping of its keyword
            arguments, of the size the model will be deployed at.
        tolerance: at least 0, below 1.

    Returns:
        `Baked(model, report)`. A layer that cannot be a plain convolution is kept, with the reason in the report: one
        that the example input does not reach in eval mode, or whose kernels differ between the maps that reach it.

    Raises:
        TypeError: `model` is not a module, `example_input` is none of these, or `tolerance` is not a number.
        ValueError: `tolerance` is out of range, or the model cannot be copied.
        Exception: whatever the model raises on the example input.

    >>> from nifconv import convert
    >>> x = torch.randn(2, 8, 12, 13)
    >>> converted = convert(nn.Sequential(nn.Conv2d(8, 16, 3, padding=1))).model
    >>> baked = bake(converted, x)
    >>> [tuple(conv.weight.shape) for conv in baked.model[0]], baked.report.error < 1e-5
    ([(8, 1, 13, 13), (16, 8, 1, 1)], True)
    """
    tolerance = fraction("tolerance", tolerance)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    old = copy_model(model)
    names = _frequency_layers(old)
    sizes: dict[nn.Module, list[tuple[int, ...]]] = {layer: [] for layer in names}
    spatial: dict[nn.Module, nn.Module] = {_spatial(layer): layer for layer in names}
    for conv, size in forward.map_sizes(old, example_input, spatial):
        sizes[spatial[conv]].append(size)

    new: dict[nn.Module, nn.Module] = {}
    entries: dict[nn.Module, BakedLayer] = {}
    for layer, (name, *aliases) in names.items():
        entry = BakedLayer(name, tuple(aliases), tuple(sizes[layer]), parameters_before=_count(layer))
        with forward.evaluating(layer), torch.no_grad():
            plain = _plain(layer, sizes[layer], tolerance)
        if isinstance(plain, str):
            entries[layer] = replace(entry, parameters_after=entry.parameters_before, reason=plain)
        else:
            new[layer] = plain.module.train(layer.training)
            entries[layer] = replace(
                entry,
                kernel_before=plain.kernel_before,
                kernel_after=plain.kernel_after,
                bound=plain.bound,
                smallest_map=plain.smallest_map,
                parameters_after=_count(plain.module),
            )
    for changed, error in _errors(old, example_input, new).items():
        entries[changed] = replace(entries[changed], error=error)
    before, seconds_before = _timed(old, example_input)
    baked = substitute(old, new)
    after, seconds_after = _timed(baked, example_input)
    report = BakeReport(
        tuple(entries.values()), tolerance, forward.relative_change(before, after), seconds_before, seconds_after
    )
    return Baked(baked, report)


@dataclass(frozen=True)
class _Plain:
    module: nn.Module
    kernel_before: tuple[int, ...]
    kernel_after: tuple[int, ...]
    bound: float
    smallest_map: tuple[int, ...]


def _plain(layer: FrequencyConv | LCConv, sizes: Sequence[tuple[int, ...]], tolerance: float) -> _Plain | str:
    """Plain convolutions in the place of a layer, or the reason why there are none."""
    if not sizes:
        return "kept: the example input does not reach it in eval mode, so that the size of its kernels is unknown"
    candidates = [_candidate(layer, sizes, tolerance, combined=False)]
    if isinstance(layer, LCConv) and layer.expansion > 1:
        candidates.append(_candidate(layer, sizes, tolerance, combined=True))
    possible = [candidate for candidate in candidates if isinstance(candidate, _Plain)]
    return min(possible, key=_multiplications) if possible else candidates[0]


def _candidate(
    layer: FrequencyConv | LCConv, sizes: Sequence[tuple[int, ...]], tolerance: float, *, combined: bool
) -> _Plain | str:
    spatial = _spatial(layer)
    pointwise = layer.pointwise if isinstance(layer, LCConv) and not combined else None
    largest = max(sizes, key=math.prod)
    taps = [_taps(layer, spatial.applied_size(size), combined) for size in [largest, *sizes]]
    groups = pointwise.groups if pointwise is not None else 1
    weight = None if pointwise is None else pointwise.weight
    outside = beyond(taps[0], weight, groups)
    if not outside.isfinite().all():
        return "kept: its kernels are not finite"
    window = windows(taps[0].shape[2:])[int((outside <= tolerance).nonzero().min())]
    kernel, padding = _cut(spatial, taps[0], window)
    bound = max(_distance(kernel, other, weight, groups) for other in taps[1:])
    if bound > max(tolerance, _ROUNDING[kernel.dtype]):
        return f"kept: its kernels differ between the maps of {', '.join(map(str, sizes))} that reach it"
    geometry = zip(kernel.shape[2:], spatial.dilation, padding, strict=True)
    smallest = tuple(_smallest_map(d * (k - 1) + 1, pair, spatial.padding_mode) for k, d, pair in geometry)
    if any(n < s for size in sizes for n, s in zip(size, smallest, strict=True)):
        return (
            f"kept: a map of {min(sizes, key=math.prod)} cannot supply the {spatial.padding_mode} padding of {padding}"
        )
    convs = _convolution(spatial, kernel, padding)
    last = layer.pointwise if isinstance(layer, LCConv) else layer
    if pointwise is not None:
        convs.append(_from_weight(pointwise.weight, groups=pointwise.groups))
    if last.bias is not None:
        convs[-1].bias = nn.Parameter(last.bias.detach().clone())
    module = convs[0] if len(convs) == 1 else nn.Sequential(*convs)
    module.requires_grad_(any(p.requires_grad for p in layer.parameters()))
    move_hooks(module, layer)
    convolution = convs[-1 if pointwise is None else -2]
    return _Plain(module, tuple(taps[0].shape[2:]), tuple(convolution.weight.shape[2:]), bound, smallest)


def _cut(spatial: FrequencyConv, taps: Tensor, window: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """The taps within a window, and the padding before and behind each axis that keeps them aligned.

    A kernel that was given a size is cut by no more than its padding allows, and not at all if the size is even.
    """
    if spatial.kernel_size is None:
        kernel = crop(taps, window)
        return kernel, [(k // 2, k // 2) for k in kernel.shape[2:]]
    size, padding = [], []
    pairs = spatial._padding_pairs(spatial.kernel_size)
    for k, d, pair in zip(spatial.kernel_size, spatial.dilation, pairs, strict=True):
        cut = min((k - min(window, k)) // 2, min(pair) // d) if k % 2 else 0
        size.append(k - 2 * cut)
        padding.append((pair[0] - d * cut, pair[1] - d * cut))
    return resize_taps(taps, size), padding


def _convolution(spatial: FrequencyConv, kernel: Tensor, padding: list[tuple[int, int]]) -> list[Any]:
    """A plain convolution with the taps given; before it a padding layer, where one side gets more than the other."""
    modules: list[Any] = []
    if all(d == 1 for d in spatial.dilation):
        # "same" puts the odd pixel of an even kernel behind; a zero tap in front makes both sides equal.
        lead = [after - before for before, after in padding]
        kernel = nn.functional.pad(kernel, [n for odd in reversed(lead) for n in (odd, 0)])
        padding = [(after, after) for _, after in padding]
    if any(before != after for before, after in padding):
        pads = {
            "zeros": "ZeroPad",
            "circular": "CircularPad",
            "reflect": "ReflectionPad",
            "replicate": "ReplicationPad",
        }
        pad = getattr(nn, f"{pads[spatial.padding_mode]}{spatial.ndim}d")
        modules.append(pad([n for pair in reversed(padding) for n in pair]))
        padding = [(0, 0)] * spatial.ndim
    conv = _from_weight(
        kernel,
        groups=spatial.in_channels // kernel.shape[1],
        stride=spatial.stride,
        padding=tuple(before for before, _ in padding),
        dilation=spatial.dilation,
        padding_mode=spatial.padding_mode,
    )
    return [*modules, conv]


def _from_weight(weight: Tensor, *, groups: int, **geometry: Any) -> Any:
    """An `nn.ConvNd` without bias, made without a draw of weights that nobody sees."""
    kind = _CONVS[weight.dim() - 2]
    channels = (groups * weight.shape[1], weight.shape[0])
    conv = nn.utils.skip_init(kind, *channels, tuple(weight.shape[2:]), groups=groups, bias=False, **geometry)
    conv.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
    return conv


def _taps(layer: FrequencyConv | LCConv, size: tuple[int, ...], combined: bool) -> Tensor:
    taps = layer.combined_taps(size) if combined and isinstance(layer, LCConv) else _spatial(layer).filter.taps(size)
    return taps.detach().to(next(t.dtype for t in _tensors(layer) if t.is_floating_point()))


def _distance(kernel: Tensor, taps: Tensor, pointwise: Tensor | None, groups: int) -> float:
    """|kernel - taps| / |taps| in `operator_norm`, centre on centre."""
    size = tuple(map(max, kernel.shape[2:], taps.shape[2:]))
    norms = [
        operator_norm(difference.double().abs().flatten(2).sum(-1, keepdim=True), pointwise, groups).item()
        for difference in (resize_taps(kernel, size) - resize_taps(taps, size), taps)
    ]
    return norms[0] and norms[0] / norms[1]


def _smallest_map(span: int, padding: tuple[int, int], mode: str) -> int:
    """Pixels that the padding of an axis can be made of, and that are enough for the kernel then."""
    supply = {"circular": max(padding), "reflect": max(padding) + 1}.get(mode, 1)
    return max(supply, span - sum(padding), 1)


def _multiplications(plain: _Plain) -> int:
    """Of all convolutions, per output pixel."""
    return sum(weight.numel() for name, weight in plain.module.named_parameters() if name.endswith("weight"))


def _errors(
    model: nn.Module, example_input: forward.ExampleInput, new: Mapping[nn.Module, nn.Module]
) -> dict[nn.Module, float]:
    """How far each new module is from the layer it will replace, on the maps that reach that layer."""
    errors: dict[nn.Module, float] = {}

    def compare(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        with forward.evaluating(new[layer]):
            plain = new[layer].forward(*args, **kwargs)
        error = forward.relative_error((plain - output).double(), output.double())
        errors[layer] = max(error, errors.get(layer, 0.0))

    hooks = [layer.register_forward_hook(compare, with_kwargs=True, prepend=True) for layer in new]
    try:
        forward.run(model, example_input)
    finally:
        for hook in hooks:
            hook.remove()
    return errors


def _timed(model: nn.Module, example_input: forward.ExampleInput) -> tuple[Any, float]:
    """What the model returns, and the median time of a run after the first."""
    output = forward.run(model, example_input)
    seconds = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        forward.run(model, example_input)
        seconds.append(time.perf_counter() - start)
    return output, statistics.median(seconds)


def _frequency_layers(model: nn.Module) -> dict[FrequencyConv | LCConv, list[str]]:
    """The layers to replace and where they stand; those inside an `LCConv` belong to it."""
    inside = {m.spatial for m in model.modules() if isinstance(m, LCConv)}
    names: dict[FrequencyConv | LCConv, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, FrequencyConv | LCConv) and module not in inside:
            names.setdefault(module, []).append(name)
    return names


def _spatial(layer: FrequencyConv | LCConv) -> FrequencyConv:
    return layer.spatial if isinstance(layer, LCConv) else layer


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _count(module: nn.Module) -> int:
    counts = count_parameters(module)
    return counts.learnable + counts.frozen
