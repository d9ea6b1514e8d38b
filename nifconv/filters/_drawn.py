"""Random weights: initialised for a gain; or frozen, which means determined by a seed."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, TypeVar

import torch
from torch import nn

from nifconv._support.arguments import integer, positive_float
from nifconv._support.randomness import seeded

_Self = TypeVar("_Self", bound="DrawnModule")


class DrawnModule(nn.Module, ABC):
    """A module that initialises its weights at random for a given gain; see `FrequencyFilter`.

    Attributes:
        initial_gain: the gain that the weights are initialised for.
        frozen_seed: the seed that determines the weights if the module is frozen, else None.
        frozen_names: the buffers that would be parameters if the module were not frozen.
    """

    shared: ClassVar[bool] = False
    """Whether other layers may hold the same weights."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.initial_gain = positive_float("gain", gain)
        self.frozen_seed: int | None = None
        self.frozen_names: tuple[str, ...] = ()
        self._is_part_of_frozen = False

    @property
    def learns_alone(self) -> bool:
        """Whether the weights are trained, and are those of a single layer."""
        return not self.shared and self.frozen_seed is None

    @abstractmethod
    def _draw(self) -> None:
        """Initialises all weights for `initial_gain` from the global random state; called without gradients."""

    @abstractmethod
    def _scale_(self, factor: float) -> None:
        """Multiplies every kernel by `factor` through the weights, in place; called without gradients."""

    def reset_parameters(self) -> None:
        """Re-initialises all weights, for `initial_gain`; a frozen module gets the weights of its seed again.

        A part of a frozen module stays as it is: its weights come from the seed of the whole.
        """
        if self._is_part_of_frozen:
            return
        if self.frozen_seed is not None:
            if self.get_buffer(self.frozen_names[0]).is_meta:
                return
            source = self.twin(seed=self.frozen_seed, gain=self.initial_gain)
        with torch.no_grad():
            if self.frozen_seed is None:
                self._draw()
            else:
                # Integer buffers are random too: the offsets of an encoding. Other buffers do not depend on the seed.
                for name, buffer in self.named_buffers():
                    if name in self.frozen_names or not buffer.is_floating_point():
                        buffer.copy_(source.get_buffer(name))

    def rescale_(self, factor: float) -> None:
        """Multiplies every kernel and `initial_gain` by `factor`, in place."""
        self.initial_gain *= factor
        if self.frozen_seed is not None:
            # Drawn again rather than multiplied, so that the weights stay a function of seed and gain, bit by bit.
            self.reset_parameters()
        else:
            with torch.no_grad():
                self._scale_(factor)

    def freeze_(self, seed: int) -> None:
        """Turns the parameters into buffers with values determined by `seed`; see `nifconv.frozen`.

        Raises:
            TypeError: `seed` is not an integer.
            ValueError: there is no parameter to freeze; an inner filter is frozen already, or shared with other layers.
        """
        seed = integer("seed", seed)
        for inside in self.modules():
            if isinstance(inside, DrawnModule) and not inside.learns_alone:
                state = "shared by many layers" if inside.shared else "frozen already"
                raise ValueError(
                    f"seed={seed} cannot draw {type(inside).__name__}({inside.extra_repr()}), which is {state}; freeze "
                    "a filter once, and a bank through what it holds: FilterBank(frozen(filter, seed=...), kernels)"
                )
        names = []
        for prefix, module in self.named_modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)  # before registering: a name cannot be a parameter and a buffer at once
                module.register_buffer(name, parameter.detach())
                names.append(f"{prefix}.{name}" if prefix else name)
        if not names:
            raise ValueError(
                f"seed={seed} has nothing to draw: {type(self).__name__}({self.extra_repr()}) has no parameters; "
                "freeze a filter that is learned"
            )
        self.frozen_seed, self.frozen_names = seed, tuple(names)
        self._mark_parts(frozen=True)
        self.reset_parameters()

    def twin(self: _Self, *, seed: int, gain: float) -> _Self:
        """A copy of a frozen module, on the CPU, with the weights that another seed and gain give it."""
        twin = copy.deepcopy(self)
        # Meta tensors have no values that could be copied to the CPU; all weights get new ones below.
        twin = twin.to_empty(device="cpu") if self.get_buffer(self.frozen_names[0]).is_meta else twin.cpu()
        dtype = twin.get_buffer(twin.frozen_names[0]).dtype
        twin.float()  # whatever the dtype, so that a seed gives the same weights, only rounded differently
        # As if it were not frozen, since a frozen module and its parts refuse to be re-initialised.
        twin.frozen_seed, twin.initial_gain = None, gain
        twin._mark_parts(frozen=False)
        with seeded(seed):
            twin.reset_parameters()
        twin.frozen_seed = seed
        twin._mark_parts(frozen=True)
        return twin.to(dtype)

    def _mark_parts(self, *, frozen: bool) -> None:
        for inside in self.modules():
            if isinstance(inside, DrawnModule) and inside is not self:
                inside._is_part_of_frozen = frozen
