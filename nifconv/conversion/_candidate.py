"""One convolution on its way through `convert`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(eq=False)
class Candidate:
    """A convolution, and what the steps of `convert` decide about it.

    Attributes:
        conv: the convolution: an `nn.ConvNd` unless it is kept.
        names: all its places in the model.
        reason: why it is kept, or what it becomes; None until that is decided.
        layer: the module that replaces it, or None.
        residual: |taps - original| / |original| of the new layer, once matched.
    """

    conv: Any
    names: tuple[str, ...]
    reason: str | None = None
    layer: nn.Module | None = None
    residual: float | None = None

    def keep(self, reason: str) -> None:
        """Decides that the convolution stays."""
        # Also after a layer was built and matched: tied weights come last, and can still prevent a replacement.
        self.reason, self.layer, self.residual = reason, None, None
