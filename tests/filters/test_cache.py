"""Spectra are kept exactly as long as the weights behind them stay as they are."""

import copy
import dataclasses
import functools
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import (
    Envelope,
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    TableFilter,
    frozen,
)
from nifconv.filters import _cache
from nifconv.filters._cache import evaluated_once
from tests.tolerances import assert_near

SIZE = (9, 8)
X = torch.randn(2, 4, *SIZE)
FILTERS: dict[str, Any] = {
    "implicit": ImplicitFilter,
    "table": lambda o, i, n=2: TableFilter(o, i, n, size=SIZE),
    "envelope": Envelope(ImplicitFilter, width=2.0),
    "bank": None,
}


def layer(filter: Any = ImplicitFilter, **options: Any) -> FrequencyConv2d:
    return FrequencyConv2d(4, 4, groups=4, filter=filter, **options)


@pytest.fixture(params=FILTERS)
def kept(request: pytest.FixtureRequest) -> FrequencyConv2d:
    """A layer in eval mode that has run once without gradients."""
    factory = FILTERS[request.param]
    subject = layer(FilterBank(ImplicitFilter, 16) if factory is None else factory).eval()
    with torch.no_grad():
        subject(X)
    return subject


def pairs(subject: FrequencyConv2d) -> torch.Tensor:
    with torch.no_grad():
        return subject.filter.pairs(SIZE)


def test_the_same_tensor_until_something_changes(kept: FrequencyConv2d) -> None:
    assert pairs(kept) is pairs(kept)
    assert not pairs(kept).requires_grad
    assert not pairs(kept).is_complex()
    assert_near(pairs(kept), torch.view_as_real(kept.filter(SIZE).detach().resolve_conj()))


def first(subject: FrequencyConv2d) -> nn.Parameter:
    return next(subject.filter.parameters())


def swap_data(subject: FrequencyConv2d) -> None:
    first(subject).data = first(subject).data * 2


def by_optimizer(subject: FrequencyConv2d) -> None:
    subject(X).square().sum().backward()
    torch.optim.SGD(subject.parameters(), lr=1.0).step()


def by_checkpoint(subject: FrequencyConv2d) -> None:
    subject.load_state_dict({name: value * 2 for name, value in subject.state_dict().items()})


def by_assignment(subject: FrequencyConv2d) -> None:
    state = {name: value * 2 for name, value in subject.state_dict().items()}
    subject.load_state_dict(state, assign=True)


def by_parametrization(subject: FrequencyConv2d) -> None:
    class Double(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    for module in list(subject.filter.modules()):
        for name, _ in list(module.named_parameters(recurse=False)):
            nn.utils.parametrize.register_parametrization(module, name, Double())


CHANGES: list[Callable[[FrequencyConv2d], Any]] = [
    lambda subject: first(subject).detach().mul_(2),
    lambda subject: first(subject).data.mul_(2),
    lambda subject: first(subject).detach().numpy().__imul__(2),
    swap_data,
    by_optimizer,
    by_checkpoint,
    by_assignment,
    by_parametrization,
    lambda subject: subject.double(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_the_weights_is_hidden(kept: FrequencyConv2d, change: Callable[[FrequencyConv2d], Any]) -> None:
    before = pairs(kept)
    change(kept)
    assert not torch.equal(pairs(kept), before)
    assert_near(pairs(kept), torch.view_as_real(kept.filter(SIZE).detach().resolve_conj()))


def test_edits_in_place_are_seen_without_a_look_at_the_values(kept: FrequencyConv2d) -> None:
    stamp = _cache._Stamp.of(_cache._Parts.of(kept.filter))
    assert stamp.fits(_cache._Parts.of(kept.filter))
    unseen = dataclasses.replace(stamp, values=())  # as on a GPU
    first(kept).detach().mul_(2)
    assert not unseen.fits(_cache._Parts.of(kept.filter))


def with_activation(activation: Callable[[], nn.Module]) -> Any:
    return functools.partial(ImplicitFilter, activation=activation)


def double(*arguments: Any) -> torch.Tensor:
    return 2 * arguments[-1]


SETTINGS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "activation": (ImplicitFilter, lambda subject: setattr(subject.trunks[0], "1", nn.ReLU())),
    "constant": (with_activation(nn.ELU), lambda subject: setattr(subject.trunks[0][1], "alpha", 3.0)),
    "coordinates": (ImplicitFilter, lambda subject: setattr(subject, "coordinates", "image")),
    "mode of a part": (with_activation(lambda: nn.Dropout(0.9)), lambda subject: subject.trunks.train()),
    "hook": (ImplicitFilter, lambda subject: subject.register_forward_hook(double)),
    "hook inside": (ImplicitFilter, lambda subject: subject.real.register_forward_hook(double)),
    "hook before": (ImplicitFilter, lambda subject: subject.real.register_forward_pre_hook(lambda _, x: (2 * x[0],))),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_another_setting_is_seen(setting: str) -> None:
    factory, change = SETTINGS[setting]
    subject = layer(factory).eval()
    before = pairs(subject)
    assert pairs(subject) is before
    change(subject.filter)
    assert not torch.equal(pairs(subject), before)


def test_a_removed_hook_is_seen() -> None:
    subject = layer().eval()
    before = pairs(subject)
    hook = subject.filter.register_forward_hook(double)
    assert_near(pairs(subject), 2 * before)
    hook.remove()
    assert_near(pairs(subject), before)


def test_goes_with_its_filter_at_once() -> None:
    subject = layer().eval()
    spectrum = weakref.ref(pairs(subject))
    gc.disable()
    try:
        del subject
        assert spectrum() is None
    finally:
        gc.enable()


def as_replica(module: nn.Module) -> Any:
    """What nn.DataParallel makes of a module for each device: weights that are no parameters, and no leaves."""
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


def test_functional_call_sees_its_own_weights(kept: FrequencyConv2d) -> None:
    values = {name: value * 2 for name, value in kept.named_parameters()}
    with torch.no_grad():
        y = torch.func.functional_call(kept, values, (X,))
        expected = copy.deepcopy(kept)
        expected.load_state_dict({**kept.state_dict(), **values})
        assert_near(y, expected(X))
        assert not torch.equal(kept(X), y)


def test_gradients_arrive_after_a_kept_spectrum(kept: FrequencyConv2d) -> None:
    kept(X).square().sum().backward()
    assert all(p.grad is not None for p in kept.filter.parameters())
    kept(X).square().sum().backward()  # no graph is shared between the calls


def test_a_spectrum_of_inference_mode_can_be_trained_with(kept: FrequencyConv2d) -> None:
    kept.train().eval()
    with torch.inference_mode():
        kept(X)
    kept.requires_grad_(False)
    x = X.clone().requires_grad_()
    kept(x).sum().backward()
    assert x.grad is not None


def test_weights_made_in_inference_mode_are_not_tracked_and_not_kept() -> None:
    with torch.inference_mode():
        subject = layer().eval()
        assert subject.filter.pairs(SIZE) is not subject.filter.pairs(SIZE)


def test_training_mode_keeps_nothing_of_learned_filters_and_one_of_frozen_ones() -> None:
    learned, drawn = layer(), layer(frozen(ImplicitFilter, seed=0))
    assert pairs(learned) is not pairs(learned)
    assert drawn.filter.pairs(SIZE) is drawn.filter.pairs(SIZE)
    before = drawn.filter.pairs(SIZE)
    drawn.filter.rescale_(2.0)
    assert_near(drawn.filter.pairs(SIZE), 2 * before)


def test_switching_modes_moving_and_copying_empty_it(kept: FrequencyConv2d) -> None:
    before = pairs(kept)
    assert pairs(kept.train().eval()) is not before
    for other in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):  # noqa: S301
        assert other.filter._cache._state is None
        assert torch.equal(pairs(other), pairs(kept))
    kept.to("cpu")
    assert kept.filter._cache._state is None


def test_checkpoints_hold_nothing_of_it(kept: FrequencyConv2d) -> None:
    names = set(kept.state_dict())
    kept.train()
    assert set(kept.state_dict()) == names


def test_replicas_that_share_the_cache_get_their_own() -> None:
    one = layer().eval()
    other = copy.deepcopy(one)
    other.filter._cache = one.filter._cache  # what nn.DataParallel does
    with torch.no_grad():
        nn.init.zeros_(other.filter.real.weight)
    for _ in range(2):
        assert not torch.equal(pairs(one), pairs(other))


def test_few_sizes_are_kept() -> None:
    subject = layer().eval()
    with torch.no_grad():
        for n in range(3, 12):
            subject.filter.pairs((n, n))
        assert len(subject.filter._cache._state[1]) == _cache._KEPT
        assert subject.filter.pairs((11, 11)) is subject.filter.pairs((11, 11))


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_taps_and_padded_spectra_are_kept_too(method: str) -> None:
    subject = layer(kernel_size=3, padding_mode="zeros", method=method).eval()
    with torch.no_grad():
        y = subject(X)
        assert len(subject.filter._cache._state[1]) == 1
        assert torch.equal(subject(X), y)
        nn.init.zeros_(subject.filter.real.weight)
        nn.init.zeros_(subject.filter.imag.weight)
        assert subject(X).abs().max() < 1e-6


def test_hooks_and_overrides_hold_for_layers() -> None:
    class Doubled(ImplicitFilter):
        def forward(self, size: Any) -> torch.Tensor:
            return 2 * super().forward(size)

    subject = layer(Doubled).eval()
    plain = torch.view_as_real(ImplicitFilter.forward(subject.filter, SIZE).detach())
    assert_near(pairs(subject), 2 * plain)
    hooked = layer()
    before = pairs(hooked)
    hooked.filter.register_forward_hook(lambda module, arguments, spectrum: 3 * spectrum)
    assert_near(pairs(hooked), 3 * before)


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
            without = subject.filter.pairs(SIZE)
        assert not without.requires_grad
        assert subject.filter.pairs(SIZE).requires_grad
        assert subject.filter.pairs(SIZE) is subject.filter.pairs(SIZE)
        assert subject.filter.pairs((5, 5)).shape[2] == 5
    assert subject.filter.pairs(SIZE) is not subject.filter.pairs(SIZE)


def test_compilers_and_transformations_see_the_computation(kept: FrequencyConv2d) -> None:
    with torch.no_grad():
        torch.compiler.reset()
        compiled = torch.compile(kept, fullgraph=True, backend="aot_eager")
        assert_near(compiled(X), kept(X))
        first(kept).mul_(2)
        assert_near(compiled(X), kept(X))
    y = torch.vmap(lambda scale: torch.func.functional_call(kept, {"bias": kept.bias * scale}, (X,)))(torch.ones(3))
    assert_near(y[2], kept(X))
    program = torch.export.export(kept, (X,))
    assert_near(program.module()(X), kept(X))
