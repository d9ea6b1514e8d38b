"""A backend is used on a device only after it has been seen to be right there.

A kernel that a compiler accepts may still be wrong on a device that nobody has tried, or not compile there at all. So
at the first use of a shape, dtype and device its results are compared with those of a reference, on samples of that
very shape; what fails is never used in this process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from nifconv.spectral import _clocks
from nifconv.spectral._transforms import Placement

_LIMITS = {torch.float32: 5e-6, torch.float16: 3e-3, torch.bfloat16: 1e-2}
"""Largest error of a plane relative to its norm: several times what rounding makes, far below any mistake."""
_PROOF_BYTES = 64 << 20


class Backend(Protocol):
    """Products of spectra and their gradients: the contract of the products by torch.fft."""

    def forward(self, x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor: ...

    def gradients(
        self,
        x: Tensor,
        spectrum: Tensor,
        grad: Tensor,
        groups: int,
        source: Placement,
        target: Placement,
        wants_x: bool,
        wants_spectrum: bool,
    ) -> tuple[Tensor, Tensor]: ...


class Candidate(Backend, Protocol):
    """A backend for some cases only."""

    def supports(
        self, x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement, *, gradients: bool
    ) -> bool: ...


@dataclass(frozen=True)
class Verdict:
    """The result of one comparison.

    Attributes:
        direction: "forward" or "gradients".
        dtype: dtype of the maps.
        shape, size: shape of a map, and size of the grid it lies on.
        device: where it was compared.
        proven: whether the candidate may be used.
        reason: the largest error, the exception, or why nothing was compared.
    """

    direction: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    size: tuple[int, ...]
    device: torch.device
    proven: bool
    reason: str

    def __str__(self) -> str:
        where = f"{self.direction} of maps of {self.shape} on a grid of {self.size}"
        return f"{where} in {self.dtype} on {_clocks.device_name(self.device)}"


class Proven:
    """The candidate where it supports a case and has been proven to be right, elsewhere the reference.

    Attributes:
        verdicts: all verdicts of this process so far, in the order of first use.
    """

    def __init__(self, candidate: Candidate, reference: Backend) -> None:
        self._candidate = candidate
        self._reference = reference
        self._verdicts: dict[Hashable, Verdict] = {}
        self._warned: set[tuple[torch.device, torch.dtype]] = set()

    @property
    def verdicts(self) -> list[Verdict]:
        return list(self._verdicts.values())

    def forward(self, x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor:
        """See `Backend`."""
        return self._run("forward", x, spectrum, (), groups, source, target)

    def gradients(
        self,
        x: Tensor,
        spectrum: Tensor,
        grad: Tensor,
        groups: int,
        source: Placement,
        target: Placement,
        wants_x: bool,
        wants_spectrum: bool,
    ) -> tuple[Tensor, Tensor]:
        """See `Backend`."""
        return self._run("gradients", x, spectrum, (grad,), groups, source, target, wants_x, wants_spectrum)

    def _run(self, direction: str, x: Tensor, spectrum: Tensor, grad: tuple[Tensor, ...], *rest: Any) -> Any:
        trusted = self.verdict(direction, x, spectrum, *rest).proven
        compute = getattr(self._candidate if trusted else self._reference, direction)
        return compute(x, spectrum, *grad, *rest)

    def verdict(self, direction: str, x: Tensor, spectrum: Tensor, *rest: Any) -> Verdict:
        """Whether the candidate computes such a case, compared now if it was not before.

        Args:
            direction: "forward" or "gradients".
            x, spectrum: operands; their values do not matter.
            rest: the other arguments of that direction, without the gradient.
        """
        groups, source, target, *wants = rest
        case = (direction, x.dtype, source.shape, source.size, x.device)
        if not self._candidate.supports(x, spectrum, groups, source, target, gradients=direction == "gradients"):
            return Verdict(*case, False, "no kernel is meant for it")
        last = not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
        # By powers of two for the batch: a program that loops over samples is another case than one that does not.
        sizes = (x.shape[1:], spectrum.shape, source, target, (len(x) - 1).bit_length())
        key = (direction, x.device, x.dtype, spectrum.dtype, last, *sizes, *wants)
        if key in self._verdicts:
            return self._verdicts[key]
        if x.is_cuda and torch.cuda.is_current_stream_capturing():
            return Verdict(*case, False, "a graph under capture cannot read back what a comparison needs")
        try:
            reason, proven = self._compare(direction, *_operands(x, spectrum, target, last), *rest)
        except torch.OutOfMemoryError:  # says nothing of the kernel: asked again next time
            return Verdict(*case, False, "there was no memory for a comparison")
        except Exception as error:  # whatever a compiler or a driver raises
            reason, proven = f"{type(error).__name__}: {error}", False
        verdict = self._verdicts[key] = Verdict(*case, proven, reason)
        if not proven:
            self._warn(verdict)
        return verdict

    def _compare(self, direction: str, x: Tensor, spectrum: Tensor, grad: Tensor, *rest: Any) -> tuple[str, bool]:
        grads = (grad,) if direction == "gradients" else ()
        actual = getattr(self._candidate, direction)(x, spectrum, *grads, *rest)
        expected = getattr(self._reference, direction)(x.float(), spectrum.float(), *(g.float() for g in grads), *rest)
        if direction == "forward":
            actual, expected = (actual,), (expected,)
        error = max(_distance(a, e) for a, e in zip(actual, expected, strict=True) if e.numel())
        limit = max(_LIMITS[x.dtype], _LIMITS[spectrum.dtype])
        return f"relative error {error:.1e}, limit {limit:.0e}", error <= limit

    def _warn(self, verdict: Verdict) -> None:
        if (verdict.device, verdict.dtype) in self._warned:
            return
        self._warned.add((verdict.device, verdict.dtype))
        warnings.warn(
            f"the fused kernel is not used for {verdict}: {verdict.reason}. torch.fft computes the same result. "
            "Please report this together with the output of `nifconv doctor`, which makes such comparisons too. "
            f"Further refusals in {verdict.dtype} are silent",
            RuntimeWarning,
            stacklevel=2,
        )


def _operands(x: Tensor, spectrum: Tensor, target: Placement, last: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Random x, spectrum and gradient of the user's shapes, with as many samples as a bound on memory allows.

    The user's own numbers may be zeros or infinite, and the global generators must not notice.
    """
    generator = torch.Generator(x.device).manual_seed(0)
    samples = max(1, min(len(x), _PROOF_BYTES // (4 * len(spectrum) * x[0, 0].numel())))
    layout = torch.channels_last if last else torch.contiguous_format

    def planes(channels: int, shape: tuple[int, ...]) -> Tensor:
        draw: Callable[..., Tensor] = torch.randn
        values = draw(samples, channels, *shape, generator=generator, device=x.device)
        scale = draw(samples, channels, *(1 for _ in shape), generator=generator, device=x.device).exp()
        return ((values + 1) * scale).to(x.dtype).contiguous(memory_format=layout)

    pairs = torch.randn(spectrum.shape, generator=generator, device=x.device).to(spectrum.dtype)
    return planes(x.shape[1], tuple(x.shape[2:])), pairs, planes(len(spectrum), target.shape)


def _distance(actual: Tensor, expected: Tensor) -> float:
    """The largest error of a plane, relative to its norm; NaN counts as infinite."""
    wide = expected.double().flatten(2)
    relative = (actual.double().flatten(2) - wide).norm(dim=-1) / wide.norm(dim=-1)
    return relative.nan_to_num(nan=torch.inf).max().item()
