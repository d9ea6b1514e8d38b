"""Packed spectra, cached for as long as the spectra exist unchanged."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from nifconv.spectral.fused._packing import pack


class PackedSpectra:
    """Packs spectra, each once: the layers hand over the same one at every call in eval mode, and twice in training.

    A packed spectrum is dropped when another one is packed after the memory of the original was released.
    """

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[StorageWeakRef, int, Tensor]] = {}

    def __call__(self, spectrum: Tensor, size: tuple[int, int]) -> Tensor:
        """`pack` in float32 of a depthwise spectrum `(filters, 1, *half_shape(size), 2)`: `(filters, 4, *slots)`."""
        if not _can_be_recognized(spectrum):
            return _packed(spectrum, size)
        memory, version = StorageWeakRef(spectrum.untyped_storage()), spectrum._version
        place = (memory.cdata, spectrum.storage_offset(), spectrum.shape, spectrum.stride(), spectrum.dtype)
        key = (*place, size, _stream(spectrum))
        entry = self._entries.get(key)
        # Where a weak reference is held, no other memory gets the same number.
        if entry is not None and entry[1] == version and not entry[0].expired():
            return entry[2]
        for old, (reference, _, _) in list(self._entries.items()):
            if reference.expired():
                self._entries.pop(old, None)
        packed = _packed(spectrum, size)
        self._entries[key] = (memory, version, packed)
        return packed


def _packed(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    return pack(spectrum[:, 0].float(), size).contiguous()


def _can_be_recognized(spectrum: Tensor) -> bool:
    """Whether its version is known; and what a graph under capture computes has no values yet."""
    capturing = spectrum.is_cuda and torch.cuda.is_current_stream_capturing()
    return not (spectrum.is_inference() or capturing)


def _stream(spectrum: Tensor) -> int:
    """The stream of the call; another one may run ahead of the one that packs."""
    return torch.cuda.current_stream(spectrum.device).cuda_stream if spectrum.is_cuda else 0
