"""White-box attacks on a classifier: small changes of an image that raise the loss most.

Images are pixels in [0, 1]; a net that needs normalised images must contain the normalisation. The net must be in eval
mode, as BatchNorm would otherwise mix the images of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def fgsm(net: nn.Module, pixels: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    """The fast gradient sign method: x + epsilon sign(dL/dx), cut to [0, 1] (Goodfellow et al. 2015, sec. 4)."""
    return pgd(net, pixels, labels, epsilon, steps=1, step_size=epsilon)


def pgd(
    net: nn.Module,
    pixels: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    steps: int = 10,
    step_size: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient ascent on the cross-entropy L, in the maximum norm (Madry et al. 2018, sec. 2.1).

        x[t+1] = P(x[t] + step_size sign(dL/dx[t])),

    P the projection onto the images within epsilon of the given ones and within [0, 1].

    Args:
        net: a net in eval mode that returns logits.
        pixels: `(n, channels, height, width)`, in [0, 1].
        labels: `(n,)`.
        epsilon: largest change of any pixel.
        steps: number of steps.
        step_size: change of a pixel in each step; by default 2.5 epsilon / steps, so that it can cross the whole range.
        generator: random numbers for a uniform start within epsilon; without it the attack starts at the image.

    Raises:
        ValueError: `net` is in training mode, or pixels leave [0, 1].
    """
    if net.training:
        raise ValueError("net.training=True, but attacks need a net in eval mode; call net.eval() first")
    lowest, highest = pixels.min().item(), pixels.max().item()
    if lowest < 0 or highest > 1:
        raise ValueError(
            f"pixels lie in [{lowest:g}, {highest:g}] but must lie in [0, 1]; undo their normalisation, and put it in "
            "front of the net"
        )
    step_size = 2.5 * epsilon / steps if step_size is None else step_size
    least, most = (pixels - epsilon).clamp_min(0), (pixels + epsilon).clamp_max(1)
    attacked = pixels
    if generator is not None:
        noise = torch.rand(pixels.shape, generator=generator, dtype=pixels.dtype)
        attacked = (pixels + epsilon * (2 * noise - 1)).clamp(least, most)
    for _ in range(steps):
        attacked = attacked.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(net(attacked), labels), attacked)
        attacked = (attacked + step_size * gradient.sign()).clamp(least, most)
    return attacked.detach()
