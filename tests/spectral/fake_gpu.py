"""A GPU in name alone: tensors on the CPU, kernels that compute by torch.fft, and a clock that each method moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nifconv.spectral import _clocks, _direct, _products, fused, native
from nifconv.spectral.fused import Proven
from tests.spectral.fused.test_proof import Fake

NAME = "Fake GPU"


class FakeGpu:
    """Puts itself in the place of the device, of its kernels and of its clock.

    Attributes:
        seconds: that one call takes, by method.
        kernel: what is in the place of the fused kernels.
        used: methods, in the order of their calls.
    """

    def __init__(self, patch: pytest.MonkeyPatch, spoil: Callable[[Any], Any] = torch.Tensor.contiguous) -> None:
        self.seconds = {"fft": 1.0, "fused": 0.5, "direct": 2.0}
        self.kernel = Fake(spoil)
        self.used: list[str] = []
        self._now = 0.0
        patch.setattr(_clocks, "device_name", lambda device: NAME)
        patch.setattr(native, "supports", lambda *_: False)
        for module, method in ((_products, "fft"), (self.kernel, "fused")):
            for name in ("forward", "gradients"):
                patch.setattr(module, name, self._counted(method, getattr(module, name)))
        patch.setattr(_direct, "sum_over_taps", self._counted("direct", _direct.sum_over_taps))
        proven = Proven(self.kernel, _products)
        patch.setattr(fused, "absence", lambda: "")
        for name, value in (("proven", proven), ("forward", proven.forward), ("gradients", proven.gradients)):
            patch.setattr(fused, name, value)

    def clock(self, call: Callable[[], object]) -> float:
        start = self._now
        call()
        return self._now - start

    def _counted(self, method: str, compute: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._now += self.seconds[method]
            self.used.append(method)
            return compute(*arguments, **options)

        return counted
