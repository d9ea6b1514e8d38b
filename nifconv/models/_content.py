"""What files hold: weights by name and, if nifconv or `experiments.train` wrote them, how to build their model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support import hub, saved
from nifconv._support.descriptions import refused
from nifconv._support.named import NamedModel
from nifconv.filters import load_compact_state_dict

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")
DESCRIPTION = "nifconv"
"""Key of a checkpoint under which it says how to build its model, as `nifconv.conversion.describe` does."""
# Keys under which training checkpoints hold a state_dict; then what wrappers and Lightning put before its names.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "net.", "model.")
_COMPILED = "_orig_mod."
_EXTRA = "_extra_state"  # torch's name for what a module adds to its state_dict, which may be any object
_STEP = re.compile(r"step=(\d+)")


@dataclass(frozen=True)
class Content:
    """What was read from a file.

    Attributes:
        path: the file.
        tensors: weights by name.
        description: how to build the model, None if the file does not say; complete, and data of the right kinds.
    """

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any] | None

    @property
    def source(self) -> str:
        """The file, for messages."""
        return str(self.path)

    @property
    def numbers(self) -> int:
        """How many numbers the weights have."""
        return sum(value.numel() for value in self.tensors.values() if isinstance(value, Tensor))

    @property
    def made(self) -> dict[str, Any]:
        """The description.

        Raises:
            ValueError: the file has none.
        """
        if self.description is None:
            raise ValueError(
                f"{self.source!r} does not say what its weights belong to; give the model by name, and this as weights"
            )
        return self.description

    def load_into(self, model: nn.Module) -> None:
        """Loads the weights, full or compact, without the prefixes that trainers and wrappers put before names.

        Raises:
            ValueError: they do not fit.
        """
        state = _unwrapped(self.tensors, set(model.state_dict()))
        try:
            if any(key.endswith(".frozen_checksum") for key in state):
                load_compact_state_dict(model, state)
            else:
                model.load_state_dict(state)
        except (RuntimeError, ValueError) as error:
            # torch lists every key that does not fit, one on a line; the first few show what is wrong.
            first = " ".join(str(error).split())
            raise ValueError(
                f"{self.path} does not fit the model: {first[:300]}; name the model it was saved from"
            ) from error


def read(path: str | Path) -> Content:
    """Reads a file, which may be on the Hub, or the last checkpoint of a run, without running any code in it.

    A state dict inside a training checkpoint is found under "state_dict", "model_state_dict" or "model".

    Raises:
        FileNotFoundError: there is no such file, or no checkpoint in the folder.
        ImportError: huggingface_hub is not installed.
        ValueError: the file has another format, is damaged, or cannot be read without running code.
    """
    path = hub.fetched(path)
    if path.is_dir():
        found = checkpoints(path)
        if not found:
            raise FileNotFoundError(f"{path} holds no checkpoint (*.ckpt); give the folder of a run, or a file")
        path = found[-1]
    # A path without a suffix that does not exist is missing rather than of another format: the error below says so.
    if path.suffix not in SUFFIXES and (path.suffix or path.exists()):
        raise ValueError(f"{path} has the suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the file with the state dict, or the folder of a run")
    if path.suffix == ".safetensors" or saved.is_safetensors(path):  # `save` takes a path of any suffix
        return _read_safetensors(path)
    content = _read_pickle(path)
    description = content.get(DESCRIPTION) if isinstance(content, Mapping) else None
    return _checked(path, _state_dict(path, content), description)


def read_saved(path: Path) -> Content:
    """Reads a file that `Conversion.save` or `Baked.save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: safetensors is not installed.
        ValueError: it is damaged, or something else wrote it.
    """
    return _checked(path, *saved.read(path))


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, in its folder or in `checkpoints` inside it, by the step in their names."""
    found = [*run.glob("*.ckpt"), *run.glob("checkpoints/*.ckpt")]

    def order(path: Path) -> tuple[int, str]:
        step = _STEP.search(path.name)
        return int(step[1]) if step else -1, path.name

    return sorted(found, key=order)


def _read_safetensors(path: Path) -> Content:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if saved.is_ours(path):
        return read_saved(path)
    try:
        return _checked(path, load_file(path), None)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a safetensors file: {error}; write it with safetensors.torch.save_file"
        ) from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:  # says nothing of the file
        raise
    except Exception as error:  # a damaged pickle may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} cannot be read with weights_only=True: {reason}; save the state_dict alone, as tensors"
        ) from error


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:  # one after another, since one may be inside another
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} holds a {type(content).__name__}; it must hold a state_dict, tensors by name")
    if unnamed := [key for key in content if not isinstance(key, str)]:
        raise ValueError(f"{path} has the key {unnamed[0]!r}; it must hold a state_dict, tensors by name")
    return dict(content)


def _checked(path: Path, tensors: dict[str, Tensor], description: Any) -> Content:
    """The content of a file, of which nothing is taken on faith.

    Raises:
        ValueError: it holds something other than tensors, or its description is incomplete.
    """
    for name, value in tensors.items():
        if not isinstance(value, Tensor) and not name.endswith(_EXTRA):
            raise ValueError(
                f"{path} holds a {type(value).__name__} at {name!r}; it must hold a state_dict, tensors by name"
            )
    if description is None:
        return Content(path, tensors, None)
    with refused(str(path), "has an incomplete description"):
        # As JSON text, from which the prefix of torch.compile can be removed in all names at once.
        plain = json.loads(json.dumps(description).replace(_COMPILED, ""))
        _check_complete(plain)
    return Content(path, {name.replace(_COMPILED, ""): value for name, value in tensors.items()}, plain)


def _check_complete(description: Any) -> None:
    """Checks that a description has all that building a model needs; what is in it is checked where it is used.

    Raises:
        Exception: something is missing, or of another kind.
    """
    if description["base"] is not None:
        NamedModel.from_spec(description["base"])
    # Each mapping, with the entries it needs and the kind of each.
    parts = [(description, {"conversions": list, "gains": dict})]
    parts += [(description, {"baked": dict, "report": dict})] if "baked" in description else []
    parts += [
        (step, {"baked": dict} if "baked" in step else {"plan": dict, "layers": list})
        for step in description["conversions"]
    ]
    for part, kinds in parts:
        for name, kind in kinds.items():
            if not isinstance(part[name], kind):
                raise TypeError(f"{name} is a {type(part[name]).__name__}, not a {kind.__name__}")
    for step in description["conversions"]:
        if unnamed := [layer for layer in step.get("layers", ()) if not isinstance(layer, str)]:
            raise TypeError(f"layers holds {unnamed[0]!r}, which is not a name")


def _unwrapped(state: Mapping[str, Tensor], expected: set[str]) -> dict[str, Tensor]:
    """The state dict without what torch.compile, AveragedModel, data-parallel training and Lightning add to names."""
    found = dict(state)
    if not any(_COMPILED in key for key in expected):
        found = {key.replace(_COMPILED, ""): value for key, value in found.items()}
    if "n_averaged" not in expected:
        found.pop("n_averaged", None)
    # A model may itself have a part called `net`: a prefix goes only where the model has none like it.
    while prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in found)), None):
        if not found or all(key.startswith(prefix) for key in expected):
            break
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found
