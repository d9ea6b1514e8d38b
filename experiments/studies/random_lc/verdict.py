"""The claims, from the paper but for the last three, and the contrasts between rows that decide them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.studies.random_lc import variants
from experiments.studies.random_lc.variants import ENVELOPED, FREQUENCY, FROZEN_PLAIN, PLAIN, SMALLEST, Variant, taps
from experiments.study.statistics import Contrast

if TYPE_CHECKING:
    from experiments.studies.random_lc.run import Recipe

MARGIN = 0.02
"""What "within two points" allows."""
LOSS_WITHOUT = 0.16
"""What frozen filters lose without 1x1 convolutions, as published."""
PASSES_FROM = 8
"""The E from which frozen filters pass learned ones, as published."""

CLAIMS: Mapping[str, str] = {
    "R1 taps": "Frozen 3x3 taps stay within two points of learned ones, at every E",
    "R1 frequency": "Frozen frequency filters stay within two points of learned ones, at every E",
    "R1 without": "Without 1x1 convolutions, frozen 3x3 filters lose 16 points or more",
    "R2 rises": "With frozen filters, taps or frequency, accuracy rises with E, from the smallest to the largest",
    "R2 learned taps": f"Frozen 3x3 taps pass learned ones, at every E from {PASSES_FROM} on",
    "R2 learned frequency": f"Frozen frequency filters pass learned ones, at every E from {PASSES_FROM} on",
    "R2 plain taps": "Frozen 3x3 taps pass the plain net of the same width, at the largest E",
    "R2 plain frequency": "Frozen frequency filters pass the plain net of the same width, at the largest E",
    "R3 grows": "The gap between learned and frozen taps grows with the kernel, at every E",
    "R3 centred": "Learned taps of the largest size have more energy at the centre than frozen ones, at every E",
    "R3 closes frequency": "The gap is smaller with global frequency filters than with the largest taps, at every E",
    "R3 closes envelope": "The gap is smaller with the largest taps under a Gaussian than without it, at every E",
    "R3 beats frequency": "Frozen frequency filters beat frozen taps of the largest size, at every E",
    "R3 beats envelope": "Frozen taps of the largest size under a Gaussian beat those without it, at every E",
    "R4 plain": "Frozen 3x3 taps pass the plain net of as many learnable parameters, at every E",
    "R4 narrow": "Frozen 3x3 taps pass the learned LC net (E=1) of as many learnable parameters, at every E",
    "R4 frequency": "Frozen frequency filters pass the plain net of as many learnable parameters, at the largest E",
    "R5 FGSM": "Frozen 3x3 taps are more accurate than learned ones under FGSM of 1/255, at the largest E",
    "R5 PGD": "Frozen 3x3 taps are more accurate than learned ones under PGD of any size, at the largest E",
    "R5 inside": "With BN+ReLU inside the block, learned 3x3 taps pass frozen ones",
    "R6": "One bank of frozen filters for all layers costs less than two points",
    "boundary": "Maps that wrap around cost accuracy, with frozen 7x7 filters of either kind",
    "parameters": "Frozen 7x7 taps beat frozen 7x7 frequency filters on the same boundary",
    "features": "Frozen 7x7 frequency filters gain from more features",
}


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """What contrasts are made of, by seed: accuracies, accuracies under attack, and energy at the centre."""
    found = {}
    for row in rows:
        name, runs = row["name"], row["runs"]
        found[name] = [run["accuracy"] for run in runs]
        if runs[0]["centre"] is not None:
            found[centre(name)] = [run["centre"] for run in runs]
        for attack, first in runs[0].get("attacked", {}).items():
            for place in range(len(first)):
                found[attacked(name, attack, place)] = [run["attacked"][attack][place] for run in runs]
    return found


def centre(name: str) -> str:
    """Key of a row's energy at the centre."""
    return f"{name}, centre"


def attacked(name: str, attack: str, place: int) -> str:
    """Key of a row's accuracy under attack; place 0 is without it, 1 is the smallest epsilon."""
    return f"{name}, {attack} {place}"


def contrasts(recipe: Recipe) -> list[Contrast]:
    """All comparisons that are made, in the order of the claims."""
    made = [
        *_gaps(recipe),
        *_sizes(recipe),
        *_parameters(recipe),
        *_robustness(recipe),
        *_shared(recipe),
        *_single(recipe.studied),
    ]
    return sorted(made, key=lambda contrast: list(CLAIMS).index(contrast.claim))


def _gaps(recipe: Recipe) -> Iterator[Contrast]:
    """R1 and R2."""
    least, most = recipe.expansions[0], recipe.expansions[-1]
    for family, key in ((SMALLEST, "taps"), (FREQUENCY, "frequency")):
        for e in recipe.expansions:
            label = f"{family}, E={e}"
            yield Contrast(f"R1 {key}", f"learned - frozen {label}", _gap(family, e), MARGIN, above=False)
            if e >= min(PASSES_FROM, most):
                yield Contrast(f"R2 learned {key}", f"frozen - learned {label}", _negative(_gap(family, e)))
        top = _frozen(family, most)
        yield _difference("R2 rises", top, _frozen(family, least))
        yield _difference(f"R2 plain {key}", top, PLAIN)
    yield _difference("R1 without", PLAIN, FROZEN_PLAIN, LOSS_WITHOUT)


def _sizes(recipe: Recipe) -> Iterator[Contrast]:
    """R3."""
    largest = taps(recipe.sizes[-1])
    for e in recipe.expansions:
        yield Contrast("R3 grows", f"slope of the gap, points per tap of k, E={e}", _slope(recipe.sizes, e))
        energy = {centre(Variant(largest, learned, e).name): 1 if learned else -1 for learned in (True, False)}
        yield Contrast("R3 centred", f"share of energy, learned - frozen {largest}, E={e}", energy)
        for family, key in ((FREQUENCY, "frequency"), (ENVELOPED, "envelope")):
            smaller = {**_gap(largest, e), **_negative(_gap(family, e))}
            yield Contrast(f"R3 closes {key}", f"gap of {largest} - gap of {family}, E={e}", smaller)
            yield _difference(f"R3 beats {key}", _frozen(family, e), _frozen(largest, e))


def _parameters(recipe: Recipe) -> Iterator[Contrast]:
    """R4."""
    most = recipe.expansions[-1]
    for variant in variants.matched(recipe.expansions):
        assert variant.sized_as is not None  # noqa: S101 - for the type checker
        key = "plain" if variant.expansion is None else "narrow"
        yield _difference(f"R4 {key}", _frozen(SMALLEST, variant.sized_as), variant)
        if key == "plain" and variant.sized_as == most:
            yield _difference("R4 frequency", _frozen(FREQUENCY, most), variant)


def _robustness(recipe: Recipe) -> Iterator[Contrast]:
    """R5, but for the order of frozen and learned."""
    most = recipe.expansions[-1]
    for attack, places in (("FGSM", [1]), ("PGD", range(1, len(recipe.epsilons) + 1))):
        for place in places:
            weights = {
                attacked(name, attack, place): weight for name, weight in _negative(_gap(SMALLEST, most)).items()
            }
            label = f"frozen - learned {SMALLEST}, E={most}, {attack} of {recipe.epsilons[place - 1]}/255"
            yield Contrast(f"R5 {attack}", label, weights)


def _single(e: int) -> Iterator[Contrast]:
    """What is asked at one E only."""
    frozen, learned = variants.activated(e)
    yield _difference("R5 inside", learned, frozen)
    yield _difference("boundary", _frozen(variants.FREQUENCY_7, e), _frozen(variants.WRAPPED_7, e))
    yield _difference("boundary", _frozen(taps(7), e), _frozen(variants.WRAPPED_TAPS, e))
    yield _difference("parameters", _frozen(taps(7), e), _frozen(variants.FREQUENCY_7, e))
    yield _difference("features", _frozen(variants.FEATURES_7, e), _frozen(variants.FREQUENCY_7, e))


def _shared(recipe: Recipe) -> Iterator[Contrast]:
    """R6."""
    for variant in variants.shared(recipe.expansions, recipe.studied):
        yield _difference("R6", replace(variant, shared=False), variant, MARGIN, above=False)


def _frozen(family: str, expansion: int) -> Variant:
    return Variant(family, False, expansion)


def _difference(claim: str, one: Variant, other: Variant, limit: float = 0.0, *, above: bool = True) -> Contrast:
    return Contrast(claim, f"{one.name} - {other.name}", {one.name: 1, other.name: -1}, limit, above)


def _gap(family: str, expansion: int) -> dict[str, float]:
    """Accuracy of learned filters over that of frozen ones."""
    return {Variant(family, learned, expansion).name: 1 if learned else -1 for learned in (True, False)}


def _slope(sizes: Sequence[int], expansion: int) -> dict[str, float]:
    """Least-squares slope of the gap over the kernel size."""
    middle = statistics.mean(sizes)
    square = sum((size - middle) ** 2 for size in sizes)
    return {
        name: weight * (size - middle) / square
        for size in sizes
        for name, weight in _gap(taps(size), expansion).items()
    }


def _negative(weights: Mapping[str, float]) -> dict[str, float]:
    return {name: -weight for name, weight in weights.items()}
