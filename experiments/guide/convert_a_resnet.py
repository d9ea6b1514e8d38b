"""
Convert a ResNet in ten lines
=============================

``convert`` replaces the spatial convolutions of any network. By default each one of stride 1, except the stem, becomes
a depthwise convolution with a kernel as large as the feature map, followed by a 1x1 convolution.
"""

import torch
import torchvision

from nifconv import convert, count_parameters, footprint

torch.manual_seed(0)
net = torchvision.models.resnet18(num_classes=10)
conversion = convert(net)
print(conversion.report)

# %%
# The report says what was replaced, what was left as it is, and why. ``conversion.model`` is an ordinary module: train
# it, save it, move it to another device. It runs at any size, because a filter is a function of frequency that is
# evaluated on whatever grid the map needs.

model = conversion.model
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for side in (64, 96, 75):
    images, labels = torch.randn(4, 3, side, side), torch.randint(10, (4,))
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{side} px: loss {loss.item():.2f}")

# %%
# Reach no longer costs parameters. The count below is that of the whole network, before and after.

for name, counted in (("before", net), ("after", model)):
    print(f"{name}: {sum(p.numel() for p in counted.parameters()):,} parameters")
print(count_parameters(model))

# %%
# These are the kernels, each at the map size at which its layer runs. Untrained filters start small, around their
# centre, and training decides how far they extend.

survey = footprint.survey(model.eval(), torch.randn(1, 3, 64, 64))
survey.plot("kernels")
