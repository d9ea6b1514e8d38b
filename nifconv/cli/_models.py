"""Models by name: from torchvision, from timm, or from a function of the user."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from torch import nn


def load_model(name: str) -> nn.Module:
    """Builds the model of that name with newly initialised weights.

    Args:
        name: a name in torchvision ("resnet50"), else in timm ("convnext_tiny"); or "package.module:function", a
            function without arguments that returns a module; the package may lie in the working directory.

    Raises:
        ValueError: there is no model of that name, or the function cannot be imported.
        TypeError: the name is not that of a function, or the function returns something other than a module.
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
            # weights=None alone would still download those of the backbone.
            backbone = {"weights_backbone": None} if _is_nested(builder.__module__) else {}
            return builder(weights=None, **backbone)
    try:
        import timm
    except ImportError:
        pass
    else:
        asked.append("timm")
        if name.partition(".")[0] in timm.list_models():  # without the tag of its weights, as in "resnet50.a1_in1k"
            return timm.create_model(name, pretrained=False)
    searched = f"searched {', '.join(asked)}" if asked else "torchvision and timm are not installed"
    raise ValueError(
        f"unknown model {name!r} ({searched}); give a name from torchvision or timm, or 'package.module:function'"
    )


def _is_nested(module: str) -> bool:
    """Whether torchvision builds the models of this module around a backbone."""
    return any(part in module for part in (".detection", ".segmentation"))


def _from_factory(name: str) -> nn.Module:
    module_name, _, function = name.partition(":")
    here = str(Path.cwd())  # the console script, unlike `python -m`, does not look there
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: an empty module name, as in ":net"
        raise ValueError(f"cannot find {name!r}: {error}; give 'package.module:function'") from error
    if not callable(factory):
        raise TypeError(f"{name!r} is a {type(factory).__name__}; it must be a function that returns a torch.nn.Module")
    model = factory()
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name!r} returned a {type(model).__name__}; it must return a torch.nn.Module")
    return model
