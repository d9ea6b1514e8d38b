"""Least squares for filters that are linear in their last weights: closed form there, descent on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Relative to the mean energy of a basis kernel: below it a direction is noise, and its weight would be huge.
_RIDGE = 1e-9


def variable_projection(
    basis: Callable[[], Tensor], parameters: Sequence[Tensor], targets: Tensor, *, steps: int
) -> Tensor:
    """Coefficients C, and in place `parameters` p, that minimise |targets - C basis(p)|^2.

    For each p the best C has a closed form, and the squared error that remains,

        |T|^2 - |T B^T G^(-1/2)|^2          with  G = B B^T,

    is a function of p alone, which L-BFGS minimises (Golub & Pereyra 1973). Its cost does not depend on the number
    of targets.

    Args:
        basis: evaluates the basis `(functions, points)`, differentiable in `parameters`.
        parameters: leaves with `requires_grad`, float64.
        targets: `(kernels, points)`, float64.
        steps: largest number of iterations, 0 for the closed form alone.

    Returns:
        `(kernels, functions)`.
    """
    support = targets.abs().amax(0).nonzero().squeeze(1)  # points at which some target is not zero
    targets = targets[:, support]
    # The error depends on T through T^T T = R^T R alone, and R has at most as many rows as there are points.
    reduced = torch.linalg.qr(targets, mode="r").R
    scale = reduced.square().sum().clamp_min(torch.finfo(reduced.dtype).tiny)

    def remaining_error() -> Tensor:
        explained, _ = _normal(basis(), support, reduced)
        return 1 - explained.square().sum() / scale

    if steps and len(support):
        optimizer = torch.optim.LBFGS(
            parameters,
            max_iter=steps,
            history_size=20,
            # The loss is the square of a relative error, for which the default tolerances are coarse.
            tolerance_grad=1e-12,
            tolerance_change=1e-14,
            line_search_fn="strong_wolfe",
        )

        def closure() -> float:
            optimizer.zero_grad()
            loss = remaining_error()
            loss.backward()
            return loss.item()

        with torch.enable_grad():
            optimizer.step(closure)
    with torch.no_grad():
        explained, factor = _normal(basis(), support, targets)
        # C^T = G^(-1) B T^T, of which `explained` is L^(-1) B T^T
        return torch.linalg.solve_triangular(factor.T, explained, upper=True).T


def _normal(basis: Tensor, support: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """L^(-1) B T^T and the Cholesky factor L of G = B B^T."""
    gram = basis @ basis.T  # over all points: a basis function is penalised for what it puts outside the support
    # `tiny` for a basis of zeros, which has no factor otherwise.
    ridge = _RIDGE * gram.diagonal().mean() + torch.finfo(gram.dtype).tiny
    factor = torch.linalg.cholesky(gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    return torch.linalg.solve_triangular(factor, basis[:, support] @ targets.T, upper=False), factor
