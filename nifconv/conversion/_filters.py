"""Which filter each layer gets, where they differ: names and patterns in order, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nifconv.conversion._pattern import is_pattern, matches
from nifconv.filters import FilterFactory, check_factory, is_spec, read_filter, read_spec, write_spec

DEFAULT = "_default"
Filters = FilterFactory | Mapping[str, FilterFactory | None]
"""One filter for all layers; or a mapping of names and patterns to filters, None to keep the convolution.

The entry of the exact name takes precedence, then the first pattern that matches, then `"_default"`; without any of
these the layer is kept.
"""


def check_filters(filters: Filters) -> None:
    """Refuses what is not a filter factory, even where nothing will be replaced.

    Raises:
        TypeError: `filters` is, or holds, something else; or a key is not a string.
    """
    if not isinstance(filters, Mapping):
        return check_factory(filters)
    for key, factory in filters.items():
        if not isinstance(key, str):
            raise TypeError(f"filter has the key {key!r}; use the name of a layer, a pattern of names, or {DEFAULT!r}")
        if factory is not None:
            check_factory(factory)
    return None


def entry_for(filters: Mapping[str, FilterFactory | None], names: tuple[str, ...]) -> str | None:
    """The key that applies to a layer with these names, None if none does."""
    exact = (key for key in filters if key in names and key != DEFAULT)
    patterns = (key for key in filters if is_pattern(key) and any(matches(key, name) for name in names))
    found = next(exact, None)
    if found is not None:  # "" is a name too: that of a convolution that is the whole model
        return found
    return next(patterns, DEFAULT if DEFAULT in filters else None)


def read_filters(data: Any) -> Filters:
    """Filters from plain data, as a YAML or JSON file holds them.

    Args:
        data: what `nifconv.filters.read_filter` takes, for all layers; or a mapping of names and patterns to that, or
            to None: `{"stages.2.*": "implicit", "re:.*dw": {"TableFilter": {"size": 14}}, "_default": None}`.

    Raises:
        ValueError: a filter is unknown or badly described.
    """
    if isinstance(data, Mapping) and not is_spec(data):
        return {str(key): None if value is None else read_filter(value) for key, value in data.items()}
    return read_filter(data)


def write_filters(filters: Filters) -> Any:
    """Data ready for JSON: that of `write_spec`; a mapping as a list of pairs, since their order counts."""
    if isinstance(filters, Mapping):
        return [[key, write_spec(factory)] for key, factory in filters.items()]
    return write_spec(filters)


def read_written(spec: Any) -> Filters:
    """The filters that `write_filters` described."""
    if isinstance(spec, list):
        return {key: read_spec(written) for key, written in spec}
    return read_spec(spec)
