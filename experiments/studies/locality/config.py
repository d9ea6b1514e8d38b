"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        seeds: seeds of the training images, their order and the initial weights.
        kernel_sizes: kernel sizes of all layers of a net, odd.
        width: channels of all layers.
        train_images: images drawn from the training pool for each seed.
        test_images: upper limit on the images for validation and for testing; None for all.
        learning_rates: one-cycle peaks to choose from, for each kernel size, without penalty.
        strengths: strengths of a penalty to choose from, for each kernel size and profile, at that learning rate.
        tuning_seeds: seeds of validation.
    """

    seeds: tuple[int, ...] = tuple(range(12))
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    width: int = 16
    train_images: int = 100
    test_images: int | None = None
    batch_size: int = 25
    epochs: int = 25
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    strengths: tuple[float, ...] = (0.0003, 0.0017, 0.01, 0.056, 0.3)
    tuning_seeds: tuple[int, ...] = (100, 101, 102)


SMOKE = Config(
    seeds=(0, 1),
    kernel_sizes=(3, 7),
    width=2,
    train_images=16,
    test_images=40,
    batch_size=8,
    epochs=1,
    learning_rates=(0.01,),
    strengths=(0.01, 0.1),
    tuning_seeds=(100,),
)
"""The same code path in seconds; the accuracies mean nothing."""
