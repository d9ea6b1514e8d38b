"""
How large are ConvNeXt's kernels?
=================================

A kernel of 7x7 taps need not use all of them, and one as large as the map certainly need not. ``footprint.survey``
measures every convolution at the size at which it runs, and puts the null distribution beside it: what the same layers
measure when they are re-initialised and not trained.
"""

import timm
import torch

from nifconv import convert, footprint

torch.manual_seed(0)
# With pretrained=True these are the kernels that ImageNet made; the random ones need no download.
net = timm.create_model("convnext_atto").eval()
image = torch.randn(1, 3, 96, 96)
plain = footprint.survey(net, image, null=5)
print(plain)

# %%
# The brackets hold z, the distance from the mean of the null distribution in its standard deviations. These weights are
# random, so every z is small: whatever size a layer shows, its initialisation explains it. This is the test that a
# claim about trained kernels has to pass.
#
# Now every 7x7 kernel becomes one as large as the map.

global_net = convert(net).model
found = footprint.survey(global_net, image, null=5)
found.plot("mass")

# %%
# The figure shows what share of a kernel lies within a centred window. An untrained implicit filter is local on a map
# of any size, because it is smooth in frequency. A trained kernel is large only if it leaves the dashed null
# distribution.
#
# The next figure shows one number for each layer, from the first to the last: the side of the window that holds 90 %.

found.plot("depth")

# %%
# ``found.to_html("page.html")`` writes all of this as one page that opens without a network, and
# ``nifconv inspect convnext_atto --null 20 --html page.html`` does so without a line of Python.
