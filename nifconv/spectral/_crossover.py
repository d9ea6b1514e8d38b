"""The choice of method, from measurements: up to how many taps a direct sum is faster than an FFT."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nifconv.spectral import _clocks, native
from nifconv.spectral.fused import Speedups

METHODS = ("auto", "fft", "native", "fused", "direct")
VARIABLE = "NIFCONV_CROSSOVER"
"""Environment variable with the path of a table to be used instead of the committed one."""
MODES = ("inference", "training")
KINDS = ("depthwise", "dense", "depthwise circular", "dense circular")
_NATIVE_KINDS = tuple(f"{name} native" for name in KINDS)
"""Measured against the native engine, where it was available; without these, the limits against torch.fft apply."""


@dataclass(frozen=True)
class Crossover:
    """For each mode and kind of convolution, the largest number of taps at which the direct sum wins, by map size.

    Attributes:
        limits: `limits[mode][kind]` holds pairs (pixels of a map, taps), in the order of growing maps; mode is
            "inference" or "training", kind "depthwise" or "dense" (anything that sums over input channels), each with
            zero padding or, "circular", with circular padding: a direct sum then works on a padded copy, and the FFT on
            the map as it is.
        origin: what the table was measured on, for a reader, and which "device" it is for.
        speedups: those of the fused kernels, in the table of a GPU.
    """

    limits: Mapping[str, Mapping[str, Sequence[tuple[int, int]]]]
    origin: Mapping[str, Any]
    speedups: Speedups | None = None

    @property
    def device(self) -> str:
        """The name of the device that the table is for, see `_clocks.device_name`; it says nothing about others."""
        return str(self.origin.get("device", "cpu"))

    @staticmethod
    def load(path: str | Path) -> Crossover:
        """Reads the JSON that `nifconv bench --crossover` writes.

        Raises:
            ValueError: the file does not hold such a table, so that every choice from it would be arbitrary.
            OSError: it cannot be read.
        """
        return _parse(Path(path).read_text(encoding="utf-8"), str(path))

    def save(self, path: str | Path) -> None:
        """Writes the JSON that `load` reads."""
        data: dict[str, Any] = {"limits": self.limits, "origin": dict(self.origin)}
        data |= {} if self.speedups is None else {"speedups": self.speedups.ratios}
        Path(path).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    def prefers_direct(
        self, *, taps: int, pixels: int, training: bool, depthwise: bool, wraps: bool, native: bool = False
    ) -> bool:
        """Whether the direct sum is the faster one, by the measured map whose size is nearest."""
        limits = self.limits[MODES[training]]
        pairs = limits.get(kind(depthwise=depthwise, wraps=wraps, native=native))
        pairs = limits[kind(depthwise=depthwise, wraps=wraps)] if pairs is None else pairs
        # Not min(), whose key the compiler of torch 2.8 does not know.
        _, limit = sorted(pairs, key=lambda pair: abs(math.log(pair[0] / pixels)))[0]
        return taps <= limit

    def prefers_fused(self, direction: str, dtype: torch.dtype, size: Sequence[int]) -> bool:
        """Whether the fused kernels were measured to be the faster ones on such a grid; see `Speedups`."""
        return self.speedups is not None and self.speedups.prefers_fused(direction, dtype, math.prod(size))


def use_crossover(table: str | Path | Crossover | None) -> None:
    """Makes `method="auto"` choose by another table on the device it was measured on, in this process.

    None restores the committed table, which is for CPUs; a GPU without a table of its own computes by torch.fft.
    Unless this is called, the table at the path in the environment variable NIFCONV_CROSSOVER is used, if that is set.

    Args:
        table: a table that `nifconv bench --crossover` wrote, its path, or None.

    Raises:
        ValueError: the file does not hold such a table.
        OSError: it cannot be read.
    """
    if table is None:
        _active.clear()
    if not isinstance(table, Crossover):
        table = _committed() if table is None else Crossover.load(table)
    _active[table.device] = table


def active_crossover(device: torch.device) -> Crossover | None:
    """The table that `method="auto"` chooses by there; None where nothing was measured."""
    return _active.get(_clocks.device_name(device))


@contextmanager
def crossover_in_use(table: Crossover) -> Iterator[None]:
    """`use_crossover` for as long as the context lasts."""
    before = dict(_active)
    use_crossover(table)
    try:
        yield
    finally:
        _active.clear()
        _active.update(before)


def kind(*, depthwise: bool, wraps: bool, native: bool = False) -> str:
    """The key of `Crossover.limits[mode]`."""
    words = ("depthwise" if depthwise else "dense", "circular" * wraps, "native" * native)
    return " ".join(word for word in words if word)


def chosen(
    method: str,
    x: Tensor,
    kernel: Sequence[int],
    size: Sequence[int],
    *,
    depthwise: bool,
    wraps: bool,
    trains: bool,
) -> str:
    """The method for one call: "direct", or what the product of spectra is to be computed by, see `engine_for`.

    It depends on shapes, dtype and grad mode alone, all of which a compiled graph is specialised to or guarded by. A
    map whose size an exporter leaves open takes the FFT, whose cost does not depend on the kernel.

    Args:
        method: what the caller asked for.
        x: the input; in half precision the FFT, which computes in float32, is the more exact.
        kernel: taps per axis.
        size: pixels per axis.
        depthwise: whether each output channel sees one input channel.
        wraps: whether the padding is circular.
        trains: whether a gradient will be asked for.
    """
    if method != "auto":
        return method
    if x.dtype in (torch.float16, torch.bfloat16) or any(isinstance(n, torch.SymInt) for n in size):
        return "auto"
    if any(k > n for k, n in zip(kernel, size, strict=True)):
        return "auto"  # no table has measured it, and a direct sum over such a kernel works on a much larger map
    table = active_crossover(x.device)
    if table is None:
        return "auto"
    direct = table.prefers_direct(
        taps=math.prod(kernel),
        pixels=math.prod(size),
        training=trains,
        depthwise=depthwise,
        wraps=wraps,
        native=_NATIVE and x.device.type == "cpu" and len(size) <= native.LARGEST_NDIM,
    )
    return "direct" if direct else "auto"  # which engine computes the product is for `engine_for` to choose


def _parse(text: str, name: str) -> Crossover:
    try:
        data = json.loads(text)
        limits = {mode: _limits(data["limits"][mode]) for mode in MODES}
        origin = dict(data["origin"])
        speedups = Speedups.parse(data["speedups"]) if "speedups" in data else None
        whole = all(pairs and min(p for p, _ in pairs) > 0 for kinds in limits.values() for pairs in kinds.values())
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:  # the last one from int(Infinity)
        raise ValueError(_not_a_table(name, error)) from error
    if not whole:
        raise ValueError(_not_a_table(name, "a list without maps, or a map without pixels"))
    return Crossover(limits, origin, speedups)


def _limits(measured: Mapping[str, Any]) -> dict[str, list[tuple[int, int]]]:
    names = (*KINDS, *(name for name in _NATIVE_KINDS if name in measured))
    return {name: [(int(pixels), int(taps)) for pixels, taps in measured[name]] for name in names}


def _not_a_table(name: str, reason: object) -> str:
    return f"{name} does not hold a table of crossovers ({reason!r}); write one with: nifconv bench --crossover {name}"


def _committed() -> Crossover:
    return _parse(
        resources.files("nifconv.spectral").joinpath("_crossover.json").read_text(encoding="utf-8"), "built-in"
    )


# Found once: a compiled graph may depend on it.
_NATIVE = native.engine() is not None
_active = {"cpu": _committed()}
if os.environ.get(VARIABLE):
    use_crossover(os.environ[VARIABLE])
