"""Letters of many fonts on cluttered coloured backgrounds: which letter is it?

Capital letters of the text fonts that matplotlib ships, the same files on every machine, are turned, sheared, scaled,
moved and coloured at random and stand before dead leaves: overlapping discs of random colours, whose sizes follow a
power law as those of objects in photographs do (Lee, Mumford & Huang 2001, "Occlusion models for natural images").
Strokes are thin and edges sharp, so that the images have energy up to the Nyquist frequency.

Fonts to train, to validate and to test with are disjoint, so a net must know letters rather than fonts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from torch import Tensor, nn

from experiments.tasks.batches import Batch
from experiments.tasks.seeded import seed_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CLASSES = len(LETTERS)
SIDE = 32
CHANNELS = 3
TRAIN = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono-Oblique", "DejaVuSerif", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBolIta", "cmss10", "cmti10"),
)
VALIDATION = ("DejaVuSans-BoldOblique", "DejaVuSansMono", "DejaVuSerif-Italic", "STIXGeneralBol", "cmtt10")
TEST = (
    *("DejaVuSans-Oblique", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSerif-Bold"),
    *("STIXGeneralItalic", "cmb10", "cmr10"),
)
"""Styles are spread over the three: upright and slanted, light and bold, with and without serifs, of equal width."""
FONTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
_RASTER = 64
"""Side of the letters before they are transformed, in pixels."""
_CAP = 44
"""Height of a capital letter there."""


@dataclass(frozen=True)
class Glyphs:
    """The task: called with a count and a generator, draws images `(n, 3, 32, 32)` in [0, 1] and labels `(n,)`.

    Classes are balanced up to a remainder.

    Attributes:
        fonts: names of font files.
        turn, shear: largest angle in degrees, and largest shear.
        scale: smallest and largest height of a letter, as a share of the image.
        shift: largest displacement of the centre on each axis, in pixels.
        leaves: discs of the background.
        clutter: how far the colours of discs are from that of the background, from 0 to 1.
        contrast: by how much a letter is at least brighter than the mean of its background, from 0 to 1.
        noise: standard deviation of the noise on every pixel.
    """

    fonts: tuple[str, ...] = TRAIN
    turn: float = 12.0
    shear: float = 0.15
    scale: tuple[float, float] = (0.55, 0.8)
    shift: float = 1.0
    leaves: int = 8
    clutter: float = 0.5
    contrast: float = 0.6
    noise: float = 0.03

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        labels = torch.arange(count)[torch.randperm(count, generator=generator)] % CLASSES
        fonts = torch.randint(len(self.fonts), (count,), generator=generator)
        masks = self._transformed(_letters(self.fonts)[fonts, labels], generator)
        ground = self._darkened(self._leaves(count, generator))
        ink = self._ink(ground, generator)
        noise = self.noise * torch.randn(ground.shape, generator=generator)
        return (ground + masks * (ink - ground) + noise).clamp(0, 1), labels

    def _transformed(self, letters: Tensor, generator: torch.Generator) -> Tensor:
        """Letters `(n, _RASTER, _RASTER)` as masks `(n, 1, SIDE, SIDE)`."""
        count = len(letters)

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        turn, shear = uniform(-self.turn, self.turn) * math.pi / 180, uniform(-self.shear, self.shear)
        # From a place in the image to one in the letter, both from -1 to 1.
        size = _CAP / _RASTER / uniform(*self.scale)
        cosine, sine = turn.cos() * size, turn.sin() * size
        matrix = torch.stack([cosine + shear * sine, shear * cosine - sine, sine, cosine], 1).view(-1, 2, 2)
        shift = torch.stack([uniform(-self.shift, self.shift) for _ in range(2)], 1) * 2 / SIDE
        theta = torch.cat([matrix, matrix @ shift.unsqueeze(2)], 2)  # (n, 2, 3)
        # Sampled at twice the resolution and averaged, against aliasing.
        grid = nn.functional.affine_grid(theta, [count, 1, 2 * SIDE, 2 * SIDE], align_corners=False)
        drawn = nn.functional.grid_sample(letters.unsqueeze(1), grid, align_corners=False)
        return nn.functional.avg_pool2d(drawn, 2)

    def _leaves(self, count: int, generator: torch.Generator) -> Tensor:
        """Backgrounds `(n, 3, SIDE, SIDE)`: of the discs over a pixel, the last one is seen."""
        shape = (count, self.leaves)
        centre = SIDE * torch.rand(*shape, 2, 1, generator=generator)
        # Radii with density r^-3 from 2 pixels up, cut off at the image.
        radius = (2 / torch.rand(shape, generator=generator).sqrt()).clamp(max=SIDE)
        colours = torch.rand(count, self.leaves + 1, CHANNELS, generator=generator)
        colours = colours[:, -1:] + self.clutter * (colours - colours[:, -1:])
        rows, columns = (torch.arange(SIDE) + 0.5 - centre).square().unbind(2)  # (n, leaves, SIDE) each
        seen = torch.full((count, SIDE, SIDE), self.leaves)
        for leaf in range(self.leaves):
            inside = rows[:, leaf, :, None] + columns[:, leaf, None, :] < radius[:, leaf, None, None].square()
            seen.masked_fill_(inside, leaf)
        painted = colours.gather(1, seen.view(count, -1, 1).expand(-1, -1, CHANNELS))  # (n, pixels, 3)
        return painted.mT.reshape(count, CHANNELS, SIDE, SIDE)

    def _darkened(self, ground: Tensor) -> Tensor:
        """The same backgrounds, the bright ones darker, so that no colour has to be brighter than white."""
        return ground * ((1 - self.contrast) / ground.mean((1, 2, 3), keepdim=True)).clamp(max=1)

    def _ink(self, ground: Tensor, generator: torch.Generator) -> Tensor:
        """A colour `(n, 3, 1, 1)` for each letter, brighter than the mean of its background.

        Letters of either sign make nets spend most of a short training at chance, for as long as the seed decides.
        """
        colour = torch.rand(len(ground), CHANNELS, generator=generator)
        away = colour.mean(1) - ground.mean((1, 2, 3))
        pushed = colour + (self.contrast - away).clamp(min=0).unsqueeze(1)
        return pushed.clamp(0, 1)[..., None, None]


@lru_cache(maxsize=4)
def glyphs(part: str, count: int, seed: int) -> Batch:
    """Images of the fonts of "train", "validation" or "test", the same ones for the same seed."""
    return Glyphs(FONTS[part])(count, torch.Generator().manual_seed(seed_of(part, seed)))


@cache
def _letters(fonts: tuple[str, ...]) -> Tensor:
    """All letters of each font, `(fonts, CLASSES, _RASTER, _RASTER)` in [0, 1]: centred, as tall as an H."""
    return torch.stack([torch.stack([_letter(font, letter) for letter in LETTERS]) for font in fonts])


def _letter(name: str, letter: str) -> Tensor:
    font = FT2Font(str(Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")))
    font.set_size(_CAP, 72)
    font.set_size(_CAP * _CAP / len(_ink_of(font, "H")), 72)
    ink = torch.from_numpy(_ink_of(font, letter).astype(np.float32) / 255)
    above, left = ((_RASTER - side) // 2 for side in ink.shape)
    below, right = _RASTER - ink.shape[0] - above, _RASTER - ink.shape[1] - left
    return nn.functional.pad(ink, (left, right, above, below))  # crops what is wider than the raster


def _ink_of(font: FT2Font, letter: str) -> np.ndarray:
    font.clear()
    font.set_text(letter)
    font.draw_glyphs_to_bitmap(antialiased=True)
    image = np.asarray(font.get_image())
    rows, columns = (np.flatnonzero(image.any(axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
