"""What packing a spectrum costs beside the convolution it is packed for, on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from nifconv import frequency
from nifconv.spectral import _products, side_by_side
from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused._packing import pack, pack_adjoint

SHAPES = ((32, 384, 14), (32, 192, 28), (32, 96, 56))
SMOKE = ((2, 3, 6),)
_REPEATS = 9


def rows(shapes: Sequence[tuple[int, int, int]]) -> Iterator[dict[str, Any]]:
    """Seconds of `pack`, of its adjoint, and of the product by torch.fft, for (batch, channels, side of the map).

    Seconds that processors worked, all together: other work on the machine does not count.
    """
    for batch, channels, n in shapes:
        timings = side_by_side(_calls(batch, channels, n), _REPEATS, clock=_processor_time)
        yield {"shape": [batch, channels, n, n], **{name: timing.median for name, timing in timings.items()}}


def _processor_time(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _calls(batch: int, channels: int, n: int) -> dict[str, Callable[[], object]]:
    size = (n, n)
    placement = Placement(size, size, (1, 1))
    x, pairs = torch.randn(batch, channels, n, n), torch.randn(channels, 1, *frequency.half_shape(size), 2)
    packed = pack(pairs[:, 0], size)
    return {
        "pack": lambda: pack(pairs[:, 0], size),
        "adjoint": lambda: pack_adjoint(packed, size),
        "product": lambda: _products.forward(x, pairs, channels, placement, placement),
    }
