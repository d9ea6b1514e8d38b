"""
Receptive fields: CNN, transformer and mixer
============================================

What one output sees of the input, for networks of any kind: convolutional maps, and the tokens of vision transformers
and mixers.
"""

import matplotlib.pyplot as plt
import timm
import torch
import torchvision

from nifconv import convert, footprint

torch.manual_seed(0)
resnet = torchvision.models.resnet18()
models = {
    "ResNet-18": resnet,
    "ResNet-18, global kernels": convert(resnet).model,
    "ConvNeXt-Atto": timm.create_model("convnext_atto"),
    "ViT-Tiny": timm.create_model("vit_tiny_patch16_224"),
    "Mixer-S/32": timm.create_model("mixer_s32_224"),
}
images = torch.randn(4, 3, 224, 224)

# %%
# The weights are random, so these are the receptive fields of the architectures. For each network, the last layer with
# a map or a grid of tokens is measured at its centre.
# An untrained ConvNeXt is hardly more than its patches, since the scales of its blocks start near zero.

fields = {name: footprint.effective_receptive_field(model, images, batch_size=2)[0] for name, model in models.items()}
for name, field in fields.items():
    sides = ", ".join(f"{100 * share:.0f} % within {field.side(share):.0f} px" for share in (0.5, 0.9))
    print(f"{name:26} layer {field.layer}: {sides}; Gaussian to {100 * field.gaussian:.0f} %")

# %%
figure, panels = plt.subplots(1, 5, figsize=(12, 3), layout="constrained")
for axes, (name, field) in zip(panels, fields.items(), strict=True):
    share = (field.contribution / field.contribution.max()).clamp_min(1e-4).log10()
    shown = axes.imshow(share.numpy(), cmap="viridis", vmin=-4, vmax=0)
    axes.set_title(name, fontsize=9)
    axes.set(xticks=(), yticks=())
figure.colorbar(shown, ax=panels, label="log10 of the contribution / largest", shrink=0.8)
