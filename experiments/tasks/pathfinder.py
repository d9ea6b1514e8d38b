"""Pathfinder: two dots, several dashed contours, and the question whether one contour joins the dots.

After Linsley et al. 2018, on a canvas that wraps around, as for the displaced digits, so that neither a border nor
a position tells anything. The contours of a canvas are drawn before its class is: one dot sits at the end of a long
contour, and the end of another one is exactly as far from that dot as the contour's own other end, and leaves it in
the same direction. The class decides which of the two has the second dot. So the contours, the ink, the distance of
the dots and the directions in which contours leave them are the same in both classes, in law. (Were the directions
not, pooled local features could tell that an almost straight contour leaves its two ends in opposite directions.)

What this leaves: as in the original, where a contour starts towards the other dot, it more likely leads there, the
more so the straighter it is; and the second dot's distance from the other long contour differs a little in law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.tasks.batches import Batch

_PROPOSALS = 512
"""Drawn at a time."""
_MOST_PROPOSALS = 1000
"""For each canvas wanted, before the settings are said to leave no room."""


@dataclass(frozen=True)
class Scenes:
    """Contours before they are drawn; coordinates are (row, column) in pixels, modulo the size of the canvas.

    Attributes:
        dashes: `(n, dashes, 2, 2)`, start and end of each, those of a contour one after the other.
        contour: `(dashes,)`, which contour a dash belongs to; 0 and 1 are the long ones.
        dots: `(n, 3, 2)`: an end of contour 0; its other end; the end of contour 1 that is as far from the first.
    """

    dashes: Tensor
    contour: Tensor
    dots: Tensor


@dataclass(frozen=True)
class Pathfinder:
    """The task: called with a count and a generator, draws canvases `(n, 1, size, size)` and labels `(n,)`.

    Label 1: one contour joins the dots. The classes are balanced (but for a remainder).

    Attributes:
        size: of the canvas in pixels, on both axes.
        length: dashes of each of the two long contours; the difficulty.
        distractors: further contours.
        distractor_length: dashes of each of these.
        dash, gap: pixels of ink, and between two dashes.
        turn: largest turn from dash to dash, in radians; 0 makes straight contours.
        clearance: pixels that the ends of dashes of different contours keep apart.
        dot: radius of the dots in pixels.
    """

    size: int = 32
    length: int = 4
    distractors: int = 2
    distractor_length: int = 2
    dash: float = 2.0
    gap: float = 2.0
    turn: float = 0.5
    clearance: float = 5.0
    dot: float = 1.5

    def __post_init__(self) -> None:
        least = max(self.gap + self.dot, self.dash)
        if self.clearance <= least:
            raise ValueError(
                f"clearance={self.clearance:g} must be above gap + dot and above dash, here {least:g}, or what belongs "
                "to different contours could look joined"
            )

    @property
    def reach(self) -> float:
        """Pixels along the contour from one of its ends to the other."""
        return self.length * (self.dash + self.gap) - self.gap

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        scenes = self.scenes(count, generator)
        labels = torch.arange(count)[torch.randperm(count, generator=generator)] % 2
        return self.draw(scenes, labels), labels

    def scenes(self, count: int, generator: torch.Generator) -> Scenes:
        """Draws contours that keep clear of one another and of themselves.

        Raises:
            ValueError: hardly any do.
        """
        found: list[Scenes] = []
        missing, proposed = count, 0
        while missing > 0:
            if proposed > _MOST_PROPOSALS * (count + 1):
                raise ValueError(f"{self} leaves its contours no room; enlarge the size or shorten them")
            proposed += _PROPOSALS
            # The long ones first: most of what fails does so cheaply.
            clear = self._clear(self._add_distractors(self._clear(self._propose(generator)), generator))
            found.append(clear)
            missing -= len(clear.dots)
        dashes, dots = torch.cat([s.dashes for s in found]), torch.cat([s.dots for s in found])
        return Scenes(dashes[:count], found[0].contour, dots[:count])

    def draw(self, scenes: Scenes, labels: Tensor) -> Tensor:
        """Antialiased canvases `(n, 1, size, size)` in [0, 1]; the labels decide where the second dot is."""
        first, joined, apart = scenes.dots.unbind(1)
        dots = torch.stack([first, torch.where(labels.bool().unsqueeze(1), joined, apart)], 1)
        strokes = torch.cat([scenes.dashes, dots.unsqueeze(2).expand(-1, -1, 2, -1)], 1)
        radius = torch.full((strokes.shape[1], 1), 0.5)
        radius[-2:] = self.dot
        margin = math.ceil(max(self.dash / 2 + 0.5, self.dot) + 1)
        around = torch.cartesian_prod(*[torch.arange(-margin, margin + 1)] * 2)
        pixels = strokes.mean(2).round().long().unsqueeze(2) + around
        ink = (radius + 0.5 - _distance(pixels.to(strokes.dtype), strokes)).clamp(0, 1)
        rows, columns = (pixels % self.size).unbind(-1)
        canvases = torch.zeros(len(labels), self.size * self.size)
        canvases.scatter_reduce_(1, (rows * self.size + columns).flatten(1), ink.flatten(1), "amax")
        return canvases.view(-1, 1, self.size, self.size)

    def _propose(self, generator: torch.Generator) -> Scenes:
        """Two long contours, which may touch."""
        joined = self._walks(_any_direction((_PROPOSALS,), generator), self.length, generator)
        start, last = joined[:, -1].unbind(1)
        back = start - last
        other = self._walks(torch.atan2(back[:, 0], back[:, 1]), self.length, generator)
        long = torch.stack([joined, other], 1)
        end = long[:, 0, -1, 1]
        apart = end.norm(dim=1, keepdim=True) * _direction(_any_direction((_PROPOSALS,), generator))
        long[:, 1] += apart[:, None, None]
        corner = self.size * torch.rand(_PROPOSALS, 1, 2, generator=generator)
        dots = torch.stack([torch.zeros_like(end), end, apart], 1) + corner
        contour = torch.arange(2).repeat_interleave(self.length)
        return Scenes(long.flatten(1, 2) + corner.unsqueeze(2), contour, dots)

    def _add_distractors(self, scenes: Scenes, generator: torch.Generator) -> Scenes:
        shape = (len(scenes.dots), self.distractors)
        corners = self.size * torch.rand(*shape, 1, 1, 2, generator=generator)
        walks = self._walks(_any_direction(shape, generator), self.distractor_length, generator) + corners
        contour = 2 + torch.arange(self.distractors).repeat_interleave(self.distractor_length)
        dashes = torch.cat([scenes.dashes, walks.flatten(1, 2)], 1)
        return Scenes(dashes, torch.cat([scenes.contour, contour]), scenes.dots)

    def _walks(self, first: Tensor, dashes: int, generator: torch.Generator) -> Tensor:
        """Contours from the origin, `(..., dashes, 2, 2)`, that start in directions `(...)`."""
        first = first.unsqueeze(-1)
        turns = self.turn * (2 * torch.rand(*first.shape[:-1], dashes - 1, generator=generator) - 1)
        headings = torch.cat([first, first + turns.cumsum(-1)], -1)
        strokes = self.dash * _direction(headings)
        # Half of the turn before the gap and half after it: reversed, it is a contour of the same law.
        steps = strokes[..., :-1, :] + self.gap * _direction(headings[..., :-1] + turns / 2)
        starts = torch.cat([torch.zeros_like(strokes[..., :1, :]), steps.cumsum(-2)], -2)
        return torch.stack([starts, starts + strokes], -2)

    def _clear(self, scenes: Scenes) -> Scenes:
        """Those whose dashes keep their distance, except from the ones close to them on the same contour."""
        points = scenes.dashes.flatten(1, 2)
        contour = scenes.contour.repeat_interleave(2)
        dash = torch.arange(len(scenes.contour)).repeat_interleave(2)
        neighbours = math.ceil(2 * self.clearance / (self.dash + self.gap))
        exempt = (contour[:, None] == contour) & ((dash[:, None] - dash).abs() <= neighbours)
        one, other = (~exempt).triu().nonzero().unbind(1)
        away = points[:, one] - points[:, other]
        away -= self.size * (away / self.size).round()
        clear = (away.square().sum(-1) >= self.clearance**2).all(1)
        return Scenes(scenes.dashes[clear], scenes.contour, scenes.dots[clear])


def _any_direction(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2 * math.pi * torch.rand(shape, generator=generator)


def _direction(angle: Tensor) -> Tensor:
    return torch.stack([angle.sin(), angle.cos()], -1)


def _distance(pixels: Tensor, strokes: Tensor) -> Tensor:
    """Of pixels `(n, strokes, pixels, 2)` from strokes `(n, strokes, 2, 2)`."""
    start, end = strokes.unsqueeze(3).unbind(2)
    along = end - start
    share = ((pixels - start) * along).sum(-1, keepdim=True) / along.square().sum(-1, keepdim=True).clamp(min=1e-9)
    return (pixels - start - share.clamp(0, 1) * along).norm(dim=-1)
