"""Where the fused kernels are faster than torch.fft: on one device, by measurement alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nifconv import frequency
from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused._proof import Backend

_MODES = ("inference", "training")
_DTYPES = ("float32", "float16", "bfloat16")

Timer = Callable[[Mapping[str, Callable[[], object]]], Mapping[str, float]]
"""Seconds of each of the named calls, timed in turns."""


@dataclass(frozen=True)
class Speedups:
    """Time by torch.fft over that by the fused kernels.

    Attributes:
        device: the name of the device that was measured; the table says nothing of another.
        ratios: `ratios[mode][dtype]` holds pairs (pixels of a map, ratio), in the order of growing maps.
    """

    device: str
    ratios: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]

    @staticmethod
    def load(path: str | Path) -> Speedups:
        """Reads what `save` wrote.

        Raises:
            ValueError: the file is no such table, so that every choice from it would be arbitrary.
            OSError: it cannot be read.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            ratios = {
                mode: {dtype: [(int(p), float(r)) for p, r in rows] for dtype, rows in data["ratios"][mode].items()}
                for mode in _MODES
            }
            rows = [row for by_dtype in ratios.values() for rows in by_dtype.values() for row in rows]
            whole = all(pixels > 0 and 0 < ratio < math.inf for pixels, ratio in rows)
            device = str(data["device"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{path} is not a table of speedups ({error!r}); measure it again") from error
        if not whole:
            raise ValueError(f"{path} is not a table of speedups (maps and ratios must be above 0); measure it again")
        return Speedups(device, ratios)

    def save(self, path: str | Path) -> None:
        """Writes the JSON that `load` reads."""
        data = {"device": self.device, "ratios": self.ratios}
        Path(path).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    def prefers_fused(self, device: str, dtype: torch.dtype, pixels: int, *, training: bool) -> bool:
        """Whether the measured map whose size is nearest was faster; False outside the range of sizes measured."""
        rows = self.ratios[_MODES[training]].get(str(dtype).removeprefix("torch."), ())
        if device != self.device or not rows or not rows[0][0] <= pixels <= rows[-1][0]:
            return False
        _, ratio = min(rows, key=lambda row: abs(math.log(row[0] / pixels)))
        return ratio > 1


def measure(
    candidate: Backend,
    reference: Backend,
    shapes: Iterable[tuple[int, int, int, int]],
    device: torch.device,
    name: str,
    time: Timer,
) -> Speedups:
    """Times both backends on depthwise circular convolutions, forward alone and with both gradients.

    Args:
        candidate: what may be preferred; should prove itself, or a wrong kernel could win.
        reference: torch.fft.
        shapes: of x, (batch, channels, rows, columns), in the order of growing maps.
        device: where to measure.
        name: of that device, the key of the table.
        time: times calls side by side.
    """
    ratios: dict[str, dict[str, list[tuple[int, float]]]] = {mode: {dtype: [] for dtype in _DTYPES} for mode in _MODES}
    for batch, channels, *size in shapes:
        placement = Placement(tuple(size), tuple(size), (1, 1))
        spectrum = torch.randn(channels, 1, *frequency.half_shape(size), 2, device=device)
        for dtype in _DTYPES:
            x = torch.randn(batch, channels, *size, device=device).to(getattr(torch, dtype))
            for mode in _MODES:
                calls = {
                    "fused": _call(candidate, x, spectrum, placement, mode),
                    "fft": _call(reference, x, spectrum, placement, mode),
                }
                seconds = time(calls)
                ratios[mode][dtype].append((math.prod(size), seconds["fft"] / seconds["fused"]))
    return Speedups(name, ratios)


def _call(backend: Backend, x: Tensor, spectrum: Tensor, placement: Placement, mode: str) -> Callable[[], object]:
    groups = x.shape[1]

    def call() -> object:
        y = backend.forward(x, spectrum, groups, placement, placement)
        if mode == "training":
            return backend.gradients(x, spectrum, y, groups, placement, placement, True, True)
        return y

    return call
