"""
Reach in every direction
========================

Two digits stand on a canvas, and the question is how far apart they are, along a diagonal. A net of one spatial layer
can answer only if its kernels span both digits.
"""

from functools import partial

import torch
from torch import nn

from experiments.nets.separable import frequency_net, parameters
from experiments.study.training import train_and_test
from experiments.tasks.batches import FreshBatches
from experiments.tasks.displaced import CANVAS, DIAGONALS, displaced_digits
from nifconv import ImplicitFilter, MultiScaleFeatures, SpatialFilter, footprint

torch.manual_seed(0)
train, test = displaced_digits(distances=(10, 22), directions=DIAGONALS)
images, labels = test(4, torch.Generator().manual_seed(0))
print(images.shape, labels)

# %%
# Three nets of one spatial layer: 7x7 taps, the default filter, and a filter whose encoding holds offsets of up
# to 24 pixels in all directions. The far offsets start with zero weights, so this filter is as local as the default
# before training.

multi_scale = partial(ImplicitFilter, encoding=MultiScaleFeatures(reach=24))
nets: dict[str, nn.Module] = {
    "7x7 taps": frequency_net(24, partial(SpatialFilter, kernel_size=7), classes=4, depth=1),
    "default filter": frequency_net(24, ImplicitFilter, classes=4, depth=1),
    "multi-scale filter": frequency_net(24, multi_scale, classes=4, depth=1),
}

for name, net in nets.items():
    outcome = train_and_test(
        net,
        FreshBatches(train, batches=50, batch_size=32, seed=0),
        FreshBatches(test, batches=8, batch_size=32, seed=1),
        classes=4,
        epochs=2,
        learning_rate=0.02,
        progress=False,
    )
    print(f"{name:18} {parameters(net):,} parameters, accuracy {100 * outcome.accuracy:.0f} % (chance is 25 %)")

# %%
# The kernels of the last net, after 100 steps: lobes at the places where the second digit can be.

footprint.survey(nets["multi-scale filter"], torch.zeros(1, 1, CANVAS, CANVAS)).plot("kernels")
