"""
Frozen filters and compact checkpoints
======================================

Gavrikov & Keuper 2023 found that convolutions need not be learned if a 1x1 convolution after them combines them.
Here all spatial filters are drawn once from a seed and never trained.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

from experiments.nets.separable import separable_net
from experiments.study.training import train_and_test
from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, digit_pools
from nifconv import (
    SpatialFilter,
    compact_state_dict,
    convert,
    count_parameters,
    footprint,
    frozen,
    load_compact_state_dict,
)

pools = digit_pools(side=16)


def build(expansion: int) -> nn.Module:
    """A small net whose 3x3 convolutions become linear combinations of frozen random filters."""
    torch.manual_seed(0)
    plain = separable_net(
        16, 3, classes=CLASSES, depth=3, padding_mode="zeros", halve_after=(0, 1), pool=nn.AdaptiveMaxPool2d
    )
    return convert(plain, to="lc", expansion=expansion, filter=frozen(SpatialFilter, seed=7)).model


# %%
# More random filters for each channel leave the 1x1 convolution more to choose from.

for expansion in (1, 8):
    net = build(expansion)
    outcome = train_and_test(
        net,
        Batches(pools.train.images, pools.train.labels, 32, seed=0),
        Batches(pools.test.images, pools.test.labels, 100),
        classes=CLASSES,
        epochs=15,
        learning_rate=0.02,
        progress=False,
    )
    print(f"E = {expansion}: accuracy {100 * outcome.accuracy:.1f} %, {count_parameters(net)}")

# %%
# The strongest filters of each layer are noise, before the training and after it.

footprint.survey(net, pools.test.images[:1]).plot("kernels")

# %%
# A checkpoint need not hold what a seed can draw again. ``compact_state_dict`` stores the seed and a checksum of each
# frozen filter, and loading draws the filters and compares the checksum.

with tempfile.TemporaryDirectory() as folder:
    whole, compact = Path(folder, "whole.pt"), Path(folder, "compact.pt")
    torch.save(net.state_dict(), whole)
    torch.save(compact_state_dict(net), compact)
    print(f"{whole.stat().st_size:,} bytes with the random filters, {compact.stat().st_size:,} without")
    again = build(expansion=8)
    load_compact_state_dict(again, torch.load(compact))

image = pools.test.images[:1]
assert torch.equal(again.eval()(image), net.eval()(image))
