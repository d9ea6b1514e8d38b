"""Spectra, cached until the weights that they are computed from change."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nifconv._support.modes import is_observed
from nifconv.filters._coordinates import Coordinates

_CACHED = 4
"""Largest number of cached spectra per filter, so that evaluating at many resolutions does not fill the memory."""
_PLAIN = (Tensor, nn.Parameter, nn.Buffer)  # a subclass may compute something else each time, or hold no values

_step: ContextVar[dict[Hashable, tuple[nn.Module, Tensor]] | None] = ContextVar("nifconv_step", default=None)


@contextmanager
def evaluated_once() -> Iterator[None]:
    """A context in which each filter is evaluated once for each size, with gradients, however many calls ask for it.

    For a training step that meets the same filter at several places: a layer that runs repeatedly, or a `FilterBank`
    of many layers. The calls share one graph, so run backward once, after all of them, or with `retain_graph=True`;
    weights that change inside are not seen until the end.

    >>> from nifconv import FilterBank, FrequencyConv2d, ImplicitFilter
    >>> bank = FilterBank(ImplicitFilter, 8)
    >>> net = torch.nn.Sequential(*(FrequencyConv2d(8, 8, groups=8, filter=bank) for _ in range(3)))
    >>> with evaluated_once():
    ...     loss = net(torch.randn(2, 8, 14, 14)).square().mean()
    >>> loss.backward()
    """
    token = _step.set({})
    try:
        yield
    finally:
        _step.reset(token)


def cached_grid(coordinates: Coordinates, size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """`coordinates(size, device)`, which needs no weights; the same tensor at every call, so do not write into it."""
    if is_observed() or device.type == "meta":
        return coordinates(size, device).to(dtype)
    return _grid(coordinates, size, dtype, device)


@functools.lru_cache(maxsize=16)
def _grid(coordinates: Coordinates, size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # an inference tensor could not take part in a later training step
        return coordinates(size, device).to(dtype)


class SpectrumCache:
    """Results computed by one filter, valid while its weights, settings and hooks stay the same.

    They are detached real tensors, cached only when no gradient is asked for. Copies and pickles of the filter start
    with an empty cache.
    """

    def __init__(self) -> None:
        self._state: tuple[_Stamp, dict[Hashable, Tensor]] | None = None

    def clear(self) -> None:
        """Forgets everything."""
        self._state = None

    def get(self, module: nn.Module, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """`compute()`, or what it returned before for this key, while nothing in `module` has changed."""
        if is_observed():
            return compute()
        parts = _Parts.of(module)
        if not parts.may_be_cached(module.training):
            step = _step.get()
            if step is None:
                return compute()
            # With gradients and without, the same values are different results: one has a graph.
            place = (id(module), key, torch.is_grad_enabled())
            if place not in step:
                step[place] = (module, compute())  # a reference to the module, so that no other one can get its id
            return step[place][1]
        return self._from_cached(parts, key, compute)

    def _from_cached(self, parts: _Parts, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        # Stamp and spectra are replaced together and read once: threads may run one model, and the replicas of
        # nn.DataParallel share this object.
        state = self._state
        if state is None or not state[0].fits(parts):
            state = self._state = (_Stamp.of(parts), {})
        cached = state[1]
        value = cached.get(key)
        if value is None:
            # Not an inference tensor: those cannot take part in a later training step.
            with torch.inference_mode(False), torch.no_grad():
                value = cached[key] = compute()
            if len(cached) > _CACHED:
                # Evicts the oldest; by way of a list, which is made at once, since other threads insert and evict too.
                for oldest in list(cached)[:1]:
                    cached.pop(oldest, None)
        return value

    def __deepcopy__(self, memo: object) -> SpectrumCache:
        return SpectrumCache()

    def __reduce__(self) -> tuple[type[SpectrumCache], tuple[()]]:
        return SpectrumCache, ()


@dataclass(frozen=True)
class _Parts:
    """Everything that the values computed by a module depend on.

    Attributes:
        modules: the module and its submodules.
        tensors: their tensors, registered or not: the weights of a replica of nn.DataParallel are plain attributes.
        settings: their other public attributes, `training` among them, and the ids of their hooks.
    """

    modules: tuple[nn.Module, ...]
    tensors: tuple[Tensor, ...]
    settings: tuple[object, ...]

    @staticmethod
    def of(module: nn.Module) -> _Parts:
        modules, tensors, settings = tuple(module.modules()), [], []
        for inside in modules:
            for name, value in vars(inside).items():
                # vars() is read rather than named_parameters(): this runs at every cached call.
                if name in ("_parameters", "_buffers"):
                    tensors += [tensor for tensor in value.values() if tensor is not None]
                elif name in ("_forward_hooks", "_forward_pre_hooks"):
                    settings += value
                elif isinstance(value, Tensor):
                    tensors.append(value)
                elif not name.startswith("_"):
                    settings.append(value)
        return _Parts(modules, tuple(tensors), tuple(settings))

    def may_be_cached(self, training: bool) -> bool:
        """Whether the same call would give the same values, without a graph, as long as nothing changes."""
        if training and any(isinstance(t, nn.Parameter) for t in self.tensors):
            return False
        if torch.is_grad_enabled() and any(t.requires_grad for t in self.tensors):
            return False
        return all(type(t) in _PLAIN and not t.is_inference() and not t.is_meta for t in self.tensors)

    @property
    def versions(self) -> tuple[tuple[int, int], ...]:
        # An edit in place raises _version; an assignment to .data changes the address instead.
        return tuple((t._version, t.data_ptr()) for t in self.tensors)


@dataclass(frozen=True)
class _Stamp:
    """The state of a module: its parts by identity, and its tensors by version, address and, on the CPU, value."""

    modules: tuple[weakref.ref[nn.Module], ...]  # weak: in a cycle with its cache a module would outlive its last use
    tensors: tuple[Tensor, ...]
    settings: tuple[object, ...]
    versions: tuple[tuple[int, int], ...]
    values: tuple[Tensor, ...]

    @staticmethod
    def of(parts: _Parts) -> _Stamp:
        values = tuple(t.detach().clone() for t in parts.tensors if t.device.type == "cpu")
        return _Stamp(tuple(map(weakref.ref, parts.modules)), parts.tensors, parts.settings, parts.versions, values)

    def fits(self, parts: _Parts) -> bool:
        before = (*(reference() for reference in self.modules), *self.tensors, *self.settings)
        now = (*parts.modules, *parts.tensors, *parts.settings)
        # By identity, since == of a setting may be slow, or an array without a truth value.
        if len(before) != len(now) or any(a is not b for a, b in zip(before, now, strict=True)):
            return False
        if parts.versions != self.versions:
            return False
        # An edit through .data or a shared NumPy array does not change the version. On a GPU this comparison would wait
        # for the device at every call.
        local = (t for t in parts.tensors if t.device.type == "cpu")
        return all(torch.equal(a, b) for a, b in zip(local, self.values, strict=True))
