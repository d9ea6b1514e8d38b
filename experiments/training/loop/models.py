"""Networks by name, of our own or of a user, and their conversion, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import nn

from nifconv import FilterBank, convert, frozen
from nifconv.conversion import Filters, read_filters
from nifconv.filters import FilterFactory
from nifconv.models import NamedModel, is_file, open_model, takes

_OWN = {name: f"experiments.nets.{name}:{name}" for name in ("convnext", "resnet_lc")}
_OWN["separable"] = "experiments.nets.separable:separable_net"


@dataclass(frozen=True)
class Conversion:
    """Arguments of `nifconv.convert` that a file can hold.

    Args:
        to: structure of the new layers.
        filter: their filter: a name, such as implicit or niff-small, or data, such as
            {"ImplicitFilter": {"hidden": [8, 4], "coordinates": "image"}}; or a mapping of names and patterns of layers
            to these, or to null (see `nifconv.conversion.read_filters`).
        frozen: seed of filters that are drawn once and not trained; by default filters are trained.
        bank: number of kernels in a bank that all layers share; by default each layer has its own.
        expansion: number of filters for each input channel, with to=lc.
        where: name patterns of the convolutions to replace, such as layer1.*; by default those of the paper.
        kernel_size: number of taps per axis; by default kernels are as large as the map.
        padding_mode: boundary of the new layers; by default circular for kernels as large as the map.
        match: keep the function of the network, whose weights are loaded before.
    """

    to: Literal["split", "dense", "lc"] = "split"
    filter: str | dict[str, Any] = "implicit"
    frozen: int | None = None
    bank: int | None = None
    expansion: int = 1
    where: list[str] | None = None
    kernel_size: int | None = None
    padding_mode: Literal["circular", "zeros", "reflect", "replicate"] | None = None
    match: bool = False

    def filters(self) -> Filters:
        """The filter, or filters by layer, frozen and shared if so configured."""
        found = read_filters(self.filter)
        if isinstance(found, Mapping):
            return {key: factory and self._changed(factory) for key, factory in found.items()}
        return self._changed(found)

    def _changed(self, factory: FilterFactory) -> FilterFactory:
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
            filter=self.filters(),
            expansion=self.expansion,
            where=self.where,
            kernel_size=self.kernel_size,
            padding_mode=self.padding_mode,
            match=self.match,
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
        name: a name of torchvision or timm, also as torchvision:NAME or timm:NAME; convnext, resnet_lc or separable;
            package.module:function, a function of your own that returns a module and may take `num_classes` and
            `in_channels`; or a file that `nifconv convert` wrote.
        arguments: arguments of the function that builds it, except the numbers of classes and input channels.
        conversion: conversion to frequency convolutions, if any; with `match`, of the weights below.
        weights: file of weights to start from, also one that `nifconv convert` wrote, which converts the network too.
        pretrained: start from the weights that torchvision or timm publishes.
        trust: call the function that a file says its model is made by.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    conversion: Conversion | None = None
    weights: str | None = None
    pretrained: bool = False
    trust: bool = False

    def build(self, classes: int, in_channels: int) -> nn.Module:
        """The network, newly initialised unless `weights` or `pretrained` says otherwise.

        Raises:
            ValueError: name or argument is unknown, there is no such file, the network cannot read that many channels,
                or the weights do not fit.
        """
        try:
            what = self.name if is_file(self.name) else self._named(classes, in_channels)
            opened = open_model(what, weights=self.weights, pretrained=self.pretrained, trust=self.trust)
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise ValueError(f"net.name={self.name!r}: {error}") from error
        rank_zero_info(f"{self.name}: weights: {opened.weights}")
        return opened.module if self.conversion is None else self.conversion.apply(opened.module)

    def _named(self, classes: int, in_channels: int) -> NamedModel:
        name = _OWN.get(self.name, self.name)
        # A network of the user may have its numbers fixed.
        return NamedModel(
            name,
            classes if takes(name, "num_classes") else None,
            in_channels if takes(name, "in_channels") else None,
            self.arguments,
        )
