"""Loading weights from a file, without running any code that the file may contain."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nifconv.filters import load_compact_state_dict

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts save the state dict


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads a state dict, full or compact, into `model`.

    In a training checkpoint it is found under "state_dict", "model_state_dict" or "model"; the prefix "module." of
    data-parallel training is removed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has another format, cannot be read without running code, or does not fit the model.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} has the suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    state = _state_dict(path, _read(path))
    try:
        if any(key.endswith(".frozen_checksum") for key in state):  # of `compact_state_dict`, without frozen weights
            load_compact_state_dict(model, state)
        else:
            model.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]  # torch lists every key, thousands of them for a wrong model
        raise ValueError(f"{path} does not fit the model: {reason}; name the model it was saved from") from error


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the file with the state dict")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(
                f"{path} is not a safetensors file: {error}; write it with safetensors.torch.save_file"
            ) from error
    try:
        # On the CPU, since the file may come from a machine with a GPU; without pickled code, which could do anything.
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} cannot be read with weights_only=True: {reason}; save the state_dict alone, as tensors"
        ) from error


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} holds a {type(content).__name__}; it must hold a state_dict, tensors by name")
    if unnamed := [key for key in content if not isinstance(key, str)]:
        raise ValueError(f"{path} has the key {unnamed[0]!r}; it must hold a state_dict, tensors by name")
    if all(key.startswith("module.") for key in content):
        return {key.removeprefix("module."): value for key, value in content.items()}
    return dict(content)
