"""
Circular or zeros
=================

A product of spectra is a circular convolution: what leaves the map on one side enters on the other. With
``padding_mode="zeros"`` a layer is the linear convolution of ``nn.Conv2d`` instead, exact, at the cost of larger
transforms.
"""

from functools import partial

import matplotlib.pyplot as plt
import torch

from nifconv import FrequencyConv2d, ImplicitFilter, MultiScaleFeatures, convert

torch.manual_seed(0)
far = partial(ImplicitFilter, encoding=MultiScaleFeatures(reach=8))
circular = FrequencyConv2d(1, 1, bias=False, filter=far)
zeros = FrequencyConv2d(1, 1, bias=False, padding_mode="zeros", filter=far)
zeros.load_state_dict(circular.state_dict())

# %%
# One pixel near the corner shows the difference. Both layers hold the same weights.

image = torch.zeros(1, 1, 24, 24)
image[..., 2, 2] = 1
figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.2), layout="constrained")
with torch.no_grad():
    responses = [circular(image)[0, 0], zeros(image)[0, 0]]
limit = max(response.abs().max().item() for response in responses)
for axes, response, title in zip(panels, responses, ('padding_mode="circular"', 'padding_mode="zeros"'), strict=True):
    shown = axes.imshow(response.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set(title=title, xticks=(), yticks=())
figure.colorbar(shown, ax=panels, label="response to one pixel", shrink=0.8)

# %%
# With a kernel of fixed size the layer is ``nn.Conv2d``, number for number.

layer = FrequencyConv2d(4, 4, kernel_size=7, padding_mode="zeros")
maps = torch.randn(1, 4, 24, 24)
plain = torch.nn.functional.conv2d(maps, layer.filter.taps(7), layer.bias, padding=3)
torch.testing.assert_close(layer(maps), plain, rtol=0, atol=1e-5)

# %%
# ``convert`` keeps the padding mode of the layer that it replaces. Only for kernels as large as the map does it choose
# circular padding, unless ``padding_mode`` says otherwise.

conv = torch.nn.Conv2d(8, 8, 3, padding=1)
for options in ({"kernel_size": 7}, {}, {"padding_mode": "zeros"}):
    converted = convert(conv, to="dense", **options).model
    print(f"{options or 'no options'}: kernel_size={converted.kernel_size}, padding_mode={converted.padding_mode!r}")
