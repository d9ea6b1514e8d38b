"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        seeds: seeds of initial weights, offsets of Fourier features, training and test images.
        width: channels of all maps.
        null: re-initialised copies that each net is compared with.
        epochs, steps, batch_size: passes, batches in each, images in each batch, all of them new.
        test_batches: batches of the same size, of digits that were not trained with.
        learning_rates: one-cycle peaks to choose from, by validation, for each condition and parameterisation.
        tuning_seeds: seeds of validation, different from `seeds`.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    width: int = 12
    null: int = 20
    epochs: int = 8
    steps: int = 40
    batch_size: int = 32
    test_batches: int = 32
    learning_rates: tuple[float, ...] = (0.005, 0.02, 0.05)
    tuning_seeds: tuple[int, ...] = (100,)


SMOKE = Config(seeds=(0, 1), width=2, null=2, epochs=1, steps=1, batch_size=4, test_batches=1, learning_rates=(0.01,))
"""The same code path in seconds; the numbers mean nothing."""
