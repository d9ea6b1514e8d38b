"""The claims of Schneider 2020, as contrasts; "centre decayed" and "mean" are ours, added after exploring."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.study.statistics import Contrast

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


def accuracy_row(kernel_size: int, profile: str) -> str:
    """Name of the test accuracies."""
    return f"{profile}, k={kernel_size}"


def centre_row(kernel_size: int, profile: str, state: str) -> str:
    """Name of the centre shares of these nets; `state` is "trained" or "initial"."""
    return f"centre share, {accuracy_row(kernel_size, profile)}, {state}"


def contrasts(kernel_sizes: Sequence[int]) -> list[Contrast]:
    """All comparisons that are made."""
    small, large = min(kernel_sizes), max(kernel_sizes)
    growth = _gain("quadratic", [large]) | {row: -weight for row, weight in _gain("quadratic", [small]).items()}
    return [
        *(_centre("centre", NONE, k) for k in kernel_sizes),
        *(_centre("centre decayed", "uniform", k) for k in kernel_sizes),
        *(_beats(profile, profile, [k]) for profile in PROFILES[1:] for k in kernel_sizes),
        *(_beats("mean", profile, kernel_sizes) for profile in PROFILES[1:]),
        Contrast("grows", f"gain of quadratic: k={large} - k={small}", growth),
    ]


def _centre(claim: str, profile: str, kernel_size: int) -> Contrast:
    trained, initial = (centre_row(kernel_size, profile, state) for state in ("trained", "initial"))
    label = f"centre share, penalty {profile}: trained - initial, k={kernel_size}"
    return Contrast(claim, label, {trained: 1, initial: -1})


def _beats(claim: str, profile: str, kernel_sizes: Sequence[int]) -> Contrast:
    where = f"k={kernel_sizes[0]}" if len(kernel_sizes) == 1 else "mean over k"
    label = f"accuracy: {profile} - uniform, {where}"
    return Contrast(claim, label, _gain(profile, kernel_sizes), above=profile != "inverted")


def _gain(profile: str, kernel_sizes: Sequence[int]) -> dict[str, float]:
    """Accuracy with a penalty less that with the uniform one, mean over kernel sizes."""
    each = 1 / len(kernel_sizes)
    signs = {profile: each, "uniform": -each}
    return {accuracy_row(k, one): weight for k in kernel_sizes for one, weight in signs.items()}
