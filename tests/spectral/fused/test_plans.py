"""What is left to torch.fft because a program for it would not fit on the chip."""

import itertools

import pytest
import torch

from nifconv.spectral.fused import _plans
from nifconv.spectral.fused._plans import plan

HALF = (torch.float16, torch.bfloat16)


@pytest.mark.parametrize("architecture", _plans.ARCHITECTURES)
def test_small_maps_have_programs_everywhere(architecture: str) -> None:
    for size in itertools.product((4, 7, 16, 31, 32), repeat=2):
        for dtype, gradients in itertools.product((torch.float32, *HALF), (False, True)):
            chosen = plan(size, dtype, architecture, gradients=gradients)
            assert chosen is not None
            assert all(side >= n for side, n in zip(chosen.tile, size, strict=True))


@pytest.mark.parametrize(
    ("size", "dtype", "architecture", "gradients"),
    [
        ((63, 31), torch.float32, "sm_90", False),  # spills
        ((31, 63), torch.float32, "sm_80", True),
        ((15, 63), torch.float32, "sm_100", True),
        ((64, 64), torch.float32, "sm_80", False),
        ((112, 112), torch.float32, "sm_90", False),  # more shared memory than there is
        ((112, 112), torch.bfloat16, "sm_100", True),
        ((112, 112), torch.float16, "sm_80", False),
        ((65, 65), torch.float16, "gfx942", False),
        ((3, 8), torch.float16, "sm_90", False),
        ((8, 113), torch.float16, "sm_90", False),
        ((14, 14), torch.float32, "sm_75", False),
    ],
)
def test_what_does_not_fit_has_none(
    size: tuple[int, int], dtype: torch.dtype, architecture: str, gradients: bool
) -> None:
    assert plan(size, dtype, architecture, gradients=gradients) is None


@pytest.mark.parametrize(
    ("size", "dtype", "architecture", "gradients"),
    [
        ((15, 63), torch.float32, "sm_80", False),
        ((64, 64), torch.float32, "sm_90", True),
        ((64, 64), torch.bfloat16, "sm_80", True),
        ((112, 112), torch.float16, "sm_90", False),
        ((56, 112), torch.float32, "sm_100", False),
        ((56, 56), torch.bfloat16, "gfx942", True),
    ],
)
def test_what_fits_has_one(size: tuple[int, int], dtype: torch.dtype, architecture: str, gradients: bool) -> None:
    assert plan(size, dtype, architecture, gradients=gradients) is not None
