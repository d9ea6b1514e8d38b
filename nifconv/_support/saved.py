"""Tensors and a description in one safetensors file, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from nifconv._support.digest import sha256
from nifconv._support.files import replacing

_KEY = "nifconv"
_FORMAT = 2


def write(path: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Writes a file that replaces an older one only once it is complete.

    Tensors that share their memory are stored once. A checksum covers names, values and description.

    Args:
        path: the file to write or replace.
        tensors: the tensors by name.
        description: data ready for JSON.

    Raises:
        TypeError: an entry of `tensors` is not a tensor.
        FileNotFoundError: the folder of `path` does not exist.
        ImportError: safetensors is not installed.
    """
    serialise = _safetensors().torch.save
    unique: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    places: dict[tuple[Any, ...], str] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name!r} holds a {type(tensor).__name__}; only tensors can be stored in safetensors")
        # Two views of one memory are the same tensor only if they read it alike; empty tensors may have no address.
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype) if tensor.numel() else (name,)
        first = places.setdefault(place, name)
        if first == name:
            # A copy: safetensors refuses tensors that share a larger memory, such as slices of it.
            unique[name] = tensor.detach().cpu().contiguous().clone()
        else:
            aliases[name] = first
    content = {"format": _FORMAT, "aliases": aliases, "description": description}
    # Over everything but itself: `read` removes it before computing the same checksum.
    content["checksum"] = _checksum(unique, content)
    with replacing(Path(path)) as file:
        # Not `save_file`, which would put a file of its own in place of the draft, unreadable to others.
        file.write(serialise(unique, metadata={_KEY: json.dumps(content)}))


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the tensors and the description that `write` was given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is truncated or altered, or was not written by nifconv.
        ImportError: safetensors is not installed.
    """
    safetensors = _safetensors()
    if not Path(path).is_file():
        raise FileNotFoundError(f"path={str(path)!r} is not a file; give one that nifconv saved")
    if _is_pickle(path):
        raise ValueError(
            f"{str(path)!r} was written by torch.save, and does not say how its model was made; give a file from "
            "Conversion.save or Baked.save, or build the model and read this file with torch.load and load_state_dict"
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} is not a complete safetensors file ({error}); copy or save it again"
        ) from error
    if _KEY not in metadata:
        raise ValueError(f"{str(path)!r} does not say how its model was made; give a file from Conversion.save")
    try:
        content = json.loads(metadata[_KEY])
        version, checksum = content["format"], content.pop("checksum")
    # JSON that is not an object fails in various ways.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} has an unreadable description; copy or save it again") from error
    if version != _FORMAT:
        raise ValueError(
            f"{str(path)!r} has format {version}, but this nifconv reads format {_FORMAT}; use another version"
        )
    if checksum != _checksum(tensors, content):
        raise ValueError(f"{str(path)!r} was altered since it was saved: its checksum differs; copy or save it again")
    try:
        tensors.update({name: tensors[first] for name, first in content["aliases"].items()})
        return tensors, content["description"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{str(path)!r} has an unreadable list of tensors ({error}); save it again") from error


def is_ours(path: str | Path) -> bool:
    """Whether a safetensors file has a description that `write` gave it, damaged or not."""
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return _KEY in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError):
        return False


def is_safetensors(path: str | Path) -> bool:
    """Whether a file begins as safetensors files do: the length of the header in 8 bytes, then the header as JSON."""
    with Path(path).open("rb") as file:
        return file.read(9)[8:] == b"{"


def _is_pickle(path: str | Path) -> bool:
    """Whether a file begins as those of torch.save do: a zip archive, or before torch 1.6 a bare pickle."""
    with Path(path).open("rb") as file:
        head = file.read(2)
    return head in (b"PK", b"\x80\x02") and not is_safetensors(path)  # its length may start with these bytes too


def _checksum(tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> str:
    digest = sha256(sorted(tensors.items()))
    digest.update(json.dumps(content, sort_keys=True).encode())  # sorted, since equal content must give equal bytes
    return str(digest.hexdigest())


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError("saving and loading need safetensors; install it with: pip install safetensors") from error
    return safetensors
