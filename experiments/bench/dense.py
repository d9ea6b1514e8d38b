"""Layers whose cost is that of sums over channels, each against the one that it must keep up with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from experiments.bench.cases import Config
from experiments.bench.layers import error, training_call
from experiments.bench.memory import peak_bytes
from experiments.bench.peers import layer_peer
from nifconv import FrequencyConv2d, LCConv2d
from nifconv.spectral import side_by_side

GLOBAL, LC = "dense global over dense 3x3", "LC block, 64 filters for each channel over 1"


def rows(config: Config) -> Iterator[dict[str, Any]]:
    """One row for each case and pair of layers: both times of a training step, memory, and distance from float64."""
    for case in config.dense:
        torch.manual_seed(0)
        c = case.channels
        x = torch.randn(case.batch, c, case.size, case.size)
        dy = torch.randn_like(x)
        pairs: dict[str, tuple[Callable[..., nn.Module], nn.Module]] = {
            GLOBAL: (functools.partial(FrequencyConv2d, c, c), nn.Conv2d(c, c, 3, padding=1)),
            LC: (functools.partial(LCConv2d, c, c, expansion=64), LCConv2d(c, c)),
        }
        for name, (ours, other) in pairs.items():
            peers = {"ours": layer_peer("ours", ours(), ours(method="fft")), "other": layer_peer("other", other)}
            calls = {key: training_call(peer, x, dy) for key, peer in peers.items()}
            timings = side_by_side(calls, config.repeats)
            yield {
                "case": case.name,
                "name": name,
                **{key: vars(timing) for key, timing in timings.items()},
                "ratio": timings["ours"].median / timings["other"].median,
                "peak_bytes": {key: peak_bytes(call) for key, call in calls.items()},
                "error": error(peers["ours"], x, dy),
            }
