"""Spectra are cached exactly as long as the weights they were computed from stay as they are."""

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import (
    FilterBank,
    FrequencyConv2d,
    FrequencyFilter,
    ImplicitFilter,
    frozen,
)
from nifconv.filters import _cache
from nifconv.filters._cache import evaluated_once
from tests.filters.cached_layers import FAR, SIZE, X, first, layer, spectrum
from tests.tolerances import assert_near


def test_the_same_tensor_until_something_changes(cached: FrequencyConv2d) -> None:
    assert spectrum(cached) is spectrum(cached)
    assert not spectrum(cached).requires_grad
    assert not spectrum(cached).is_complex()
    assert_near(spectrum(cached), torch.view_as_real(cached.filter(SIZE).detach().resolve_conj()))


def test_goes_with_its_filter_at_once() -> None:
    subject = layer().eval()
    result = weakref.ref(spectrum(subject))
    gc.disable()
    try:
        del subject
        assert result() is None
    finally:
        gc.enable()


def as_replica(module: nn.Module) -> Any:
    """What nn.DataParallel makes of a module for each device: weights that are neither parameters nor leaves."""
    replica = module._replicate_for_data_parallel()
    for name, child in module._modules.items():
        replica._modules[name] = as_replica(child)
    for name, parameter in module._parameters.items():
        setattr(replica, name, None if parameter is None else parameter * 1)
    for name, buffer in module._buffers.items():
        replica._buffers[name] = buffer
    return replica


def test_replicas_of_data_parallel_learn() -> None:
    subject = layer()
    as_replica(subject)(X).square().sum().backward()
    assert all(p.grad is not None for p in subject.parameters())


def test_gradients_arrive_after_a_cached_spectrum(cached: FrequencyConv2d) -> None:
    cached(X).square().sum().backward()
    assert all(p.grad is not None for p in cached.filter.parameters())
    cached(X).square().sum().backward()  # no graph is shared between the calls


def test_a_spectrum_of_inference_mode_can_be_trained_with(cached: FrequencyConv2d) -> None:
    cached.train().eval()
    with torch.inference_mode():
        cached(X)
    cached.requires_grad_(False)
    x = X.clone().requires_grad_()
    cached(x).sum().backward()
    assert x.grad is not None


def test_weights_made_in_inference_mode_are_not_tracked_and_not_cached() -> None:
    with torch.inference_mode():
        subject = layer().eval()
        assert subject.filter.spectrum_as_real(SIZE) is not subject.filter.spectrum_as_real(SIZE)


def test_training_mode_keeps_nothing_of_learned_filters_and_one_of_frozen_ones() -> None:
    learned, drawn = layer(), layer(frozen(ImplicitFilter, seed=0))
    assert spectrum(learned) is not spectrum(learned)
    assert drawn.filter.spectrum_as_real(SIZE) is drawn.filter.spectrum_as_real(SIZE)
    before = drawn.filter.spectrum_as_real(SIZE)
    drawn.filter.rescale_(2.0)
    assert_near(drawn.filter.spectrum_as_real(SIZE), 2 * before)


def test_switching_modes_moving_and_copying_empty_it(cached: FrequencyConv2d) -> None:
    before = spectrum(cached)
    assert spectrum(cached.train().eval()) is not before
    for other in (copy.deepcopy(cached), pickle.loads(pickle.dumps(cached))):  # noqa: S301
        assert other.filter._cache._state is None
        assert torch.equal(spectrum(other), spectrum(cached))
    cached.to("cpu")
    assert cached.filter._cache._state is None


def test_checkpoints_hold_nothing_of_it(cached: FrequencyConv2d) -> None:
    names = set(cached.state_dict())
    cached.train()
    assert set(cached.state_dict()) == names


def test_replicas_that_share_the_cache_get_their_own() -> None:
    one = layer().eval()
    other = copy.deepcopy(one)
    other.filter._cache = one.filter._cache  # what nn.DataParallel does
    with torch.no_grad():
        nn.init.zeros_(other.filter.real.weight)
    for _ in range(2):
        assert not torch.equal(spectrum(one), spectrum(other))


def test_few_sizes_are_cached() -> None:
    subject = layer().eval()
    with torch.no_grad():
        for n in range(3, 12):
            subject.filter.spectrum_as_real((n, n))
        assert len(subject.filter._cache._state[1]) == _cache._CACHED
        assert subject.filter.spectrum_as_real((11, 11)) is subject.filter.spectrum_as_real((11, 11))


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_taps_and_padded_spectra_are_cached_too(method: str) -> None:
    subject = layer(kernel_size=3, padding_mode="zeros", method=method).eval()
    with torch.no_grad():
        y = subject(X)
        assert len(subject.filter._cache._state[1]) == 1
        assert torch.equal(subject(X), y)
        nn.init.zeros_(subject.filter.real.weight)
        nn.init.zeros_(subject.filter.imag.weight)
        assert subject(X).abs().max() < 1e-6


def test_the_grid_is_evaluated_once_and_depends_on_what_it_is_made_of() -> None:
    cpu, waves = torch.device("cpu"), ImplicitFilter(1, 1).inputs
    one = _cache.cached_grid(waves, SIZE, torch.float32, cpu)
    assert _cache.cached_grid(ImplicitFilter(5, 2).inputs, SIZE, torch.float32, cpu) is one
    assert _cache.cached_grid(waves, SIZE, torch.float64, cpu).dtype == torch.float64
    assert _cache.cached_grid(waves, (4, 4), torch.float32, cpu).shape == (2, 4, 3, 8)
    assert not torch.equal(_cache.cached_grid(FAR, SIZE, torch.float32, cpu), one)
    with torch.inference_mode():
        made_inside = _cache.cached_grid(waves, (3, 11), torch.float32, cpu)
    assert not made_inside.is_inference()


def test_a_filter_defines_one_of_two_methods() -> None:
    class Neither(ImplicitFilter):
        _real_spectrum = FrequencyFilter._real_spectrum

    with pytest.raises(NotImplementedError, match=r"Neither must define forward\(size\) or _real_spectrum\(size\)"):
        Neither(1, 1).taps(3)


def test_once_per_step_shares_the_graph_and_adds_up_the_gradients() -> None:
    bank = FilterBank(ImplicitFilter, 16)
    net = nn.Sequential(*(layer(bank) for _ in range(3)))
    calls: list[int] = []
    bank.filter.register_forward_hook(lambda module, arguments, spectrum: calls.append(1))
    net(X).square().sum().backward()
    separate = [p.grad.clone() for p in net.parameters()]
    assert len(calls) == 3
    net.zero_grad()
    calls.clear()
    with evaluated_once():
        loss = net(X).square().sum()
    loss.backward()
    assert len(calls) == 1
    for parameter, expected in zip(net.parameters(), separate, strict=True):
        assert_near(parameter.grad, expected)


def test_once_per_step_tells_sizes_and_grad_modes_apart() -> None:
    subject = layer()
    with evaluated_once():
        with torch.no_grad():
            without = subject.filter.spectrum_as_real(SIZE)
        assert not without.requires_grad
        assert subject.filter.spectrum_as_real(SIZE).requires_grad
        assert subject.filter.spectrum_as_real(SIZE) is subject.filter.spectrum_as_real(SIZE)
        assert subject.filter.spectrum_as_real((5, 5)).shape[2] == 5
    assert subject.filter.spectrum_as_real(SIZE) is not subject.filter.spectrum_as_real(SIZE)


def test_compilers_and_transformations_see_the_computation(cached: FrequencyConv2d) -> None:
    with torch.no_grad():
        torch.compiler.reset()
        compiled = torch.compile(cached, fullgraph=True, backend="aot_eager")
        assert_near(compiled(X), cached(X))
        first(cached).mul_(2)
        assert_near(compiled(X), cached(X))
    y = torch.vmap(lambda scale: torch.func.functional_call(cached, {"bias": cached.bias * scale}, (X,)))(torch.ones(3))
    assert_near(y[2], cached(X))
    program = torch.export.export(cached, (X,))
    assert_near(program.module()(X), cached(X))
