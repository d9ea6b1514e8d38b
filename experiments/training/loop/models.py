"""Networks by name, from torchvision, timm or `experiments.nets`, and their conversion, as plain data."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import timm
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import nn
from torchvision import models as torchvision_models

from experiments.nets.convnext import convnext
from experiments.nets.resnet_lc import resnet_lc
from experiments.nets.separable import separable_net
from nifconv import FilterBank, convert, frozen
from nifconv.filters import PRESETS, FilterFactory, read_spec

_OWN: dict[str, Callable[..., nn.Module]] = {"convnext": convnext, "resnet_lc": resnet_lc, "separable": separable_net}
_LIBRARIES: dict[str, Callable[[], list[str]]] = {
    "torchvision": torchvision_models.list_models,
    "timm": timm.list_models,
}


@dataclass(frozen=True)
class Conversion:
    """Arguments of `nifconv.convert` that a file can hold.

    Args:
        to: structure of the new layers.
        filter: their filter: a name, such as implicit or niff-small, or data, such as
            {"ImplicitFilter": {"hidden": [8, 4], "coordinates": "image"}} (see `nifconv.filters.spec`).
        frozen: seed of filters that are drawn once and not trained; by default filters are trained.
        bank: number of kernels in a bank that all layers share; by default each layer has its own.
        expansion: number of filters for each input channel, with to=lc.
        where: name patterns of the convolutions to replace, such as layer1.*; by default those of the paper.
        kernel_size: number of taps per axis; by default kernels are as large as the map.
        padding_mode: boundary of the new layers; by default circular.
    """

    to: Literal["split", "dense", "lc"] = "split"
    filter: str | dict[str, Any] = "implicit"
    frozen: int | None = None
    bank: int | None = None
    expansion: int = 1
    where: list[str] | None = None
    kernel_size: int | None = None
    padding_mode: Literal["circular", "zeros", "reflect", "replicate"] | None = None

    def factory(self) -> FilterFactory:
        """The filter, frozen and shared if so configured."""
        factory = read_filter(self.filter)
        if self.frozen is not None:
            factory = frozen(factory, seed=self.frozen)
        if self.bank is not None:
            factory = FilterBank(factory, self.bank, kernel_size=self.kernel_size)
        return factory

    def apply(self, net: nn.Module) -> nn.Module:
        """Converts `net` in place.

        Raises:
            ValueError: nothing was replaced, or `nifconv.convert` refuses.
        """
        converted = convert(
            net,
            to=self.to,
            filter=self.factory(),
            expansion=self.expansion,
            where=self.where,
            kernel_size=self.kernel_size,
            padding_mode=self.padding_mode,
            inplace=True,
        )
        if not any(decision.replaced for decision in converted.report.decisions):
            reasons = {str(decision.reason) for decision in converted.report.decisions}
            raise ValueError(f"where={self.where} replaces no convolution: {'; '.join(sorted(reasons))}; name others")
        rank_zero_info(converted.report.summary)
        return converted.model


@dataclass(frozen=True)
class Network:
    """A network by name.

    Args:
        name: torchvision:NAME or timm:NAME with a name from that library, or convnext, resnet_lc or separable.
        arguments: arguments of the function that builds it, except the numbers of classes and input channels.
        conversion: conversion to frequency convolutions, if any.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    conversion: Conversion | None = None

    def build(self, classes: int, in_channels: int) -> nn.Module:
        """The network with newly initialised weights.

        Raises:
            ValueError: name or argument is unknown, or the network cannot read that many channels.
        """
        library, _, name = self.name.rpartition(":")
        if library in _LIBRARIES and name in _LIBRARIES[library]():
            net = _from_library(library, name, self.arguments, classes, in_channels)
        elif self.name in _OWN:
            net = _own(self.name, self.arguments, classes, in_channels)
        else:
            raise ValueError(_unknown(self.name))
        return net if self.conversion is None else self.conversion.apply(net)


def read_filter(filter: str | dict[str, Any]) -> FilterFactory:
    """A filter factory from its name or its data.

    Raises:
        ValueError: the name is unknown, or the data describe no filter.
    """
    if isinstance(filter, str):
        if filter in PRESETS:
            return PRESETS[filter]
        raise ValueError(
            f"unknown filter={filter!r}; use one of {', '.join(PRESETS)}, or data such as "
            '{"TableFilter": {"size": 14}}'
        )
    try:
        return read_spec(filter)
    except ValueError as error:
        raise ValueError(
            f"filter={filter!r} does not describe a filter; use one of {', '.join(PRESETS)}, or data such as "
            '{"ImplicitFilter": {"hidden": [8, 4]}}'
        ) from error


def _from_library(library: str, name: str, arguments: dict[str, Any], classes: int, in_channels: int) -> nn.Module:
    if library == "timm":
        return timm.create_model(name, num_classes=classes, in_chans=in_channels, **arguments)
    if in_channels != 3:
        raise ValueError(
            f"net.name='torchvision:{name}' reads 3 channels, and the images have {in_channels}; use a timm network, "
            "which reads any number"
        )
    return torchvision_models.get_model(name, weights=None, num_classes=classes, **arguments)


def _own(name: str, arguments: dict[str, Any], classes: int, in_channels: int) -> nn.Module:
    factory = _OWN[name]
    known = sorted(set(inspect.signature(factory).parameters) - {"classes", "in_channels"})
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(f"net.arguments={unknown} are not arguments of {name!r}; it has {', '.join(known)}")
    if "filter" in arguments:
        arguments = {**arguments, "filter": read_filter(arguments["filter"])}
    return factory(**arguments, classes=classes, in_channels=in_channels)


def _unknown(name: str) -> str:
    known = [*_OWN, *(f"{library}:{found}" for library, names in _LIBRARIES.items() for found in names())]
    close: Sequence[str] = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    hint = f"; close to it are {', '.join(close)}" if close else ""
    return (
        f"unknown net.name={name!r}; use one of {', '.join(_OWN)}, or torchvision:NAME or timm:NAME with a name "
        f"from that library{hint}"
    )
