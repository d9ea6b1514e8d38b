"""Which test images a net got right, small enough for results.json."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from torch import Tensor

IMAGES, RIGHT = "images", "right"


def pack(correct: Tensor) -> dict[str, Any]:
    """Booleans `(images,)` as a count and one bit each: packed, compressed, base64."""
    bits = np.packbits(correct.numpy())
    return {IMAGES: len(correct), RIGHT: base64.b64encode(zlib.compress(bits.tobytes(), 9)).decode()}


def unpack(packed: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """1.0 for each image that was right, otherwise 0.0: `(images,)`."""
    bits = np.frombuffer(zlib.decompress(base64.b64decode(packed[RIGHT])), np.uint8)
    return np.unpackbits(bits, count=packed[IMAGES]).astype(np.float64)


def share(packed: dict[str, Any]) -> float:
    """The accuracy."""
    return float(unpack(packed).mean())
