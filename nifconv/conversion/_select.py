"""Which convolutions of a model to replace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from torch import nn

from nifconv._support.arguments import ints_per_axis
from nifconv.conversion._candidate import Candidate
from nifconv.conversion._filters import DEFAULT, entry_for
from nifconv.conversion._pattern import matches
from nifconv.conversion._plan import Plan
from nifconv.conversion._unsupported import obstacle
from nifconv.layers import ConvNd, as_convolution, class_name

Where = str | type[nn.Module] | Sequence[str] | Mapping[str, Any] | Callable[[str, nn.Module], bool]
_LISTED = 6
_PROPERTIES = ("name", "type", "kernel_size", "stride", "groups")


def choose(model: nn.Module, where: Where | None, plan: Plan) -> list[Candidate]:
    """All convolutions of a model in its order, with the reason where one is kept; see `convert`."""
    names, filters = convolutions(model), plan.filter
    reasons = default_choice(names) if where is None else user_choice(names, where)
    if isinstance(filters, Mapping):
        by_filter = filter_choice(names, filters)
        # A layer that an entry names needs no `where`; the default filter goes to those of the default choice.
        named = {conv for conv, key in by_filter.items() if key not in (None, DEFAULT)} if where is None else set()
        reasons = {
            conv: _no_filter(filters, by_filter[conv]) or (None if conv in named else reason)
            for conv, reason in reasons.items()
        }
    # A user's function may know what a convolution of another library computes; to match it, we would have to know.
    foreign = callable(plan.to) and not plan.match
    obstacles = {conv: obstacle(conv, foreign=foreign) for conv in reasons}
    return [Candidate(conv, tuple(names[conv]), obstacles[conv] or reason) for conv, reason in reasons.items()]


def filter_choice(names: Mapping[nn.Module, list[str]], filters: Mapping[str, Any]) -> dict[nn.Module, str | None]:
    """For each convolution, the key of `filters` that applies to it.

    Raises:
        ValueError: a name or a pattern matches nothing.
    """
    for key in filters:
        if key != DEFAULT:
            _check_matches("filter", key, names)
    return {conv: entry_for(filters, tuple(places)) for conv, places in names.items()}


def _no_filter(filters: Mapping[str, Any], key: str | None) -> str | None:
    if key is None:
        return f"not matched by `filter`, which has no {DEFAULT!r}"
    return None if filters[key] is not None else f"kept as `filter` says: {key!r} is None"


def convolutions(model: nn.Module) -> dict[nn.Module, list[str]]:
    """All convolutions and their names, in the order of the model; one may have several places and names.

    Modules that are called convolutions and have a weight of their own without being an `nn.ConvNd` are included, so
    that the report mentions them: quantised ones, those of a TorchScript module, and those of other libraries.
    """
    names: dict[nn.Module, list[str]] = {}
    # With duplicates, for all names of a shared module: `where` may match any of them.
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, ConvNd) or _resembles_convolution(module):
            names.setdefault(module, []).append(name)
    return names


def default_choice(names: Mapping[nn.Module, list[str]]) -> dict[nn.Module, str | None]:
    """For each convolution the reason to keep it, or None to replace it."""
    reasons: dict[nn.Module, str | None] = dict.fromkeys(names)
    for index, (conv, (name, *_)) in enumerate(names.items()):
        if not isinstance(conv, ConvNd):
            continue
        if max(conv.stride) > 1:
            reasons[conv] = f"stride={conv.stride}: strided convolutions are kept unless `where` names them"
        # A convolution without a name is the model itself, and was given to be replaced.
        elif name and index == 0 and conv.in_channels <= 4:
            reasons[conv] = f"stem of {conv.in_channels} input channels: kept unless `where` names it"
    return reasons


def user_choice(names: Mapping[nn.Module, list[str]], where: Where) -> dict[nn.Module, str | None]:
    """For each convolution the reason to keep it, or None to replace it, as `where` of `convert` says.

    Raises:
        TypeError: `where` is not one of the forms that `convert` lists.
        ValueError: a pattern, a type or a mapping matches nothing, or a mapping has an unknown key.
    """
    chosen: Callable[[str, nn.Module], bool]
    if isinstance(where, Mapping):
        chosen = _by_properties(where, names)
    elif isinstance(where, type):
        chosen = _by_properties({"type": where}, names)
    elif callable(where):
        # Convolutions of other libraries are kept in any case, and may lack the attributes a predicate reads.
        asked: Mapping[nn.Module, list[str]] = {
            conv: places for conv, places in names.items() if isinstance(conv, ConvNd)
        }
        picked = {conv for conv, places in asked.items() if any(where(name, conv) for name in places)}
        return {conv: None if conv in picked else "not chosen by `where`" for conv in names}
    else:
        chosen = _by_name(where, names)
    picked = {conv for conv, places in names.items() if any(chosen(name, conv) for name in places)}
    # A pattern, type or mapping that matches nothing is a mistake; a predicate may well choose nothing.
    if not picked:
        raise ValueError(f"where={where!r} matches none of the {len(names)} convolutions: {_listed(names)}")
    return {conv: None if conv in picked else f"not matched by where={where!r}" for conv in names}


def _by_name(patterns: Any, names: Mapping[nn.Module, list[str]]) -> Callable[[str, nn.Module], bool]:
    if isinstance(patterns, str) or not isinstance(patterns, Collection):
        patterns = [patterns]  # of any type: the error below names it
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(
                f"where={pattern!r} must be a name pattern or several of them, a type of module, a mapping with the "
                f"keys {', '.join(_PROPERTIES)}, or a predicate (name, conv) -> bool"
            )
        _check_matches("where", pattern, names)
    return lambda name, _: any(matches(pattern, name) for pattern in patterns)


def _check_matches(argument: str, pattern: str, names: Mapping[nn.Module, list[str]]) -> None:
    found = [name for places in names.values() for name in places]
    if any(matches(pattern, name) for name in found):
        return
    inside = [name for name in found if name.startswith(f"{pattern}.")]
    remedy = (
        f"{len(inside)} of them lie inside it: use '{pattern}.*'"
        if inside
        else "patterns are those of fnmatch, such as 'layer1.*', or regular expressions, such as 're:.*conv[12]'"
    )
    raise ValueError(
        f"{argument}={pattern!r} matches none of the {len(names)} convolutions: {_listed(names)}; {remedy}"
    )


def _by_properties(
    properties: Mapping[str, Any], names: Mapping[nn.Module, list[str]]
) -> Callable[[str, nn.Module], bool]:
    """A choice by properties, all of which must hold; a list as a value means any of its entries."""
    for key in properties:
        if key not in _PROPERTIES:
            raise ValueError(f"where has the unknown key {key!r}; use some of {', '.join(_PROPERTIES)}")
    named = _by_name(properties["name"], names) if "name" in properties else None

    def chosen(name: str, conv: nn.Module) -> bool:
        if named and not named(name, conv):
            return False
        return all(_has(conv, key, value) for key, value in properties.items() if key != "name")

    return chosen


def _has(conv: nn.Module, key: str, value: Any) -> bool:
    if isinstance(value, list | set | frozenset):  # not a tuple, which is one value with an entry per axis
        return any(_has(conv, key, entry) for entry in value)
    if key == "type":
        if not isinstance(value, type):
            raise TypeError(f"where={{'type': {value!r}}} must be a class of modules, such as nn.Conv2d")
        return isinstance(conv, value)
    if not isinstance(conv, ConvNd):
        return False
    if key == "groups":
        if value == "depthwise":
            return conv.groups == conv.in_channels > 1  # with a single channel every convolution would be depthwise
        return conv.groups == value
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) != len(conv.stride):
        return False  # meant for convolutions of another dimension
    return getattr(conv, key) == ints_per_axis(key, value, len(conv.stride))


def _resembles_convolution(module: nn.Module) -> bool:
    """Whether it is called a convolution and has a weight, but is not one that this library reads."""
    return as_convolution(module) is None and "conv" in class_name(module).lower() and hasattr(module, "weight")


def _listed(names: Mapping[nn.Module, list[str]]) -> str:
    listed = [places[0] for places in names.values()]
    more = [f"and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
    return ", ".join(listed[:_LISTED] + more) or "the model has none"
