"""nifconv: convolutions whose kernels are small functions of frequency.

Names are imported on first use, so that the command line can show its help without torch. Import `nifconv.functional`
to register the operator `nifconv::spectral_conv`, as loading an exported program requires.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nifconv._api import *  # noqa: F403 - the names that `_api` lists
    from nifconv._api import __all__ as __all__

    __version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nifconv")
    # Submodules are imported directly: rooms import one another, and `_api`, which imports them all, would be a circle.
    if importlib.util.find_spec(f"{__name__}.{name}") is not None:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module("nifconv._api"), name)


def __dir__() -> list[str]:
    return [*__getattr__("__all__"), "__version__"]
