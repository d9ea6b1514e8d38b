"""What Schneider 2020 claims of kernels and penalties, as contrasts; fixed before anything was measured."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.common.statistics import Contrast

NONE = "none"
"""In the place of a profile: no penalty."""
PROFILES = ("uniform", "linear", "quadratic", "inverted")

CLAIMS = {
    "centre": "Unpenalised learned filters are heavier at the centre than at their initialisation (each kernel size)",
    "quadratic": "A quadratic penalty beats the uniform one (each kernel size)",
    "linear": "A linear penalty beats the uniform one (each kernel size)",
    "inverted": "An inverted penalty loses to the uniform one (each kernel size)",
    "grows": "The gain of quadratic over uniform grows with the kernel (from the smallest to the largest)",
}


def accuracy_row(kernel_size: int, profile: str) -> str:
    """Name of the test accuracies."""
    return f"{profile}, k={kernel_size}"


def centre_row(kernel_size: int, state: str) -> str:
    """Name of the unpenalised nets' centre shares; `state` is "trained" or "initial"."""
    return f"centre share, {state}, k={kernel_size}"


def contrasts(kernel_sizes: Sequence[int]) -> list[Contrast]:
    """All comparisons that are made."""
    made = []
    for k in kernel_sizes:
        trained, initial = centre_row(k, "trained"), centre_row(k, "initial")
        made.append(Contrast("centre", f"centre share: trained - initial, k={k}", {trained: 1, initial: -1}))
        made += [
            Contrast(profile, f"accuracy: {profile} - uniform, k={k}", _gain(k, profile), above=profile != "inverted")
            for profile in PROFILES[1:]
        ]
    small, large = min(kernel_sizes), max(kernel_sizes)
    growth = _gain(large, "quadratic") | {row: -weight for row, weight in _gain(small, "quadratic").items()}
    return [*made, Contrast("grows", f"gain of quadratic: k={large} - k={small}", growth)]


def _gain(kernel_size: int, profile: str) -> dict[str, float]:
    return {accuracy_row(kernel_size, profile): 1, accuracy_row(kernel_size, "uniform"): -1}
