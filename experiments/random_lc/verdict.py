"""What the accuracies say about the claims: contrasts between rows, paired by seed, and a rule decided beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.random_lc.run import FREQUENCY, PLAIN, WIDE, Recipe, row_name, spread, taps_family

DECISIVE = 3.0
"""A contrast counts as decided if it is this many standard errors away from its limit."""
MARGIN = 0.02
"""The difference of accuracies that "within two points" allows."""
PASSES_FROM = 8
"""The E from which frozen filters pass learned ones, as the paper has it."""
SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "not decidable at this size"


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of row accuracies, and what the claim says about it.

    Attributes:
        claim: key of `CLAIMS`.
        label: the sum in words.
        weights: by row name.
        below: the claim says that the sum is below `MARGIN`; otherwise, that it is above zero.
    """

    claim: str
    label: str
    weights: Mapping[str, int]
    below: bool = False

    def evaluate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Mean and standard error over seeds, and the verdict."""
        by_name = {row["name"]: [run["accuracy"] for run in row["runs"]] for row in rows}
        parts = [[weight * value for value in by_name[name]] for name, weight in self.weights.items()]
        value = spread([sum(by_seed) for by_seed in zip(*parts, strict=True)])
        return {
            "claim": self.claim,
            "label": self.label,
            "weights": dict(self.weights),
            "mean": value["mean"],
            "error": value["error"],
            "exceeds_error": abs(value["mean"]) > value["error"],
            "verdict": _decide(MARGIN - value["mean"] if self.below else value["mean"], value["error"]),
        }


CLAIMS = {
    "within": "Frozen frequency filters stay within two points of learned ones (at every E)",
    "rises": "With frozen frequency filters, accuracy rises with E (from the smallest to the largest)",
    "passes learned": f"Frozen frequency filters pass learned ones (at every E from {PASSES_FROM} on)",
    "passes plain": "Frozen frequency filters pass the plain net of the same width at the largest E",
    "passes wide": "They also pass a plain net widened to as many learnable parameters",
    "grows": "With filters given by taps, the gap between learned and frozen grows with the kernel (at every E)",
    "closes": "The gap is smaller with global frequency filters than with the largest taps (at every E)",
    "beats taps": "Frozen frequency filters beat frozen taps of the largest size (at every E)",
}


def judge(rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """Contrasts, and a verdict on each claim: that of all its contrasts, if they agree.

    One contrast that is decided against a claim suffices to leave it unsupported.
    """
    results = [contrast.evaluate(rows) for contrast in contrasts(recipe)]
    claims = []
    for key, text in CLAIMS.items():
        verdicts = {result["verdict"] for result in results if result["claim"] == key}
        overall = UNDECIDED if NOT_SUPPORTED not in verdicts else NOT_SUPPORTED
        claims.append({"claim": key, "text": text, "verdict": SUPPORTED if verdicts == {SUPPORTED} else overall})
    return {"contrasts": results, "claims": claims, "decisive": DECISIVE, "margin": MARGIN}


def contrasts(recipe: Recipe) -> list[Contrast]:
    """All comparisons that are made."""
    least, most = recipe.expansions[0], recipe.expansions[-1]
    frozen_least, frozen_most = (row_name(FREQUENCY, learned=False, expansion=e) for e in (least, most))
    small, large = (taps_family(size) for size in (recipe.tap_sizes[0], recipe.tap_sizes[-1]))
    made = [
        Contrast("rises", f"{frozen_most} - {frozen_least}", {frozen_most: 1, frozen_least: -1}),
        Contrast("passes plain", f"{frozen_most} - {PLAIN}", {frozen_most: 1, PLAIN: -1}),
        Contrast("passes wide", f"{frozen_most} - {WIDE}", {frozen_most: 1, WIDE: -1}),
    ]
    for e in recipe.expansions:
        gap = _gap(FREQUENCY, e)
        taps = row_name(large, learned=False, expansion=e)
        frozen = row_name(FREQUENCY, learned=False, expansion=e)
        grows, closes = (f"gap of {large} - gap of {other}, E={e}" for other in (small, FREQUENCY))
        made += [
            Contrast("within", f"learned - frozen {FREQUENCY}, E={e}", gap, below=True),
            Contrast("grows", grows, {**_gap(large, e), **_negative(_gap(small, e))}),
            Contrast("closes", closes, {**_gap(large, e), **_negative(gap)}),
            Contrast("beats taps", f"{frozen} - {taps}", {frozen: 1, taps: -1}),
        ]
        if e >= min(PASSES_FROM, most):
            made.append(Contrast("passes learned", f"frozen - learned {FREQUENCY}, E={e}", _negative(gap)))
    return sorted(made, key=lambda contrast: list(CLAIMS).index(contrast.claim))


def _gap(family: str, expansion: int) -> dict[str, int]:
    return {row_name(family, learned=learned, expansion=expansion): 1 if learned else -1 for learned in (True, False)}


def _negative(weights: Mapping[str, int]) -> dict[str, int]:
    return {name: -weight for name, weight in weights.items()}


def _decide(distance: float, error: float) -> str:
    """The verdict on a claim that `distance` is above zero."""
    if abs(distance) <= DECISIVE * error:
        return UNDECIDED
    return SUPPORTED if distance > 0 else NOT_SUPPORTED
