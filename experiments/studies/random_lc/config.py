"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        seeds: seeds of the training images, their order, the initial weights and the frozen filters.
        first_seeds: number of seeds when the claims were first judged; so much was open that the others were added.
        expansions: E of the LC nets, ascending.
        studied: E of the questions that are asked at one only.
        sizes: kernel sizes of the taps, ascending.
        train_images: images drawn from the training pool for each seed.
        test_images, attacked_images: upper limits; the first images are used.
        learning_rates: one-cycle peaks that each kind of net chooses from, by validation with `tuning_seeds`.
        epsilons: limits of attacks, in 255ths of the range of a pixel.
        attack_steps: steps of PGD.
    """

    seeds: tuple[int, ...] = tuple(range(8))
    first_seeds: int = 4
    expansions: tuple[int, ...] = (1, 8, 32)
    studied: int = 8
    sizes: tuple[int, ...] = (3, 5, 7, 9)
    train_images: int = 200
    test_images: int = 1000
    attacked_images: int = 200
    batch_size: int = 50
    epochs: int = 12
    learning_rates: tuple[float, ...] = (0.002, 0.006, 0.02, 0.06)
    tuning_seeds: tuple[int, ...] = (100,)
    epsilons: tuple[int, ...] = (1, 4, 8)
    attack_steps: int = 10


SMOKE = Config(
    seeds=(0, 1),
    first_seeds=1,
    expansions=(1, 2),
    studied=2,
    sizes=(3, 9),
    train_images=4,
    test_images=20,
    attacked_images=10,
    batch_size=4,
    epochs=1,
    learning_rates=(0.02,),
    tuning_seeds=(100,),
    attack_steps=2,
)
"""The same code path in seconds; the accuracies mean nothing."""
