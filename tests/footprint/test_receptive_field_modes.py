"""Receptive fields of compiled models, and in inference mode."""

import torch
from torch import nn

from nifconv.footprint import effective_receptive_field


def test_a_compiled_model_and_inference_mode_change_nothing() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
    x = torch.randn(2, 1, 8, 8)
    (expected,) = effective_receptive_field(net, x)
    with torch.inference_mode():
        (found,) = effective_receptive_field(net, torch.randn(1) * 0 + x)
    assert torch.equal(found.contribution, expected.contribution)
    compiled = torch.compile(net, backend="eager")
    compiled(x)  # a graph without hooks is there before the measurement
    (found,) = effective_receptive_field(compiled, x)
    assert torch.equal(found.contribution, expected.contribution)
