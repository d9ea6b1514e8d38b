"""Models by name: from torchvision, from timm, or from a user's function."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from nifconv._support import history

LIBRARIES = ("torchvision", "timm")
_CLASSES, _CHANNELS = ("num_classes", "classes"), ("in_channels", "in_chans", "channels")
"""What functions call these arguments, the most usual name first."""
_FETCHING = (
    "weights",
    "weights_backbone",
    "pretrained",
    "pretrained_backbone",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
)
"""Arguments that make torchvision and timm download files, or read local ones."""


@dataclass(frozen=True)
class NamedModel:
    """A model that can be built from its name, so that a file can say what it started from.

    Attributes:
        name: "resnet50" (from torchvision if it has one of that name, else from timm), "torchvision:resnet50",
            "timm:convnext_tiny", or "package.module:function" of a function that returns a module, which is also
            looked up in the working directory.
        num_classes: number of outputs of the head, or None for the default of the architecture.
        in_channels: number of input channels, or None for the default of the architecture.
        arguments: other keyword arguments of the function that builds it, as plain data.
    """

    name: str
    num_classes: int | None = None
    in_channels: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self, *, pretrained: bool = False) -> nn.Module:
        """Builds the model, and records on it how it was built.

        Args:
            pretrained: load the weights that torchvision or timm publishes (a download), except those of a head with
                another `num_classes`; a user's function is called with `pretrained=True`. By default the model is
                newly initialised.

        Raises:
            ValueError: there is no model of that name, it does not take the arguments, or the function cannot be
                imported.
            TypeError: what is named is not a function, or returns something other than a module.
        """
        library, name = self._located()
        if library == "torchvision":
            model = _from_torchvision(name, self, pretrained)
        elif library == "timm":
            model = _from_timm(name, self, pretrained)
        else:
            model = _from_function(self, pretrained)
        history.start(model, self.to_spec())
        return model

    @property
    def is_code(self) -> bool:
        """Whether it names a function to import and call, rather than a model of a library."""
        return ":" in self.name and self.name.partition(":")[0] not in LIBRARIES

    @property
    def fetching(self) -> list[str]:
        """The arguments that make torchvision or timm download a file, or read a local one."""
        return sorted(name for name, value in self.arguments.items() if name in _FETCHING and value)

    def to_spec(self) -> dict[str, Any]:
        """Data ready for JSON, without values that are the default."""
        spec = {**vars(self), "arguments": dict(self.arguments)}
        return {key: value for key, value in spec.items() if value not in (None, {})}

    @classmethod
    def from_spec(cls, spec: Any) -> NamedModel:
        """The model that `to_spec` described.

        Raises:
            ValueError: `spec` does not describe one.
        """
        known = isinstance(spec, dict) and set(spec) <= set(cls.__dataclass_fields__)
        if not known or not isinstance(spec.get("name"), str) or not isinstance(spec.get("arguments", {}), dict):
            raise ValueError(
                f"{spec!r} does not name a model; it was written by another version of nifconv, or altered"
            )
        return cls(**spec)

    def _located(self) -> tuple[str, str]:
        """The library and the name in it; the library is "" for a function."""
        if self.is_code:
            return "", self.name
        prefix, _, name = self.name.rpartition(":")
        known = {library: list_models() for library, list_models in _installed().items() if prefix in ("", library)}
        for library, names in known.items():
            if (name.partition(".")[0] if library == "timm" else name) in names:
                return library, name
        asked = f"searched {', '.join(known)}" if known else f"{prefix or 'torchvision and timm'}: not installed"
        close = difflib.get_close_matches(name, [n for names in known.values() for n in names], n=3, cutoff=0.6)
        raise ValueError(
            f"unknown model {self.name!r} ({asked}); give a name from torchvision or timm, or 'package.module:function'"
            f"{'; close to it: ' + ', '.join(close) if close else ''}"
        )


def _installed() -> dict[str, Callable[[], list[str]]]:
    """How each installed library lists its models; torchvision comes first."""
    found: dict[str, Callable[[], list[str]]] = {}
    try:
        from torchvision.models import list_models
    except ImportError:
        pass
    else:
        found["torchvision"] = list_models
    try:
        import timm
    except ImportError:
        pass
    else:
        found["timm"] = timm.list_models
    return found


def _from_torchvision(name: str, model: NamedModel, pretrained: bool) -> nn.Module:
    from torchvision import models

    if model.in_channels not in (None, 3):
        raise ValueError(
            f"'torchvision:{name}' reads 3 channels, not {model.in_channels}; use a timm model, which reads any number"
        )
    builder = models.get_model_builder(name)
    arguments = dict(model.arguments)
    # Detectors and segmenters would download the weights of their backbone.
    if any(part in builder.__module__ for part in (".detection", ".segmentation")):
        arguments.setdefault("weights_backbone", None)
    if model.num_classes is not None:
        arguments["num_classes"] = model.num_classes
    wanted = arguments.pop("weights", None) or ("DEFAULT" if pretrained else None)
    with _arguments_named(model):
        net = builder(weights=None, **arguments)
    if wanted is not None:
        published = models.get_model_weights(name)
        if wanted not in published.__members__:
            listed = ", ".join(published.__members__)
            raise ValueError(f"'torchvision:{name}' has no weights={wanted!r}; use one of {listed}")
        # Not `weights=`, which refuses another number of classes: a head of another shape stays newly initialised.
        own, found = net.state_dict(), published[wanted].get_state_dict(progress=False, check_hash=True)
        net.load_state_dict({key: value if value.shape == own[key].shape else own[key] for key, value in found.items()})
    return net


def _from_timm(name: str, model: NamedModel, pretrained: bool) -> nn.Module:
    import timm

    arguments = {"pretrained": pretrained, **model.arguments}
    if model.num_classes is not None:
        arguments["num_classes"] = model.num_classes
    if model.in_channels is not None:
        arguments["in_chans"] = model.in_channels
    try:
        with _arguments_named(model):
            return timm.create_model(name, **arguments)
    except RuntimeError as error:  # a tag of weights that the architecture does not have
        tags = ", ".join(timm.list_pretrained(name.partition(".")[0])) or "none"
        raise ValueError(f"{model.name!r} cannot be built: {error}; timm has {tags}") from error


def _from_function(model: NamedModel, pretrained: bool) -> nn.Module:
    factory = _imported(model.name)
    known = _parameters(factory)
    arguments = dict(model.arguments)
    for given, words in (
        (model.num_classes, _CLASSES),
        (model.in_channels, _CHANNELS),
        (pretrained or None, ("pretrained",)),
    ):
        if given is not None:
            word = next((word for word in words if word in known or "**" in known), None)
            if word is None:
                raise ValueError(f"{model.name!r} has no argument {words[0]}, which {words[0]}={given} needs; add one")
            arguments[word] = given
    with _arguments_named(model):
        made = factory(**arguments)
    if not isinstance(made, nn.Module):
        raise TypeError(f"{model.name!r} returned a {type(made).__name__}; it must return a torch.nn.Module")
    return made


def made_of(model: nn.Module, base: str | NamedModel | None = None) -> dict[str, Any]:
    """The history of a model that a file has to hold (see `history.needed`), with the base that the caller names."""
    made = history.needed(model)
    if base is None:
        return made
    return {**made, "base": (NamedModel(base) if isinstance(base, str) else base).to_spec()}


def takes(name: str, role: str) -> bool:
    """Whether the model of that name has an argument for its "num_classes" or "in_channels"."""
    named = NamedModel(name)
    known = _parameters(_imported(name)) if named.is_code else {"**"}
    return "**" in known or any(word in known for word in (_CLASSES if role == "num_classes" else _CHANNELS))


def _imported(name: str) -> Callable[..., Any]:
    module_name, _, function = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"cannot find {name!r}: {error}; give 'package.module:function'") from error
    if not callable(factory):
        raise TypeError(f"{name!r} is a {type(factory).__name__}; it must be a function that returns a torch.nn.Module")
    return factory


def _parameters(factory: Callable[..., Any]) -> set[str]:
    """Names of the keyword arguments, and "**" if it takes any."""
    parameters = inspect.signature(factory).parameters.values()
    return {"**" if p.kind is p.VAR_KEYWORD else p.name for p in parameters}


@contextmanager
def _arguments_named(model: NamedModel) -> Iterator[None]:
    """A context in which an error over arguments names the model."""
    try:
        yield
    except TypeError as error:
        given = f" with {dict(model.arguments)}" if model.arguments else ""
        raise ValueError(f"{model.name!r} cannot be built{given}: {error}") from error
