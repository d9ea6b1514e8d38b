"""Replacing the convolutions of a model by frequency convolutions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from nifconv._support import forward
from nifconv._support.arguments import choice, positive_float, positive_int
from nifconv._support.modules import copy_model, places, put, substitute
from nifconv.conversion._build import Plan, To, adopt, carries_parametrization, move_parametrization, share
from nifconv.conversion._match import centred_taps, match_, matching_size
from nifconv.conversion._report import Conversion, ConversionReport, Decision
from nifconv.conversion._select import Where, convolutions, default_choice, user_choice
from nifconv.conversion._unsupported import obstacle, size_obstacle
from nifconv.filters import FilterFactory, ImplicitFilter, needs_kernel_size
from nifconv.functional import PADDING_MODES
from nifconv.layers import ConvNd, FrequencyConv, LCConv, conv_gain


def convert(
    model: nn.Module,
    *,
    to: To = "split",
    expansion: int = 1,
    filter: FilterFactory = ImplicitFilter,
    where: Where | None = None,
    kernel_size: int | Sequence[int] | None = None,
    padding_mode: str | None = None,
    match: bool = False,
    tolerance: float | None = None,
    example_input: forward.ExampleInput | None = None,
    inplace: bool = False,
) -> Conversion:
    """Replaces the spatial convolutions of a model by frequency convolutions, of the same gain or the same function.

    By default those with stride 1 and more than one tap are replaced, and the stem is kept (the first convolution,
    where it reads an image: at most 4 channels), as in Grabinski, Keuper & Keuper 2024. 1x1 convolutions are never
    replaced, and what cannot be replaced faithfully is kept, with the reason in the report.

    The new filters are fresh, with the std(output) / std(input) under white input of the replaced layer, unless
    `match` asks for its function. Bias, device, dtype, train/eval state, `requires_grad` and hooks are taken over. A
    module that occurs at several places is replaced by one module at all of them, and convolutions that share a weight
    by layers that share a filter. A parametrization of the weight moves to the taps of a `SpatialFilter` of that shape.

    With `match`, taps are taken over exactly by a `SpatialFilter` or a `TableFilter` that is large enough, and
    approximated by others (see `fit`); "lc" and "split" factor them (see `conversion._match`): exact for a depthwise
    convolution, and for any other if `expansion` is at least min(out_channels / groups, taps), else the best
    approximation of that rank. The report says how close each layer came.

    Args:
        model: any module; a bare `nn.ConvNd` too.
        to: "lc": an `LCConv` block: `expansion` depthwise frequency filters for each input channel, then a 1x1
            convolution with the groups of the original. "split": the same with one filter each; a convolution that is
            depthwise already becomes a depthwise frequency convolution alone. "dense": a frequency convolution with
            the channels and groups of the original. Or a function `(name, conv) -> module`, or None to keep `conv`.
        expansion: E of "lc".
        filter: as in `FrequencyConv2d`. `SpatialFilter` without a size gets that of the replaced convolution; of a
            `frozen` one each layer gets its own draw, from the seed and the layer's name; a `FilterBank` is shared.
        where: which convolutions, instead of the default choice: a name pattern such as "layer1.*", several of them,
            a type, a predicate `(name, conv) -> bool`, or a mapping with some of the keys name, type, kernel_size,
            stride and groups (a number or "depthwise"), all of which have to hold; a list as a value means any of it.
        kernel_size: taps of the new kernels, or None for kernels as large as the map. The output keeps its size.
        padding_mode: of the new layers; by default "circular", and with `match` that of the replaced layer.
        match: keep the function of the model, as closely as the filter can.
        tolerance: with `match`, the largest |taps - original| / |original| of a layer that is accepted.
        example_input: with `match`, an input of the model, from which the report measures the change of the output.
            Kernels as large as the map are then matched on the maps that it brings about, and else on maps of 32
            pixels (in 3-d, 16).
        inplace: change `model` itself; by default a deep copy is changed. Where an error is raised, it is unchanged.

    Returns:
        `Conversion(model, report)`.

    Raises:
        TypeError: `model` is not a module, `to`, `where` or `filter` is none of the above, or `kernel_size` or
            `expansion` is not of integers.
        ValueError: `where` matches nothing, the model cannot be copied, `to` or `padding_mode` is unknown,
            `kernel_size` or `expansion` is below 1, `expansion` is given without "lc", the filter does not fit a
            layer; `tolerance` or `example_input` is given without `match`; with it, a filter is frozen or shared
            where no 1x1 convolution follows, or a layer is farther from the original than `tolerance`.
    """
    _check_arguments(model, to, expansion, filter, padding_mode)
    plan = Plan(to, expansion, filter, kernel_size, padding_mode or (None if match else "circular"), match)
    _check_matching(plan, tolerance, example_input)
    return carry_out(plan, model if inplace else copy_model(model), where, tolerance, example_input)


def carry_out(
    plan: Plan,
    model: nn.Module,
    where: Where | None,
    tolerance: float | None = None,
    example_input: forward.ExampleInput | None = None,
) -> Conversion:
    """Converts a model in place, or raises and leaves it as it is; see `convert`."""
    names = convolutions(model)
    reasons = default_choice(names) if where is None else user_choice(names, where)
    reasons = {conv: obstacle(conv) or reason for conv, reason in reasons.items()}
    sizes = _map_sizes(model, example_input, [conv for conv, reason in reasons.items() if not reason])
    results = {
        conv: _Result(None, reasons[conv]) if reasons[conv] else _replacement(name, conv, plan, sizes.get(conv))
        for conv, (name, *_) in names.items()
    }
    _share_tied_weights(model, results, plan.match)
    _check_tolerance(names, results, tolerance)
    decisions = tuple(_decision(names[conv], conv, result) for conv, result in results.items())
    new = {conv: result.layer for conv, result in results.items() if result.layer is not None}
    if example_input is None:
        model, change = substitute(model, new), None
    else:
        model, change = _substitute_and_compare(model, new, example_input)
    return Conversion(model, ConversionReport(decisions, change), plan)


@dataclass(frozen=True)
class _Result:
    """The layer in the place of a convolution, or None; why, or why not; and how far it is from it if matched."""

    layer: nn.Module | None
    reason: str
    residual: float | None = None


def _replacement(name: str, conv: Any, plan: Plan, map_size: tuple[int, ...] | None) -> _Result:
    layer: nn.Module | None
    if callable(plan.to):
        layer = plan.to(name, conv)
        if layer is None:
            return _Result(None, "left alone by `to`")
        if not isinstance(layer, nn.Module):
            raise TypeError(f"`to` returned a {type(layer).__name__} for {name!r}; it must return a module, or None")
    elif reason := size_obstacle(conv, plan.kernel_for(conv)):
        return _Result(None, reason)
    else:
        layer = plan.build(name, conv)
    if parametrize.is_parametrized(conv):
        if not isinstance(layer, FrequencyConv) or not carries_parametrization(layer, conv):
            return _Result(
                None,
                "its weight is parametrized, and the new layer has none of that shape; use filter=SpatialFilter with "
                "to='dense', or remove the parametrization first",
            )
        move_parametrization(layer, conv, keep_weight=plan.match)
    adopt(layer, conv)
    reason = _describe(conv, layer)
    if not plan.match:
        return _Result(layer, reason)
    with forward.evaluating(layer):  # in train mode, spectral_norm goes on to iterate at every look at the weight
        return _Result(layer, reason, match_(layer, conv, matching_size(layer, conv, map_size)))


def _map_sizes(
    model: nn.Module, example_input: forward.ExampleInput | None, convs: Sequence[nn.Module]
) -> dict[nn.Module, tuple[int, ...]]:
    """The largest map that reaches each convolution; nothing for one that does not run."""
    sizes: dict[nn.Module, tuple[int, ...]] = {}
    if example_input is not None:
        for conv, size in forward.map_sizes(model, example_input, convs):
            sizes[conv] = max(sizes.get(conv, size), size, key=math.prod)
    return sizes


def _substitute_and_compare(
    model: nn.Module, new: Mapping[nn.Module, nn.Module], example_input: forward.ExampleInput
) -> tuple[nn.Module, float]:
    before = forward.run(model, example_input)
    old = places(model, new)
    converted = substitute(model, new)
    try:
        return converted, forward.relative_change(before, forward.run(converted, example_input))
    except Exception:
        put(old)
        raise


def _share_tied_weights(model: nn.Module, results: dict[nn.Module, _Result], match: bool) -> None:
    """Convolutions that share their weight become layers that share their filter, or stay as they are."""
    owners = {part: conv for conv in results for part in getattr(conv, "parametrizations", nn.Module()).modules()}
    holders: dict[nn.Parameter, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            holders.setdefault(parameter, []).append(owners.get(module, module))
    for parameter, modules in holders.items():
        tied = [m for m in modules if m in results and getattr(m, "bias", None) is not parameter]
        if len(modules) == 1 or all(results[m].layer is None for m in tied):
            continue
        if len(tied) < len(modules) or not _share(tied, results, match):
            reason = "its weight is used by another module too, from which a new layer would part it"
            results.update({m: _Result(None, reason) for m in tied})


def _share(tied: Sequence[Any], results: Mapping[nn.Module, _Result], match: bool) -> bool:
    """Makes the new layers of convolutions with one weight use one filter; False if they cannot."""
    first, *others = tied
    kernel = results[first].layer
    if kernel is None or parametrize.is_parametrized(first):
        return False
    for conv in others:
        layer = results[conv].layer
        if layer is None or not share(layer, kernel):
            return False
        # Taps of another dilation or padding come to lie elsewhere in a kernel as large as the map.
        if match and not torch.equal(centred_taps(conv, layer), centred_taps(first, kernel)):
            return False
    return True


def _check_tolerance(
    names: Mapping[nn.Module, Sequence[str]], results: Mapping[nn.Module, _Result], tolerance: float | None
) -> None:
    if tolerance is None:
        return
    found = {names[conv][0]: result.residual for conv, result in results.items() if result.residual is not None}
    above = [f"{name} ({residual:.2g})" for name, residual in found.items() if not residual <= tolerance]
    if above:
        raise ValueError(
            f"tolerance={tolerance} is not reached by {len(above)} of {len(found)} layers: {', '.join(above)}; nothing "
            "was changed; use a larger expansion, a filter with more parameters, or a larger tolerance"
        )


def _decision(places: Sequence[str], conv: nn.Module, result: _Result) -> Decision:
    return Decision(
        name=places[0],
        aliases=tuple(places[1:]),
        replaced=result.layer is not None,
        reason=result.reason,
        before=repr(conv),
        after="" if result.layer is None else repr(result.layer),
        parameters_before=_count(conv),
        parameters_after=_count(conv if result.layer is None else result.layer),
        residual=result.residual,
    )


def _describe(conv: ConvNd, layer: nn.Module) -> str:
    spatial = layer.spatial if isinstance(layer, LCConv) else layer
    if not isinstance(spatial, FrequencyConv):
        return f"{type(conv).__name__} -> {type(layer).__name__}, as `to` says"
    kernel = "as large as the map" if spatial.kernel_size is None else str(spatial.kernel_size)
    channels = "depthwise" if spatial.groups == spatial.in_channels else f"groups={spatial.groups}"
    words = [f"kernel_size={conv.kernel_size} -> {kernel}, {channels}{' + 1x1' if spatial is not layer else ''}"]
    if spatial.padding_mode != conv.padding_mode:
        words.append(f"padding_mode {conv.padding_mode} -> {spatial.padding_mode}")
    if conv_gain(conv) == 0:
        words.append("all weights were zero, and so are the new ones")
    return "; ".join(words)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if not nn.parameter.is_lazy(p))


def _check_arguments(
    model: object, to: object, expansion: object, filter: FilterFactory, padding_mode: str | None
) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    if not callable(to):
        choice("to", to, ("split", "dense", "lc"))  # type: ignore[arg-type]
    if padding_mode is not None:
        choice("padding_mode", padding_mode, PADDING_MODES)
    if positive_int("expansion", expansion) > 1 and to != "lc":
        raise ValueError(f"expansion={expansion} has no meaning for to={to!r}; use to='lc', or expansion=1")
    needs_kernel_size(filter)  # refuses what is no factory, also where nothing will be replaced


def _check_matching(plan: Plan, tolerance: float | None, example_input: forward.ExampleInput | None) -> None:
    given = [name for name, value in (("tolerance", tolerance), ("example_input", example_input)) if value is not None]
    if given and not plan.match:
        raise ValueError(f"{' and '.join(given)} without match=True: nothing is compared then; give match=True")
    if tolerance is not None:
        positive_float("tolerance", tolerance)
