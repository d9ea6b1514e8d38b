"""The claims, from the paper but for the last three, and the contrasts between variants that decide them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.studies.random_lc import variants
from experiments.studies.random_lc.config import Config
from experiments.studies.random_lc.variants import ENVELOPED, FREQUENCY, FROZEN_PLAIN, PLAIN, SMALLEST, Variant, taps
from experiments.study.judge import Contrast, judge, minus, slope

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


def judged(config: Config, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contrasts and verdicts."""
    return judge(CLAIMS, contrasts(config), values(rows))


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """By seed: accuracies, accuracies under attack, and energy at the centre."""
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
    """Name of a variant's energy at the centre."""
    return f"{name}, centre"


def attacked(name: str, attack: str, place: int) -> str:
    """Name of a variant's accuracy under attack; place 0 is without it, 1 is the smallest epsilon."""
    return f"{name}, {attack} {place}"


def contrasts(config: Config) -> Iterator[Contrast]:
    """All comparisons."""
    yield from _gaps(config)
    yield from _sizes(config)
    yield from _parameters(config)
    yield from _robustness(config)
    for shared in variants.shared(config.expansions, config.studied):
        yield _difference("R6", replace(shared, shared=False), shared, MARGIN, above=False)
    frozen, learned = variants.activated(config.studied)
    yield _difference("R5 inside", learned, frozen)
    for claim, more, less in (
        ("boundary", variants.FREQUENCY_7, variants.WRAPPED_7),
        ("boundary", taps(7), variants.WRAPPED_TAPS),
        ("parameters", taps(7), variants.FREQUENCY_7),
        ("features", variants.FEATURES_7, variants.FREQUENCY_7),
    ):
        yield _difference(claim, _frozen(more, config.studied), _frozen(less, config.studied))


def _gaps(config: Config) -> Iterator[Contrast]:
    """R1 and R2."""
    least, most = config.expansions[0], config.expansions[-1]
    for family, key in ((SMALLEST, "taps"), (FREQUENCY, "frequency")):
        for e in config.expansions:
            learned, frozen = _pair(family, e)
            label = f"{family}, E={e}"
            yield Contrast(f"R1 {key}", f"learned - frozen {label}", minus(learned, frozen), MARGIN, above=False)
            if e >= min(PASSES_FROM, most):
                yield Contrast(f"R2 learned {key}", f"frozen - learned {label}", minus(frozen, learned))
        top = _frozen(family, most)
        yield _difference("R2 rises", top, _frozen(family, least))
        yield _difference(f"R2 plain {key}", top, PLAIN)
    yield _difference("R1 without", PLAIN, FROZEN_PLAIN, LOSS_WITHOUT)


def _sizes(config: Config) -> Iterator[Contrast]:
    """R3."""
    largest = taps(config.sizes[-1])
    for e in config.expansions:
        growth = {
            name: sign * weight
            for size, weight in zip(config.sizes, slope(config.sizes), strict=True)
            for name, sign in zip(_pair(taps(size), e), (1, -1), strict=True)
        }
        yield Contrast("R3 grows", f"slope of the gap, points per tap of k, E={e}", growth)
        gap, energy = minus(*_pair(largest, e)), minus(*map(centre, _pair(largest, e)))
        yield Contrast("R3 centred", f"share of energy, learned - frozen {largest}, E={e}", energy)
        for family, key in ((FREQUENCY, "frequency"), (ENVELOPED, "envelope")):
            label = f"gap of {largest} - gap of {family}, E={e}"
            yield Contrast(f"R3 closes {key}", label, minus(gap, minus(*_pair(family, e))))
            yield _difference(f"R3 beats {key}", _frozen(family, e), _frozen(largest, e))


def _parameters(config: Config) -> Iterator[Contrast]:
    """R4."""
    most = config.expansions[-1]
    for e, plain, narrow in zip(config.expansions, *variants.matched(config.expansions), strict=True):
        yield _difference("R4 plain", _frozen(SMALLEST, e), plain)
        yield _difference("R4 narrow", _frozen(SMALLEST, e), narrow)
        if e == most:
            yield _difference("R4 frequency", _frozen(FREQUENCY, most), plain)


def _robustness(config: Config) -> Iterator[Contrast]:
    """R5, but for the order of frozen and learned."""
    most = config.expansions[-1]
    learned, frozen = _pair(SMALLEST, most)
    for attack, places in (("FGSM", [1]), ("PGD", range(1, len(config.epsilons) + 1))):
        for place in places:
            label = f"frozen - learned {SMALLEST}, E={most}, {attack} of {config.epsilons[place - 1]}/255"
            weights = minus(attacked(frozen, attack, place), attacked(learned, attack, place))
            yield Contrast(f"R5 {attack}", label, weights)


def _frozen(family: str, expansion: int) -> Variant:
    return Variant(family, False, expansion)


def _pair(family: str, expansion: int) -> tuple[str, str]:
    """Names of the net with learned filters and of that with frozen ones."""
    return Variant(family, True, expansion).name, _frozen(family, expansion).name


def _difference(claim: str, one: Variant, other: Variant, limit: float = 0.0, *, above: bool = True) -> Contrast:
    return Contrast(claim, f"{one.name} - {other.name}", minus(one.name, other.name), limit, above)
