"""
Another resolution
==================

A network of implicit filters runs at any resolution. Whether it is still right there depends on what its kernels do
when the map grows: keep their size in pixels (periodic coordinates, the default) or their size relative to the image.
"""

from functools import partial

import matplotlib.pyplot as plt
import torch

from experiments.nets.separable import frequency_net
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches, FreshBatches
from experiments.tasks.handwritten import CLASSES
from experiments.tasks.scenes import Scene, Scenes, place, source_pools
from nifconv import ImplicitFilter

train_digits, _, test_digits = source_pools()
TRAINED = Scene(digit=12, canvas=16)


def shown(scene: Scene) -> Batches:
    """The test digits, at the same places on every call."""
    return Batches(place(test_digits.images, scene, torch.Generator().manual_seed(0)), test_digits.labels, 100)


# %%
# Two nets learn digits of 12 pixels on a canvas of 16. They differ only in their coordinates.

nets = {}
for coordinates in ("periodic", "image"):
    torch.manual_seed(0)
    nets[coordinates] = frequency_net(24, partial(ImplicitFilter, coordinates=coordinates), classes=CLASSES, depth=2)
    outcome = train_and_test(
        nets[coordinates],
        FreshBatches(Scenes(train_digits, TRAINED), batches=40, batch_size=50, seed=0),
        shown(TRAINED),
        classes=CLASSES,
        epochs=5,
        learning_rate=0.02,
        progress=False,
    )
    print(f"{coordinates:9} {100 * outcome.accuracy:.1f} % at the resolution of the training")

# %%
# Then only the canvas grows, and the digits keep their 12 pixels; or the digits grow with it.

figure, panels = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
sides = (16, 20, 24, 32)
for axes, title, digit in (
    (panels[0], "only the canvas grows", lambda side: 12),
    (panels[1], "the digit grows too", lambda side: 12 * side // 16),
):
    for (name, net), marker in zip(nets.items(), "os", strict=True):
        found = [100 * accuracy(net, shown(Scene(digit(side), side)), classes=CLASSES) for side in sides]
        axes.plot(sides, found, marker=marker, label=f'coordinates="{name}"')
    axes.set(title=title, xlabel="side of the canvas, pixels", xticks=sides, ylim=(0, 102))
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(10, color="0.6", linestyle=":", linewidth=1)
panels[0].set_ylabel("accuracy, %")
panels[0].legend(frameon=False)
panels[1].annotate("chance", (32, 11), ha="right", va="bottom", color="0.4")
