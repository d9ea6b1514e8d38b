"""Models by name: of torchvision, of timm, or from a factory of the user's own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from torch import nn


def load_model(name: str) -> nn.Module:
    """The model a name stands for, with fresh weights.

    Args:
        name: of torchvision ("resnet50"), else of timm ("convnext_tiny"); or "package.module:function", a function
            without arguments that returns a module, looked up from the working directory too.

    Raises:
        ValueError: nothing goes by that name, or the factory cannot be imported.
        TypeError: the factory is no function, or returns something else.
    """
    return _from_factory(name) if ":" in name else _from_libraries(name)


def _from_libraries(name: str) -> nn.Module:
    asked = []
    try:
        from torchvision import models
    except ImportError:
        pass
    else:
        asked.append("torchvision")
        if name in models.list_models():
            builder = models.get_model_builder(name)
            backbone = {"weights_backbone": None} if _is_nested(builder.__module__) else {}
            return builder(weights=None, **backbone)
    try:
        import timm
    except ImportError:
        pass
    else:
        asked.append("timm")
        if name.partition(".")[0] in timm.list_models():
            return timm.create_model(name, pretrained=False)
    libraries = " and ".join(asked) or "neither torchvision nor timm, which are not installed,"
    raise ValueError(
        f"no model of {libraries} is called {name!r}; give one of their names, or 'package.module:function'"
    )


def _is_nested(module: str) -> bool:
    """Whether torchvision builds the model around a backbone, whose weights it would download."""
    return any(part in module for part in (".detection", ".segmentation"))


def _from_factory(name: str) -> nn.Module:
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
    model = factory()
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name!r} returned a {type(model).__name__}; it must return a torch.nn.Module")
    return model
