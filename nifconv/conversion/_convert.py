"""The steps of `convert`: choose, build, match, substitute, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from nifconv._support import forward, history
from nifconv._support.arguments import positive_float, torch_module
from nifconv._support.forward import Progress
from nifconv._support.modules import copy_model, places, set_children, substitute
from nifconv.conversion._advice import check_replaced, warn_of_misfits
from nifconv.conversion._build import build_layer
from nifconv.conversion._candidate import Candidate
from nifconv.conversion._filters import Filters
from nifconv.conversion._match import match_layer
from nifconv.conversion._plan import Plan, To
from nifconv.conversion._report import Conversion, report_on
from nifconv.conversion._select import Where, choose
from nifconv.conversion._tie import tie_filters
from nifconv.filters import ImplicitFilter


def convert(
    model: nn.Module,
    *,
    to: To = "split",
    expansion: int = 1,
    filter: Filters = ImplicitFilter,
    where: Where | None = None,
    kernel_size: int | Sequence[int] | None = None,
    padding_mode: str | None = None,
    match: bool = False,
    tolerance: float | None = None,
    example_input: forward.ExampleInput | None = None,
    inplace: bool = False,
    progress: Progress | None = None,
) -> Conversion:
    """Replaces the spatial convolutions of a model by frequency convolutions, of the same gain or the same function.

    By default convolutions with stride 1 and more than one tap are replaced, except for the stem (the first
    convolution, if it reads an image: at most 4 channels), as in Grabinski, Keuper & Keuper 2024. 1x1 convolutions are
    never replaced, and a convolution that cannot be replaced faithfully is kept, with the reason in the report.

    Unless `match` is given, the filters are newly initialised with the gain of the replaced layer, std(output) /
    std(input) under white input. New layers inherit bias, device, dtype, train/eval state, `requires_grad` and hooks.
    A module at several places is replaced by one module at all of them, and convolutions that share a weight by layers
    that share a filter. A parametrization of the weight moves to the taps of a `SpatialFilter` of that shape.

    With `match`, a `SpatialFilter` or a `TableFilter` that is large enough copies the taps exactly, and other filters
    approximate them (see `fit`); "lc" and "split" factor them: exact for a depthwise convolution, and for any other if
    `expansion` is at least min(out_channels / groups, taps), else the best approximation of that rank. The report says
    how close each layer came.

    Args:
        model: any module; a bare `nn.ConvNd` too.
        to: "lc": an `LCConv` block: `expansion` depthwise frequency filters for each input channel, then a 1x1
            convolution with the groups of the original. "split": the same with one filter each; a convolution that is
            depthwise already becomes a depthwise frequency convolution alone. "dense": a frequency convolution with
            the channels and groups of the original. Or a function `(name, conv)` that returns the new module, or None
            to keep `conv`; a `nifconv.layers.SpatialLayer` of your own takes part in all that follows. Without `match`
            it is also called with subclasses of `nn.ConvNd` from other libraries, and must know what these compute.
        expansion: E, spatial filters per input channel, for "lc".
        filter: as in `FrequencyConv2d`. `SpatialFilter` without a size gets that of the replaced convolution; a
            `frozen` filter is drawn for each layer from the seed and the layer's name; a `FilterBank` is shared. Or a
            mapping of names and patterns to filters, or to None for layers to keep:
            `{"stages.2.*": ImplicitFilter, "re:.*dw": SpatialFilter, "_default": None}`. The exact name takes
            precedence, then the first pattern that matches, then "_default", which stands for the default choice of
            layers unless `where` is given; a layer without an entry is kept.
        where: which convolutions to replace, instead of the default choice: a name pattern such as "layer1.*" or
            "re:.*conv[12]", several patterns, a type, a predicate `(name, conv) -> bool`, or a mapping with some of the
            keys name, type, kernel_size, stride and groups (a number or "depthwise"), all of which must hold; a list as
            a value means any of its entries.
        kernel_size: taps of the new kernels, or None for kernels as large as the map (with `SpatialFilter`, for as many
            taps as the replaced layer has). The output keeps its size.
        padding_mode: padding mode of the new layers; by default that of the old layer, and "circular" for kernels as
            large as the map, unless `match` is given.
        match: keep the function of the model, as closely as the filter can.
        tolerance: with `match`, the largest |taps - original| / |original| of a layer that is accepted.
        example_input: an input of the model, on which the report counts floating-point operations and, with `match`,
            measures the change of the output. Kernels as large as the map are then matched at the largest
            map that it produces for each layer, otherwise at 32 pixels (in 3-d, 16).
        inplace: change `model` itself; by default a deep copy is changed. If an error is raised, it is unchanged.
        progress: wraps the loop over the layers to replace, such as `rich.progress.track`.

    Returns:
        `Conversion(model, report)`.

    Warns:
        UserWarning: nothing was replaced; or with `match` and without a `tolerance`, a layer has a residual above 0.1.

    Raises:
        TypeError: `model` is not a module, `to`, `where` or `filter` is none of the above, or `kernel_size` or
            `expansion` is not an integer.
        ValueError: `where` matches nothing, or, as a pattern, type or mapping, nothing that can be replaced; a name or
            pattern of `filter` matches nothing, or its filter does not fit a layer; the model cannot be copied, `to` or
            `padding_mode` is unknown, `kernel_size` or `expansion` is below 1, `expansion` is given without "lc";
            `tolerance` is given without `match`; with it, a filter is frozen or shared where no 1x1 convolution
            follows, or a layer is farther from the original than `tolerance`.
    """
    torch_module("model", model)
    plan = Plan(to, expansion, filter, kernel_size, padding_mode, match)
    if tolerance is not None and not match:
        raise ValueError(f"tolerance={tolerance} needs match=True, since nothing is compared without it")
    if tolerance is not None:
        positive_float("tolerance", tolerance)
    conversion = convert_inplace(
        plan, model if inplace else copy_model(model), where, tolerance, example_input, progress or iter
    )
    check_replaced(conversion.report, conversion.model, where)
    return conversion


def convert_inplace(
    plan: Plan,
    model: nn.Module,
    where: Where | None,
    tolerance: float | None = None,
    example_input: forward.ExampleInput | None = None,
    progress: Progress = iter,
    *,
    weights_follow: bool = False,
) -> Conversion:
    """Converts a model in place, or raises and leaves it as it is; see `convert`.

    Args:
        plan, model, where, tolerance, example_input, progress: see `convert`.
        weights_follow: whether weights will be loaded, so that nothing need be matched.
    """
    before = history.of(model)
    matching = plan.match and not weights_follow
    candidates = choose(model, where, plan)
    # Up to `_substitute` only candidates change, so that an error leaves the model as it was.
    for candidate in candidates:
        if candidate.reason is None:
            build_layer(candidate, plan)
    if matching:
        _match(candidates, _map_sizes(model, example_input, candidates), progress)
    # After matching, which would otherwise fit a shared filter once for each layer that uses it.
    tie_filters(model, candidates, match=matching)
    # After tying, which may keep layers whose residual would otherwise count.
    chosen = [candidate for candidate in candidates if candidate.layer is not None]
    _check_tolerance(chosen, tolerance)
    if tolerance is None:
        warn_of_misfits(chosen, plan)
    new = {candidate.conv: candidate.layer for candidate in chosen if candidate.layer is not None}
    model, change, flops = _substitute(model, new, example_input, compare=matching)
    conversion = Conversion(model, report_on(candidates, change, flops), plan)
    if new:  # otherwise a file has nothing to repeat
        history.add(model, before, conversion.step())
    return conversion


def _match(
    candidates: Sequence[Candidate], map_sizes: Mapping[nn.Module, set[tuple[int, ...]]], progress: Progress
) -> None:
    """Fits filters to taps, layer by layer: the step that takes long."""
    for candidate in progress([candidate for candidate in candidates if candidate.layer is not None]):
        assert candidate.layer is not None  # noqa: S101 - for the type checker
        candidate.residual = match_layer(candidate.layer, candidate.conv, map_sizes.get(candidate.conv, set()))


def _map_sizes(
    model: nn.Module, example_input: forward.ExampleInput | None, candidates: Sequence[Candidate]
) -> dict[nn.Module, set[tuple[int, ...]]]:
    """Sizes of the maps that reach each convolution; one that does not run has no entry."""
    sizes: dict[nn.Module, set[tuple[int, ...]]] = {}
    if example_input is not None:
        for conv, size in forward.map_sizes(model, example_input, [c.conv for c in candidates if c.layer is not None]):
            sizes.setdefault(conv, set()).add(size)
    return sizes


def _substitute(
    model: nn.Module,
    new: Mapping[nn.Module, nn.Module],
    example_input: forward.ExampleInput | None,
    *,
    compare: bool,
) -> tuple[nn.Module, float | None, tuple[int, int] | None]:
    """The model with its new layers; how much its output changed, and its flops before and after, where known."""
    if example_input is None:
        return substitute(model, new), None, None
    before, flops_before = forward.counted(model, example_input)
    old = places(model, new)
    converted = substitute(model, new)
    try:
        after, flops_after = forward.counted(converted, example_input)
        change = forward.relative_change(before, after) if compare else None
    except Exception:
        set_children(old)  # with `inplace` the caller's model has to stay as it was
        raise
    return converted, change, (flops_before, flops_after)


def _check_tolerance(chosen: Sequence[Candidate], tolerance: float | None) -> None:
    if tolerance is None:
        return
    found = {candidate.names[0]: candidate.residual for candidate in chosen if candidate.residual is not None}
    # `not <=` rather than `>`, so that NaN is not accepted.
    above = [f"{name} ({residual:.2g})" for name, residual in found.items() if not residual <= tolerance]
    if above:
        raise ValueError(
            f"tolerance={tolerance} is not reached by {len(above)} of {len(found)} layers: {', '.join(above)}; nothing "
            "was changed; use a larger expansion, a filter with more parameters, or a larger tolerance"
        )
