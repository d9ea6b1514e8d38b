"""
Three knobs, one table
======================

How far a filter reaches, whether it is learned, and how many parameters it has are three independent arguments.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from nifconv import FilterBank, ImplicitFilter, SpatialFilter, convert, count_parameters, frozen

net = nn.Sequential(*[nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(2)])
print("budget  filter   kernel  learnable  frozen")
for budget in (300, 900):
    learned = ImplicitFilter.with_budget(budget)
    for name, factory in (("learned", learned), ("frozen", frozen(learned, seed=0))):
        for kernel_size in (3, 7, None):
            counts = count_parameters(convert(net, filter=factory, kernel_size=kernel_size).model)
            print(f"{budget:6}  {name:7}  {kernel_size or 'global':>6}  {counts.learnable:9,}  {counts.frozen:6,}")

# %%
# Down the table: the kernel size changes no count, freezing moves parameters from one column to the other, and the
# budget changes nothing else. Plain taps tie the first knob to the third.

sizes = (3, 7, 11, 15)
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name, factory in (("plain taps", SpatialFilter), ("implicit, budget 300", ImplicitFilter.with_budget(300))):
    models = [convert(net, filter=factory, kernel_size=size).model for size in sizes]
    axes.plot(sizes, [count_parameters(model).learnable for model in models], marker="o", label=name)
axes.set(xlabel="taps on a side", ylabel="learnable parameters", xticks=sizes, ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)

# %%
# Two more knobs. ``expansion`` is the number of spatial filters for each input channel of a linear-combination block,
# and a ``FilterBank`` is one set of weights that all layers share.

blocks = convert(net, to="lc", expansion=4).model
shared = convert(net, filter=FilterBank(ImplicitFilter, kernels=16)).model
for name, model in (("expansion 4", blocks), ("shared bank", shared)):
    print(f"{name}: {count_parameters(model)}")
    assert model(torch.randn(1, 16, 20, 20)).shape == (1, 16, 20, 20)
