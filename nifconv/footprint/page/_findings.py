"""What a survey found, in words: from layers to sentences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nifconv._support.text import by_size
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._null import LEAST_COPIES
from nifconv.footprint.measures._table import BY_NAME
from nifconv.footprint.receptive import ReceptiveField

Fields = Mapping[str, Sequence[ReceptiveField]]
"""Receptive fields by the name of their survey; "" if they belong to none in particular."""

RINGS = 2.0  # cross preference; 1 means no ringing, and kernels of a spectrum that jumps measure 3 and more


@dataclass(frozen=True)
class Finding:
    """A sentence or two about a survey.

    Attributes:
        topic: what it is about.
        text: the sentences, plain text.
        layer: the layer that they name, if any.
        survey: name of the survey, where there are several.
        warning: whether it says that something cannot be known.
    """

    topic: str
    text: str
    layer: LayerFootprint | None = None
    survey: str = ""
    warning: bool = False


def findings(surveys: Mapping[str, Sequence[LayerFootprint]], fields: Fields) -> list[Finding]:
    """All that can be said: of one survey, or of the first and the last of several and of the change between them."""
    names = list(surveys)
    ends = list(dict.fromkeys((names[0], names[-1])))  # of many epochs, those in between are at the slider
    found = [changes(*((name, surveys[name]) for name in ends))] if len(ends) > 1 else []
    for topic in (largest, map_share, training, ringing):
        for name in ends:
            finding = topic(surveys[name])
            found.append(Finding(finding.topic, finding.text, finding.layer, name, finding.warning))
    return found + [receptive_field(field, name) for name, some in fields.items() for field in some]


def largest(layers: Sequence[LayerFootprint]) -> Finding:
    """The layer whose kernels are largest, and how the others compare."""
    sized = _measured(layers, "size90")
    if not sized:
        return Finding("Largest kernels", "There is no kernel to measure.")
    # Sizes move in steps of two pixels; the radius decides between layers of equal size.
    top = max(sized, key=lambda layer: (sized[layer], layer.statistic("rms_radius")))
    # Kernels of 3 pixels and less cannot be larger, and would only raise the count.
    wider = [size for layer, size in sized.items() if max(layer.taps.shape[2:]) > 3]
    text = (
        f"{_name(top)}: 90 % of the absolute weight of its kernels lies within a window of {_pixels(sized[top])}, on a "
        f"map of {by_size(top.map_size)}."
    )
    if wider:
        count = sum(size <= 3 for size in wider)
        text += f" A window of 3 pixels is enough in {count or 'none'} of {_layers(len(wider))} with larger kernels."
    return Finding("Largest kernels", text, top)


def map_share(layers: Sequence[LayerFootprint]) -> Finding:
    """What share of their maps the kernels use."""
    sized = _measured(layers, "size90")
    if not sized:
        return Finding("Use of the map", "There is no kernel to measure.")
    # Of the area; on a small map the odd window around a global kernel is a pixel larger than the map.
    shares = {layer: math.prod(min(size, n) / n for n in layer.map_size) for layer, size in sized.items()}
    top = max(shares, key=shares.__getitem__)
    middle = statistics.median(shares.values())
    return Finding(
        "Use of the map",
        f"The window that holds 90 % of a kernel covers {_percent(middle)} of its map in the median layer and "
        f"{_percent(shares[top])} in {_name(top)}, the most.",
        top,
    )


def training(layers: Sequence[LayerFootprint]) -> Finding:
    """What training changed, against re-initialised copies of each layer."""
    topic = "What training changed"
    drawn = {layer: layer.null for layer in layers if layer.null}
    if not drawn:
        return Finding(
            topic,
            "Unknown: the survey has no null distribution, so kernels may be as small or large as they were before "
            f"training. Survey with null={LEAST_COPIES + 1} to see.",
            warning=True,
        )
    copies = min(null.draws for null in drawn.values())
    if copies < LEAST_COPIES:
        return Finding(
            topic,
            f"Unknown: {copies} re-initialised copies of each layer are too few, and z is not evidence, however large. "
            f"p cannot fall below {2 / (copies + 1):.2g}; survey with null={LEAST_COPIES + 1} or more.",
            warning=True,
        )
    # By radius, not by size: a kernel of 3 x 3 pixels has hardly any sizes to choose from.
    effects = {layer: null.effect("rms_radius", layer.statistic("rms_radius")) for layer, null in drawn.items()}
    clear = {layer: effect for layer, effect in effects.items() if effect.is_evidence}
    if not clear:
        return Finding(topic, f"No layer differs clearly in rms radius from its {copies} re-initialised copies.")
    up = sum(effect.value > effect.mean for effect in clear.values())
    top = max(clear, key=lambda layer: abs(clear[layer].z or 0))
    effect, show = clear[top], BY_NAME["rms_radius"].format
    return Finding(
        topic,
        f"Against {copies} re-initialised copies of each, kernels are larger in {_of(up, len(effects))} and smaller in "
        f"{len(clear) - up} (rms radius, |z| ≥ 3 and p ≤ 0.1). The clearest is {_name(top)}: {show(effect.value)} px "
        f"against {show(effect.mean)} px, z = {effect.z:+.1f}.",
        top,
    )


def ringing(layers: Sequence[LayerFootprint]) -> Finding:
    """Whether kernels ring, and whether they did before training."""
    crossed = _measured(layers, "cross_preference")
    if not crossed:
        return Finding("Ringing", "Cannot be seen: no kernel has weight far enough outside the central 9 pixels.")
    top = max(crossed, key=crossed.__getitem__)
    value, ring = f"{crossed[top]:.1f}", sum(share > RINGS for share in crossed.values())
    if not ring:
        return Finding(
            "Ringing", f"None: cross preference is at most {value}, in {_name(top)}; 1 means no ringing.", top
        )
    text = (
        f"Kernels of {_of(ring, len(crossed))} put their tails on the axes; cross preference is {value} in "
        f"{_name(top)}, where 1 means no ringing."
    )
    # The parametrisation can ring on its own, which says nothing of training.
    before = top.null.effect("cross_preference", crossed[top]).mean if top.null else math.nan
    if before == before:  # not NaN
        origin = "it comes with the parametrisation, not from training" if before > RINGS else "training brought it"
        text += f" Re-initialised copies of it measure {before:.1f}: {origin}."
    return Finding("Ringing", text, top)


def changes(first: tuple[str, Sequence[LayerFootprint]], last: tuple[str, Sequence[LayerFootprint]]) -> Finding:
    """What changed between two surveys in the layers that both have, by name and map size."""
    earlier = {(layer.name, layer.map_size): size for layer, size in _measured(first[1], "size90").items()}
    moved = {
        layer: (size - earlier[layer.name, layer.map_size], earlier[layer.name, layer.map_size], size)
        for layer, size in _measured(last[1], "size90").items()
        if (layer.name, layer.map_size) in earlier
    }
    topic = f"From “{first[0]}” to “{last[0]}”"
    if not moved:
        return Finding(topic, "No layer is in both, by its name and map size.")
    up, down = (sum(sign * change > 0 for change, _, _ in moved.values()) for sign in (1, -1))
    text = f"Kernels grew in {_of(up, len(moved))} and shrank in {down} (size 90 %)."
    top = max(moved, key=lambda layer: abs(moved[layer][0]))
    change, before, after = moved[top]
    if not change:
        return Finding(topic, text)
    return Finding(topic, f"{text} Most in {_name(top)}: from {before:g} to {after:g} px.", top)


def receptive_field(field: ReceptiveField, survey: str = "") -> Finding:
    """What one unit sees."""
    name, data = f"“{field.layer}”" if field.layer else "the output", field.to_dict()
    topic = f"Receptive field of {name}"
    if data["gaussian"] is None:
        return Finding(topic, f"No pixel of {by_size(data['size'])} contributes.", survey=survey, warning=True)
    half, whole = (
        f"{data['side'][share]:g} px ({_percent(data['area'][share])} of the area)" for share in ("0.5", "0.99")
    )
    return Finding(
        topic,
        f"Of all that reaches its central unit from an input of {by_size(data['size'])}, half comes from the central "
        f"{half} and 99 % from {whole}. The field is {_percent(data['gaussian'])} Gaussian.",
        survey=survey,
    )


def _measured(layers: Sequence[LayerFootprint], measure: str) -> dict[LayerFootprint, float]:
    """A measure of each layer where it has a value."""
    values = {layer: layer.statistic(measure) for layer in layers}
    return {layer: value for layer, value in values.items() if value == value}


def _name(layer: LayerFootprint) -> str:
    return f"“{layer.name or layer.kind}”"


def _of(count: int, total: int) -> str:
    return f"{count} of {_layers(total)}"


def _layers(count: int) -> str:
    return f"{count} layer{'s' if count != 1 else ''}"


def _pixels(side: float) -> str:
    return f"{side:g} pixel{'s' if side != 1 else ''}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
