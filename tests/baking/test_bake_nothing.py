"""`bake` on batches without examples."""

import torch
from torch import Tensor, nn

from nifconv import FrequencyConv2d, bake
from tests.baking.test_bake_models import LOCAL


def test_a_batch_without_examples_reaches_no_layer() -> None:
    layer = FrequencyConv2d(3, 3, filter=LOCAL)
    (entry,) = bake(layer, torch.randn(0, 3, 5, 5)).report.layers
    assert "kept: the example input does not reach it in eval mode" in entry.reason

    class Sometimes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(torch.cat([x, self.layer(x[:0])]))

    (entry,) = bake(Sometimes(), torch.randn(1, 3, 5, 5)).report.layers
    assert entry.replaced
    assert entry.error < 1e-5
