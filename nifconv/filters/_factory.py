"""Filter factories: how layers build their filters, and wrappers around other factories."""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import nn

from nifconv.filters._base import FrequencyFilter

FilterFactory = Callable[..., FrequencyFilter]
"""Called as `factory(out_channels, in_channels_per_group, ndim)`: a filter class, or a `functools.partial` of one."""


class FilterWrapper(ABC):
    """A filter factory that changes the filters of another one; a subclass is a frozen dataclass."""

    filter: FilterFactory

    def __post_init__(self) -> None:
        check_factory(self.filter)

    def __call__(
        self, out_channels: int, in_channels: int, ndim: int = 2, *, kernel_size: int | Sequence[int] | None = None
    ) -> FrequencyFilter:
        """Makes the filter of one layer."""
        return self.wrap(build_filter(self.filter, out_channels, in_channels, ndim, kernel_size))

    @abstractmethod
    def wrap(self, inner: FrequencyFilter) -> FrequencyFilter:
        """The filter to use instead of `inner`."""

    def for_layer(self, name: str) -> FilterWrapper:
        """The same factory for one layer, on whose name the weights of frozen filters inside depend."""
        return dataclasses.replace(self, filter=for_layer(self.filter, name))  # type: ignore[type-var]


def for_layer(factory: FilterFactory, name: str) -> FilterFactory:
    """`factory` for the layer of that name: a frozen one gets a seed of its own, any other stays as it is."""
    return factory.for_layer(name) if isinstance(factory, FilterWrapper) else factory


def check_factory(factory: FilterFactory) -> None:
    """Refuses what is not a filter factory.

    Raises:
        TypeError: `factory` is not callable, or is a filter rather than a factory of filters.
    """
    if isinstance(factory, nn.Module) or not callable(factory):
        raise TypeError(
            f"filter={factory!r} must be a filter class or a functools.partial of one, called as "
            "filter(out_channels, in_channels_per_group, ndim); give ImplicitFilter, not ImplicitFilter(...)"
        )


def needs_kernel_size(factory: FilterFactory) -> bool:
    """Whether a factory needs a kernel size: `SpatialFilter` does, a `partial` that binds one does not."""
    return "kernel_size" in _missing(factory)


def _missing(factory: FilterFactory) -> set[str]:
    """Arguments that the filter class inside a factory requires, and that no partial has bound."""
    bound: set[str] = set()
    # Partials and wrappers may be nested in any order.
    while isinstance(factory, FilterWrapper | functools.partial):
        if isinstance(factory, functools.partial):
            bound |= factory.keywords.keys()
            factory = factory.func
        else:
            factory = factory.filter
    if not isinstance(factory, type):
        return set()  # a function, which has to know the arguments of the filter that it makes
    # Of the class that defines __init__ alone: a subclass with its own may have bound what its parent requires.
    written = next(cls for cls in factory.__mro__ if "__init__" in vars(cls))
    return set(vars(written).get("required", ())) - bound


def build_filter(
    factory: FilterFactory,
    out_channels: int,
    in_channels: int,
    ndim: int,
    kernel_size: int | Sequence[int] | None,
) -> FrequencyFilter:
    """Calls a filter factory for one layer, with the layer's `kernel_size` if the factory needs one.

    Raises:
        TypeError: `factory` is not callable, or makes something other than a `FrequencyFilter`.
        ValueError: it needs a kernel size and the layer has none, or its filter has the wrong shape.
    """
    check_factory(factory)
    needs_size = needs_kernel_size(factory)
    if unknown := sorted(_missing(factory) - {"kernel_size"}):
        raise TypeError(
            f"filter={factory!r} needs {', '.join(unknown)}, which the layer cannot know; bind it with "
            f"functools.partial(filter, {unknown[0]}=...)"
        )
    if not needs_size:
        made = factory(out_channels, in_channels, ndim)
    elif kernel_size is None:
        raise ValueError(
            f"filter={factory!r} needs a kernel size, but kernel_size=None; give the layer a kernel_size, or bind "
            "one with functools.partial(filter, kernel_size=...)"
        )
    else:
        made = factory(out_channels, in_channels, ndim, kernel_size=kernel_size)
    if not isinstance(made, FrequencyFilter):
        raise TypeError(f"filter={factory!r} made a {type(made).__name__}; it must make a FrequencyFilter")
    # A function may have ignored its arguments; the layer would fail much later, on its first input.
    shape = (made.out_channels, made.in_channels, made.ndim)
    if shape != (out_channels, in_channels, ndim):
        raise ValueError(
            f"filter={factory!r} made a filter with (out_channels, in_channels, ndim)={shape}, but the layer needs "
            f"{(out_channels, in_channels, ndim)}; use the arguments that the factory is called with"
        )
    return made
