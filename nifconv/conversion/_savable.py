"""What of a converted model a file can hold, such that it can be loaded."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn
from torch.optim.swa_utils import AveragedModel

from nifconv.layers import SpatialLayer

_MARK = "_nifconv_replacement"
_WRAPPERS = (AveragedModel, nn.DataParallel, nn.parallel.DistributedDataParallel)


def mark(layer: nn.Module) -> None:
    """Notes on a new layer that `convert` put it in its place; copies know it too."""
    setattr(layer, _MARK, True)


def model_to_save(model: nn.Module, replaced: Collection[str]) -> nn.Module:
    """The model that a conversion returned, or its copy, out of what was wrapped around it.

    Args:
        model: it, perhaps inside torch.compile, AveragedModel, DataParallel or DistributedDataParallel.
        replaced: names of the layers that the conversion replaced.

    Raises:
        ValueError: `load` could not build the model again: replaced layers are missing, or others were replaced in a
            conversion before or after this one.
    """
    modules = dict(model.named_modules())
    missing = [name for name in replaced if not isinstance(modules.get(name), SpatialLayer)]
    inner = model._modules.get("_orig_mod") or (model.module if isinstance(model, _WRAPPERS) else None)
    if missing and inner is not None:
        return model_to_save(inner, replaced)
    if missing:
        raise ValueError(
            f"the {type(model).__name__} has no frequency layer at {missing[0]!r}, where this conversion put one, so "
            "that the file could not be loaded; save the converted model or a copy of it, without what is wrapped "
            "around it, and not baked"
        )
    others = [repr(name) for name, module in modules.items() if hasattr(module, _MARK) and name not in replaced]
    if others:
        raise ValueError(
            f"{others[0]} {'was' if len(others) == 1 else 'and others were'} replaced in another conversion "
            "of this model, which the file would not hold; save model.state_dict(), and convert in the same steps "
            "before loading it"
        )
    return model
