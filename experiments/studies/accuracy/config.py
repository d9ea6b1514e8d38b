"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.studies.accuracy.variants import Shape
from experiments.tasks.scenes import Scene


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        seeds: seeds of the training images, their places and order, and the initial weights.
        first_seeds: number of seeds when the claims were first judged; so much was open that the others were added.
        shape: size of the nets.
        scene: what nets are trained on.
        canvases: other canvases that they are tested on.
        kernel_sizes: sizes at which one of the frequency filters is also sampled.
        counted_sizes: kernels whose parameters are counted, besides those as large as the map.
        train_images: digits drawn from the training pool for each seed.
        test_images, resolution_images: upper limits on the digits tested at the trained and at each other resolution.
        batch_size, steps, epochs: of training.
        longer: factor on the epochs of the nets that are also trained for longer.
        learning_rates: one-cycle peaks that each family chooses from, with `tuning_seeds`.
    """

    seeds: tuple[int, ...] = tuple(range(10))
    first_seeds: int = 5
    shape: Shape = Shape(width=24, depth=3, halve_after=(0,))  # noqa: RUF009 - it is frozen
    scene: Scene = Scene(digit=12, canvas=16)  # noqa: RUF009
    canvases: tuple[int, ...] = (12, 24, 32, 48)
    kernel_sizes: tuple[int, ...] = (3, 7)
    counted_sizes: tuple[int, ...] = (3, 5, 7, 15)
    train_images: int = 200
    test_images: int = 1000
    resolution_images: int = 200
    batch_size: int = 50
    steps: int = 40
    epochs: int = 5
    longer: int = 2
    learning_rates: tuple[float, ...] = (0.005, 0.02, 0.08, 0.32)
    tuning_seeds: tuple[int, ...] = (100, 101)


SMOKE = Config(
    seeds=(0, 1),
    first_seeds=1,
    shape=Shape(width=8, depth=1, halve_after=(0,)),
    canvases=(24, 32),
    kernel_sizes=(3,),
    train_images=16,
    test_images=20,
    resolution_images=10,
    batch_size=8,
    steps=1,
    epochs=1,
    learning_rates=(0.01,),
    tuning_seeds=(100,),
)
"""The same code path in seconds; the accuracies mean nothing."""
