"""Crops, augmentation and normalisation: random for training, deterministic for evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torchvision.transforms import v2

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel over a training set, of images in [0, 1]."""
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def normalised(statistics: Statistics, *steps: Any) -> v2.Compose:
    """The steps on images, then float32 with mean 0 and variance 1."""
    mean, deviation = (list(values) for values in statistics)
    return v2.Compose([v2.ToImage(), *steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, deviation)])


def shifted(size: int, statistics: Statistics, *, flip: bool) -> v2.Compose:
    """Training views of small images: random crops after padding by four pixels, and mirror images if `flip`."""
    crop = v2.RandomCrop(size, padding=4)
    return normalised(statistics, crop, *([v2.RandomHorizontalFlip()] if flip else []))


@dataclass(frozen=True)
class Views:
    """Training and evaluation views of photographs of any size.

    Attributes:
        size: size of the training images in pixels.
        test_size: size of the images in evaluation.
        crop_ratio: side of the centre crop over the shorter side of the image: .875 commonly, .95 in RSB (Wightman,
            Touvron & Jégou 2021).
        policy: augmentation policy in training: none, TrivialAugment or RandAugment.
        magnitude: magnitude of RandAugment, from 0 to 30.
        erasing: probability that a rectangle of a training image is erased.
    """

    size: int = 224
    test_size: int = 224
    crop_ratio: float = 0.875
    policy: Literal["none", "trivial", "rand"] = "none"
    magnitude: int = 9
    erasing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.crop_ratio <= 1:
            raise ValueError(f"crop_ratio={self.crop_ratio} must be above 0 and at most 1, which crops nothing away")
        if not 0 <= self.magnitude <= 30:
            raise ValueError(f"magnitude={self.magnitude} must be from 0 to 30; 9 is usual")

    def training(self) -> v2.Compose:
        policies = {
            "none": [],
            "trivial": [v2.TrivialAugmentWide()],
            "rand": [v2.RandAugment(magnitude=self.magnitude)],
        }
        steps = [v2.RandomResizedCrop(self.size, antialias=True), v2.RandomHorizontalFlip(), *policies[self.policy]]
        view = normalised(IMAGENET, *steps)
        return v2.Compose([view, v2.RandomErasing(self.erasing)]) if self.erasing else view

    def evaluation(self) -> v2.Compose:
        shorter = round(self.test_size / self.crop_ratio)
        return normalised(IMAGENET, v2.Resize(shorter, antialias=True), v2.CenterCrop(self.test_size))
