"""Frozen random filters: determined by a seed, never trained, and cheap to store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nifconv._support.arguments import integer
from nifconv._support.digest import sha256
from nifconv._support.randomness import draw_seed, seeded
from nifconv.filters._base import FrequencyFilter
from nifconv.filters._factory import FilterFactory, FilterWrapper
from nifconv.filters._spec import savable

# What a compact checkpoint holds of a frozen filter, after the prefix of its keys.
_SEED, _GAIN, _CHECKSUM = "frozen_seed", "frozen_gain", "frozen_checksum"


def frozen(filter: FilterFactory, *, seed: int) -> FrozenFactory:
    """A factory of the given filter, with random weights that are determined by `seed` and never trained.

    The weights are buffers: never among `parameters()`, untouched by `requires_grad_(True)`, stored in the
    state_dict. They depend on the filter's arguments and the seed alone, not on the order of construction, the device
    or the global random state. Layers of the same shape and seed have the same weights; `convert` derives a seed for
    each layer from this one and the layer's name, as `nifconv.filters.for_layer` does for networks built by hand.
    Source: the frozen random filters of Gavrikov & Keuper 2023, for any kind of filter.

    Args:
        filter: the factory of the filter to freeze.
        seed: any integer that fits into 64 bits.

    Raises:
        TypeError: `filter` is not a filter factory, or `seed` is not an integer.
        ValueError: `seed` does not fit into 64 bits. The factory raises for filters that are frozen already or belong
            to a `FilterBank`; freeze what the bank holds instead.

    >>> from nifconv import ImplicitFilter
    >>> one, other = (frozen(ImplicitFilter, seed=7)(16, 1) for _ in range(2))
    >>> len(list(one.parameters())), torch.equal(one.taps(9), other.taps(9))
    (0, True)
    """
    return FrozenFactory(filter, seed)


@savable("frozen")
@dataclass(frozen=True)
class FrozenFactory(FilterWrapper):
    """The factory that `frozen` returns."""

    filter: FilterFactory
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "seed", integer("seed", self.seed))
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed={self.seed} must fit into 64 bits, from -2**63 to 2**63 - 1")

    def __call__(
        self, out_channels: int, in_channels: int, ndim: int = 2, *, kernel_size: int | Sequence[int] | None = None
    ) -> FrequencyFilter:
        device = torch.get_default_device()
        # Weights that no `_draw` initialises, such as those of an activation, have to come from the seed too. On the
        # meta device there are no values to draw, and no memory must be taken for them.
        with nullcontext() if device.type == "meta" else seeded(self.seed):
            made = super().__call__(out_channels, in_channels, ndim, kernel_size=kernel_size)
        # Inside `seeded` all is built on the CPU in float32.
        return made.to(device, torch.get_default_dtype())

    def wrap(self, inner: FrequencyFilter) -> FrequencyFilter:
        inner.freeze_(self.seed)
        return inner

    def for_layer(self, name: str) -> FrozenFactory:
        seed = draw_seed(self.seed, name)
        return dataclasses.replace(self, filter=super().for_layer(name).filter, seed=seed)


def compact_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The state_dict of a model, with seed, gain and checksum instead of the weights of its frozen filters.

    Keys of a frozen filter at `name` are `name.frozen_seed`, `name.frozen_gain` and `name.frozen_checksum`.

    Raises:
        ValueError: the weights of a frozen filter are not those of its seed and gain, and could not be restored: they
            were loaded from elsewhere, changed, or rounded to another dtype and back.
    """
    state = model.state_dict()
    for name, subject in _frozen_filters(model):
        seed = subject.frozen_seed
        assert seed is not None  # noqa: S101 - for the type checker
        if not torch.equal(_checksum(subject.twin(seed=seed, gain=subject.initial_gain)), _checksum(subject)):
            raise ValueError(
                f"the frozen filter {name.rstrip('.')!r} does not hold the weights of its seed={seed} and gain="
                f"{subject.initial_gain}: they were loaded or changed; save the model whole with state_dict()"
            )
        for key in subject.frozen_names:
            del state[f"{name}{key}"]
        state[f"{name}{_SEED}"] = torch.tensor(seed)
        state[f"{name}{_GAIN}"] = torch.tensor(subject.initial_gain, dtype=torch.float64)
        state[f"{name}{_CHECKSUM}"] = _checksum(subject)
    return state


def load_compact_state_dict(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads what `compact_state_dict` returned, restoring the frozen weights from their seeds.

    The model is built as for `load_state_dict`: the same architecture, with frozen filters at the same places (their
    own seeds do not matter). A ValueError leaves the model unchanged.

    Raises:
        ValueError: the frozen filters of the model and of `state` are not at the same places, a restored filter
            differs from the saved one (another filter specification, dtype or version of torch), or the names or
            shapes of the other entries do not fit the model.
        RuntimeError: from `load_state_dict`, for an encoding with other random offsets.
    """
    filters = dict(_frozen_filters(model))
    _check_frozen(filters, state)
    redrawn: dict[str, FrequencyFilter] = {}
    # The state_dict with all weights; every check runs on it before the model is touched.
    whole = {key: value for key, value in state.items() if key.rpartition(".")[2] not in (_SEED, _GAIN, _CHECKSUM)}
    for name, subject in filters.items():
        seed = int(state[f"{name}{_SEED}"])
        twin = subject.twin(seed=seed, gain=float(state[f"{name}{_GAIN}"]))
        if not torch.equal(_checksum(twin), state[f"{name}{_CHECKSUM}"].cpu()):
            raise ValueError(
                f"the weights of the frozen filter {name.rstrip('.')!r}, drawn again from seed={seed}, differ from the "
                f"saved ones; {type(subject).__name__}({subject.extra_repr()}) must be specified as it was when saved, "
                "with the same dtype and version of torch, or be saved whole with state_dict()"
            )
        redrawn[name] = twin
        own = twin.state_dict()  # a compact checkpoint lacks only the names frozen; other buffers are in `state`
        whole.update({f"{name}{key}": own[key] for key in twin.frozen_names})
    expected = model.state_dict()
    wrong = sorted(set(whole) ^ set(expected)) or [k for k in whole if whole[k].shape != expected[k].shape]
    if wrong:
        raise ValueError(
            f"the checkpoint does not fit the model at {', '.join(wrong)}; build the model as it was when saved"
        )
    model.load_state_dict(whole)
    for name, subject in filters.items():
        # So that re-initialising or rescaling the filter starts from the seed that its weights came from.
        subject.frozen_seed, subject.initial_gain = redrawn[name].frozen_seed, redrawn[name].initial_gain


def _check_frozen(filters: Mapping[str, FrequencyFilter], state: Mapping[str, Tensor]) -> None:
    """Checks that a compact checkpoint has the frozen filters of a model, and all entries of each."""
    saved = {key.removesuffix(_SEED) for key in state if key.rpartition(".")[2] == _SEED}
    extra, missing = sorted(saved - set(filters)), sorted(set(filters) - saved)
    differences = [f"has frozen filters at {extra} where the model has none"] if extra else []
    differences += [f"lacks the model's frozen filters at {missing}"] if missing else []
    if differences:
        raise ValueError(
            f"the checkpoint {' and '.join(differences)}; build the model with the same layers and frozen(...) filters "
            "first"
        )
    lacking = [f"{name}{key}" for name in filters for key in (_GAIN, _CHECKSUM) if f"{name}{key}" not in state]
    if lacking:
        raise ValueError(f"the checkpoint lacks {', '.join(lacking)}; save it again with compact_state_dict")
    # A filter that several layers share is saved at each of them: two different ones cannot be loaded into one.
    places: dict[FrequencyFilter, str] = {}
    for name, subject in filters.items():
        first = places.setdefault(subject, name)
        if not torch.equal(state[f"{name}{_CHECKSUM}"], state[f"{first}{_CHECKSUM}"]):
            raise ValueError(
                f"the checkpoint has different filters at {first.rstrip('.')!r} and {name.rstrip('.')!r}, which are "
                "one in the model; build the model as it was when saved"
            )


def _frozen_filters(model: nn.Module) -> Iterator[tuple[str, FrequencyFilter]]:
    """Key prefix and filter of each frozen filter; a shared one is yielded once for each of its places."""
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, FrequencyFilter) and module.frozen_seed is not None:
            yield f"{name}." if name else "", module


def _checksum(filter: FrequencyFilter) -> Tensor:
    """SHA-256 of the frozen weights, uint8, `(32,)`."""
    weights = ((name, filter.get_buffer(name)) for name in filter.frozen_names)
    return torch.tensor(list(sha256(weights).digest()), dtype=torch.uint8)
