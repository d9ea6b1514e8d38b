"""The claims of Schneider 2020, as contrasts; "centre decayed" and "mean" are ours, added after exploring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.studies.locality.config import Config
from experiments.study.judge import Contrast, judge, minus

NONE = "none"
"""In the place of a profile: no penalty."""
PROFILES = ("uniform", "linear", "quadratic", "inverted")

CLAIMS = {
    "centre": "Unpenalised learned filters are heavier at the centre than at their initialisation (each kernel size)",
    "centre decayed": "So are those under a uniform penalty, which lets the initial draw decay (each kernel size)",
    "quadratic": "A quadratic penalty beats the uniform one (each kernel size)",
    "linear": "A linear penalty beats the uniform one (each kernel size)",
    "inverted": "An inverted penalty loses to the uniform one (each kernel size)",
    "mean": "The same three on average over kernel sizes: quadratic and linear beat uniform, inverted loses to it",
    "grows": "The gain of quadratic over uniform grows with the kernel (from the smallest to the largest)",
}


def judged(config: Config, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contrasts and verdicts."""
    values = {row["name"]: row["accuracies"] for row in rows}
    for row in rows:
        for state, by_seed in row["centre"].items():
            values[centre_name(row["kernel_size"], row["profile"], state)] = by_seed
    return judge(CLAIMS, contrasts(config.kernel_sizes), values)


def accuracy_name(kernel_size: int, profile: str) -> str:
    """Name of the test accuracies."""
    return f"{profile}, k={kernel_size}"


def centre_name(kernel_size: int, profile: str, state: str) -> str:
    """Name of the centre shares of these nets; `state` is "trained" or "initial"."""
    return f"centre share, {accuracy_name(kernel_size, profile)}, {state}"


def contrasts(kernel_sizes: Sequence[int]) -> Iterator[Contrast]:
    """All comparisons."""
    for k in kernel_sizes:
        for claim, profile in (("centre", NONE), ("centre decayed", "uniform")):
            label = f"centre share, penalty {profile}: trained - initial, k={k}"
            yield Contrast(claim, label, minus(centre_name(k, profile, "trained"), centre_name(k, profile, "initial")))
    for profile in PROFILES[1:]:
        above = profile != "inverted"
        for k in kernel_sizes:
            yield Contrast(profile, f"accuracy: {profile} - uniform, k={k}", _gain(profile, [k]), above=above)
        label = f"accuracy: {profile} - uniform, mean over k"
        yield Contrast("mean", label, _gain(profile, kernel_sizes), above=above)
    small, large = min(kernel_sizes), max(kernel_sizes)
    growth = minus(_gain("quadratic", [large]), _gain("quadratic", [small]))
    yield Contrast("grows", f"gain of quadratic: k={large} - k={small}", growth)


def _gain(profile: str, kernel_sizes: Sequence[int]) -> dict[str, float]:
    """Accuracy with a penalty less that with the uniform one, mean over kernel sizes."""
    each = 1 / len(kernel_sizes)
    signs = {profile: each, "uniform": -each}
    return {accuracy_name(k, one): weight for k in kernel_sizes for one, weight in signs.items()}
