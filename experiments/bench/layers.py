"""Single layers: time and peak memory against the peers, flatness in the kernel's size, growth with the map."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from experiments.bench.cases import Case, Config
from experiments.bench.memory import peak_bytes
from experiments.bench.peers import IMPLICIT, OURS, TEXTBOOK, TWO_MLPS, Peer, peers
from experiments.bench.profile import shares
from nifconv.functional import fft_conv, spectral_conv
from nifconv.spectral import Timing, side_by_side

_VECTOR, _CACHED = 16, 1 << 19
"""Channels that the engine computes at once where vectors have 64 bytes, and bytes of one operand that fit a cache."""
_GIVEN_BACK = (OURS, TEXTBOOK, IMPLICIT, TWO_MLPS, "nn.Conv2d 3x3", "nn.Conv2d 7x7")


def rows(config: Config) -> Iterator[dict[str, Any]]:
    """One row for each case and formulation, with times, peak memory and the distance from float64."""
    for case in config.cases:
        torch.manual_seed(0)
        x = torch.randn(case.batch, case.channels, case.size, case.size)
        dy = torch.randn_like(x)
        contenders = list(peers(case, config.full_kernel_sizes))
        timings: dict[str, dict[str, Timing]] = {}
        for slow in (False, True):
            chosen = [p for p in contenders if p.slow == slow]
            repeats, warmup = (config.peer_repeats, 0) if slow else (config.repeats, 2)
            for mode, make in (("forward", forward_call), ("training", training_call)):
                calls = {p.name: make(p, x, dy) for p in chosen}
                for name, timing in side_by_side(calls, repeats, warmup=warmup).items():
                    timings.setdefault(name, {})[mode] = timing
        for peer in contenders:
            measured = timings[peer.name]
            yield {
                "case": case.name,
                "size": case.size,
                "name": peer.name,
                **{mode: vars(timing) for mode, timing in measured.items()},
                "times_ours": {mode: t.median / timings[OURS][mode].median for mode, t in measured.items()},
                "peak_bytes": None if peer.slow else peak_bytes(training_call(peer, x, dy)),
                "error": None if peer.slow else error(peer, x, dy),
            }


def given_back(config: Config) -> Iterator[dict[str, Any]]:
    """Time of a training step over ours with the thresholds of glibc, which returns the larger blocks to the system."""
    for case in config.cases:
        torch.manual_seed(0)
        x = torch.randn(case.batch, case.channels, case.size, case.size)
        dy = torch.randn_like(x)
        calls = {p.name: training_call(p, x, dy) for p in peers(case, ()) if p.name in _GIVEN_BACK}
        timings = side_by_side(calls, config.repeats, warmup=2)
        for name, timing in timings.items():
            times = {"training": timing.median / timings[OURS].median}
            yield {"case": case.name, "name": name, "training": vars(timing), "times_ours": times}


def flatness(config: Config) -> list[dict[str, Any]]:
    """Time of forward and backward by FFT with k x k taps on one map.

    With circular padding the grid is the map, whatever the kernel. With zeros around the map, the grid grows with the
    kernel.
    """
    n, channels = config.kernel_map, 8
    x, dy = torch.randn(4, channels, n, n), torch.randn(4, channels, n, n)
    calls = {}
    for k in config.kernel_sizes:
        weight = torch.randn(channels, 1, k, k).requires_grad_()
        for mode in ("circular", "zeros"):
            calls[f"{mode} {k}"] = _taps_call(x, weight, dy, mode)
    timings = side_by_side(calls, config.repeats)
    return [
        {"padding_mode": key.split()[0], "kernel_size": int(key.split()[1]), **vars(timing)}
        for key, timing in timings.items()
    ]


def growth(config: Config) -> dict[str, Any]:
    """Forward time per pixel for growing maps, and the fit a + b log2(N) to it."""
    calls = {}
    for n in config.growth:
        channels = max(1, 2**22 // (n * n))
        x = torch.randn(1, channels, n, n)
        spectrum = torch.fft.rfft2(torch.randn(channels, 1, n, n))
        calls[str(n)] = _growth_call(x, spectrum)
    timings = side_by_side(calls, config.repeats)
    per_pixel = [t.median / (max(1, 2**22 // int(n) ** 2) * int(n) ** 2) for n, t in timings.items()]
    logs = [math.log2(int(n)) for n in timings]
    design = torch.tensor([[1.0, log] for log in logs], dtype=torch.float64)
    solution = torch.linalg.lstsq(design, torch.tensor(per_pixel, dtype=torch.float64)[:, None]).solution[:, 0]
    exponent = torch.linalg.lstsq(
        design, torch.tensor([math.log2(p) for p in per_pixel], dtype=torch.float64)[:, None]
    ).solution[1, 0]
    return {
        "maps": [int(n) for n in timings],
        "nanoseconds_per_pixel": [1e9 * p for p in per_pixel],
        "fit": {"constant": 1e9 * solution[0].item(), "per_log2": 1e9 * solution[1].item()},
        "power_of_n": exponent.item(),
    }


def roofline(case: Case, repeats: int) -> dict[str, float]:
    """Seconds of the parts that a training step needs, each at the rate of torch on one whole batch."""
    x = torch.randn(case.batch, case.channels, case.size, case.size)
    spectrum, copy = torch.fft.rfft2(x), torch.empty_like(x)
    kernel = torch.randn_like(spectrum[:1])
    timings = side_by_side(
        {
            "rfft2": lambda: torch.fft.rfft2(x),
            "irfft2": lambda: torch.fft.irfft2(spectrum, s=x.shape[-2:]),
            "multiply": lambda: spectrum * kernel,
            "copy": lambda: copy.copy_(x),
        },
        repeats,
    )
    return {name: timing.median for name, timing in timings.items()}


def rate_in_cache(case: Case, repeats: int) -> float:
    """Flops per second of our training step by one thread, on so few maps of a case that they stay in its cache."""
    few = Case(max(1, _CACHED // (4 * _VECTOR * case.size**2)), _VECTOR, case.size)
    x = torch.randn(few.batch, few.channels, few.size, few.size)
    ours = next(peer for peer in peers(few, ()) if peer.name == OURS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timing = side_by_side({OURS: training_call(ours, x, torch.randn_like(x))}, 5 * repeats)[OURS]
    finally:
        torch.set_num_threads(threads)
    return few.flops / timing.median


def operations(case: Case) -> dict[str, float]:
    """Shares of our training step by operation; see `profile.shares`."""
    x = torch.randn(case.batch, case.channels, case.size, case.size)
    ours = next(peer for peer in peers(case, ()) if peer.name == OURS)
    return shares(training_call(ours, x, torch.randn_like(x)))


def forward_call(peer: Peer, x: Tensor, _: Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def call() -> None:
        peer.apply(x, *peer.leaves)

    return call


def training_call(peer: Peer, x: Tensor, dy: Tensor) -> Callable[[], object]:
    operands = [x.detach().requires_grad_(), *(leaf.detach().requires_grad_() for leaf in peer.leaves)]

    def call() -> None:
        torch.autograd.grad(peer.apply(*operands), operands, dy)

    return call


def error(peer: Peer, x: Tensor, dy: Tensor) -> float:
    """The largest distance from float64 of output and gradients, each relative to its largest entry.

    A gradient that is zero by symmetry, as that of a constant imaginary part whose response is dropped, has no such
    entry; it counts relative to a thousandth of the largest of all.
    """
    results = []
    for function, dtype in ((peer.apply, torch.float32), (peer.exact, torch.float64)):
        operands = [t.detach().to(dtype).requires_grad_() for t in (x, *peer.leaves)]
        y = function(*operands)
        results.append([y.detach(), *torch.autograd.grad(y, operands, dy.to(dtype))])
    scales = [exact.abs().max().item() for exact in results[1]]
    return max(
        (ours - exact).abs().max().item() / max(scale, max(scales) / 1000)
        for ours, exact, scale in zip(*results, scales, strict=True)
    )


def _taps_call(x: Tensor, weight: Tensor, dy: Tensor, mode: str) -> Callable[[], object]:
    x, pad = x.detach().requires_grad_(), weight.shape[-1] // 2

    def call() -> None:
        y = fft_conv(x, weight, padding=[(pad, pad)] * 2, groups=x.shape[1], padding_mode=mode)
        torch.autograd.grad(y, (x, weight), dy)

    return call


def _growth_call(x: Tensor, spectrum: Tensor) -> Callable[[], object]:
    return lambda: spectral_conv(x, spectrum, groups=x.shape[1])
