"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.study.letters import TINY, Letters


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        letters: the task and the training.
        seeds: of training images, their order, the initial weights and the frozen filters.
        rates: learning rates that each net chooses from.
        width, block_width: channels of the first stage of ResNet-LC, and of the nets that are frozen as they are.
        expansions: E of the LC nets, ascending.
        studied: E of the questions that are asked at one only.
        largest: kernel size of the largest taps.
        attacked: number of test images that are attacked.
        epsilon: largest change of a pixel, in 255ths.
    """

    letters: Letters = Letters(images=6400, steps=200)  # noqa: RUF009 - it is frozen
    seeds: tuple[int, ...] = tuple(range(200, 210))
    rates: tuple[float, ...] = (0.006, 0.02, 0.06)
    width: int = 8
    block_width: int = 16
    expansions: tuple[int, ...] = (1, 4, 16)
    studied: int = 4
    largest: int = 9
    attacked: int = 256
    epsilon: int = 8


SMOKE = Config(
    letters=TINY, seeds=(0, 1), rates=(0.01,), width=4, block_width=4, expansions=(1, 2), studied=2, attacked=4
)
"""The same code path in seconds; the numbers mean nothing."""
