"""Operands of the registered operator, for its tests."""

from typing import Any

import torch

from nifconv import frequency

# channels in and out, groups, grid, map, stride
CASES: dict[str, tuple[int, int, int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "depthwise on small maps": (4, 4, 4, (6, 5), (6, 5), (1, 1)),
    "depthwise on short rows": (4, 4, 4, (20, 12), (20, 12), (1, 1)),
    "depthwise with long rows": (2, 2, 2, (4, 60), (4, 60), (1, 1)),
    "multiplier on a larger grid": (3, 6, 3, (20, 20), (8, 7), (2, 3)),
    "groups with folding": (4, 6, 2, (6, 4), (6, 4), (2, 2)),
    "dense on larger maps": (3, 2, 1, (9, 10), (9, 10), (1, 1)),
    "dense in one dimension": (2, 3, 1, (9,), (9,), (2,)),
    "folding one axis alone": (2, 2, 2, (12, 12), (12, 12), (5, 2)),
    "three dimensions": (2, 4, 2, (5, 6, 8), (4, 6, 7), (1, 2, 1)),
}


def arguments(case: str, dtype: torch.dtype = torch.float64, method: str = "fft") -> tuple[Any, ...]:
    in_channels, out_channels, groups, size, shape, stride = CASES[case]
    x = torch.randn(3, in_channels, *shape, dtype=dtype)
    spectrum = torch.randn(out_channels, in_channels // groups, *frequency.half_shape(size), 2, dtype=dtype)
    out = tuple(-(-n // s) for n, s in zip(shape, stride, strict=True))
    return x, spectrum, groups, method, size, (1,) * len(size), stride, out


def learned(case: str, method: str = "fft") -> tuple[Any, ...]:
    x, spectrum, *geometry = arguments(case, method=method)
    return x.requires_grad_(), spectrum.requires_grad_(), *geometry
