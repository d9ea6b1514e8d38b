"""Time by events, peak memory, share of the memory's bandwidth, distance from float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from experiments.bench.gpu import contenders
from experiments.bench.gpu.cases import Config
from experiments.bench.layers import forward_call, training_call
from experiments.bench.memory import peak_bytes
from experiments.bench.models import SMALL, SPLIT, inference_call, step_call, variants
from experiments.bench.peers import Peer
from nifconv import FrequencyConv2d
from nifconv.spectral import clock_for, fused, side_by_side

_PASSES = {"forward": (2, 1), "training": (5, 3)}
"""How often maps (x, y; then x, dy, dx) and learned tensors (once each way, and a gradient) cross the memory bus."""


def bandwidth(config: Config, device: torch.device) -> float:
    """Bytes per second of a copy within the memory, read and written."""
    source = torch.empty(config.copied, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    timing = side_by_side({"copy": lambda: target.copy_(source)}, config.repeats, clock=clock_for(device))["copy"]
    return 2 * config.copied / timing.median


def layers(config: Config, device: torch.device, bytes_per_second: float) -> Iterator[dict[str, Any]]:
    """One row for each case, dtype, padding and formulation."""
    clock = clock_for(device)
    for case in config.cases:
        for padding in (contenders.circular, contenders.zeros):
            torch.manual_seed(0)
            peers = list(padding(case, device))
            for dtype in config.dtypes:
                x = torch.randn(case.batch, case.channels, case.size, case.size, device=device).to(dtype)
                dy = torch.randn_like(x)
                modes = {}
                for mode, make in (("forward", forward_call), ("training", training_call)):
                    calls = {peer.name: make(peer, x, dy) for peer in peers}
                    modes[mode] = side_by_side(calls, config.repeats, clock=clock)
                for peer in peers:
                    yield {
                        "case": case.name,
                        "padding": padding.__name__,
                        "dtype": _name(dtype),
                        "name": peer.name,
                        "kernels": _kernels(case.size, padding is contenders.circular, dtype),
                        **{mode: vars(timings[peer.name]) for mode, timings in modes.items()},
                        "share_of_bandwidth": {
                            mode: _least_bytes(mode, peer, x) / bytes_per_second / timings[peer.name].median
                            for mode, timings in modes.items()
                        },
                        "peak_bytes": peak_bytes(training_call(peer, x, dy), device),
                        "error": _error(peer, x, dy),
                    }


def nets(config: Config, device: torch.device) -> Iterator[dict[str, Any]]:
    """One row for each net, variant and compiler: a training step and inference under autocast to bfloat16."""
    clock = clock_for(device)
    for name in config.models:
        torch.manual_seed(0)
        x = torch.randn(config.model_batch, 3, config.model_size, config.model_size, device=device)
        built = variants(models.get_model(name, weights=None))
        nets = {
            f"{SPLIT}, torch.fft": _with_method(built[SPLIT], "fft"),
            f"{SPLIT}, fused": _with_method(built[SPLIT], "fused"),
            SMALL: built[SMALL],
        }
        for compiler in config.compilers:
            ready = {variant: _ready(net, compiler, device) for variant, net in nets.items()}
            steps = {variant: step_call(net.train(), x) for variant, net in ready.items()}
            training = side_by_side(steps, config.model_repeats, clock=clock)
            peaks = {variant: peak_bytes(step, device) for variant, step in steps.items()}
            calls = {variant: inference_call(net.eval(), x) for variant, net in ready.items()}
            inference = side_by_side(calls, config.model_repeats, clock=clock)
            for variant in ready:
                yield {
                    "model": name,
                    "variant": variant,
                    "compiler": compiler or "none",
                    "training": vars(training[variant]),
                    "inference": vars(inference[variant]),
                    "peak_bytes": peaks[variant],
                }


class _Autocast(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            y: Tensor = self.net(x)
        return y.float()


def _ready(net: nn.Module, compiler: str | None, device: torch.device) -> nn.Module:
    net = _Autocast(copy.deepcopy(net)).to(device)
    if compiler is not None:
        net.compile(backend=compiler)
    return net


def _with_method(net: nn.Module, method: str) -> nn.Module:
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, FrequencyConv2d):
            module.method = method
    return net


def _kernels(n: int, circular: bool, dtype: torch.dtype) -> list[str]:
    """Which directions of `contenders.FUSED` the kernels computed; torch.fft computed the others."""
    found = (v for v in fused.proven.verdicts if v.proven and (v.shape, v.dtype) == ((n, n), dtype))
    return sorted({v.direction for v in found if (v.size == v.shape) == circular})


def _least_bytes(mode: str, peer: Peer, x: Tensor) -> int:
    of_maps, of_leaves = _PASSES[mode]
    return of_maps * x.nbytes + of_leaves * sum(leaf.nbytes for leaf in peer.leaves)


def _error(peer: Peer, x: Tensor, dy: Tensor) -> float:
    """The largest distance from float64, on the same numbers, of output and gradients, each relative to its norm."""
    results = []
    for function, dtype in ((peer.apply, None), (peer.exact, torch.float64)):
        operands = [t.detach().to(dtype or t.dtype).requires_grad_() for t in (x, *peer.leaves)]
        y = function(*operands)
        results.append([y.detach(), *torch.autograd.grad(y, operands, dy.to(y.dtype))])
    return max(((ours - exact).norm() / exact.norm()).item() for ours, exact in zip(*results, strict=True))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
