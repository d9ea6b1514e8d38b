"""A spectrum is packed once, as long as it is there unchanged."""

from typing import Any

import pytest
import torch

from nifconv import FrequencyConv2d
from nifconv.spectral.fused import _packed
from nifconv.spectral.fused._packed import PackedSpectra
from nifconv.spectral.fused._packing import pack


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that something is packed."""
    calls: list[int] = []

    def counting(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return pack(*arguments)

    monkeypatch.setattr(_packed, "pack", counting)
    return calls


def spectrum(filters: int = 3, size: int = 6) -> torch.Tensor:
    return torch.randn(filters, 1, size, size // 2 + 1, 2)


def test_the_same_spectrum_is_packed_once_by_whatever_name(counted: list[int]) -> None:
    packed, pairs = PackedSpectra(), spectrum()
    first = packed(pairs, (6, 6))
    torch.testing.assert_close(first, pack(pairs[:, 0], (6, 6)), rtol=0, atol=0)
    assert packed(torch.view_as_real(torch.view_as_complex(pairs)), (6, 6)) is first
    assert packed(pairs.detach(), (6, 6)) is first
    assert len(counted) == 1


def test_another_spectrum_is_packed_itself(counted: list[int]) -> None:
    packed, pairs = PackedSpectra(), spectrum()
    packed(pairs, (6, 6))
    for other in (pairs[:2], pairs[1:], pairs.clone(), pairs.flip(0), pairs.half()):
        torch.testing.assert_close(packed(other, (6, 6)), pack(other[:, 0].float(), (6, 6)), rtol=0, atol=0)
    assert len(counted) == 6


def test_a_change_in_place_is_seen(counted: list[int]) -> None:
    packed, pairs = PackedSpectra(), spectrum()
    before = packed(pairs, (6, 6))
    pairs[:2].mul_(2)
    torch.testing.assert_close(packed(pairs, (6, 6))[:2], 2 * before[:2])
    assert len(counted) == 2


def test_memory_that_was_released_is_not_taken_for_the_spectrum_it_held() -> None:
    packed = PackedSpectra()
    for _ in range(20):  # the allocator hands out the same address again
        pairs = spectrum()
        torch.testing.assert_close(packed(pairs, (6, 6)), pack(pairs[:, 0], (6, 6)), rtol=0, atol=0)
    assert len(packed._entries) <= 2


def test_tensors_without_a_version_are_packed_each_time(counted: list[int]) -> None:
    packed = PackedSpectra()
    with torch.inference_mode():
        pairs = spectrum()
        packed(pairs, (6, 6))
        packed(pairs, (6, 6))
    assert len(counted) == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_what_a_layer_hands_over_in_eval_mode_is_recognized(
    mode: Any, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nifconv.spectral import _products, fused

    packed, forward = PackedSpectra(), _products.forward

    def launched(x: torch.Tensor, pairs: torch.Tensor, *rest: Any) -> torch.Tensor:
        packed(pairs, rest[1].size)
        return forward(x, pairs, *rest)

    monkeypatch.setattr(fused, "absence", lambda: "")
    monkeypatch.setattr(fused, "forward", launched)
    layer, x = FrequencyConv2d(4, 4, groups=4, method="fused").eval(), torch.randn(2, 4, 8, 8)
    with mode():
        for _ in range(3):
            layer(x)
    assert len(counted) == 1
    with torch.no_grad():
        next(layer.filter.parameters()).mul_(2)
        layer(x)
    assert len(counted) == 2
