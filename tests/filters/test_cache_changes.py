"""Whatever changes the values of a filter, its cached spectra are not returned afterwards."""

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import (
    FrequencyConv2d,
    ImplicitFilter,
)
from nifconv.filters import _cache
from tests.filters.cached_layers import FAR, SIZE, X, first, layer, spectrum
from tests.tolerances import assert_near


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
def test_no_change_of_the_weights_is_hidden(cached: FrequencyConv2d, change: Callable[[FrequencyConv2d], Any]) -> None:
    before = spectrum(cached)
    change(cached)
    assert not torch.equal(spectrum(cached), before)
    assert_near(spectrum(cached), torch.view_as_real(cached.filter(SIZE).detach().resolve_conj()))


def test_edits_in_place_are_seen_without_a_look_at_the_values(cached: FrequencyConv2d) -> None:
    stamp = _cache._Stamp.of(_cache._Parts.of(cached.filter))
    assert stamp.fits(_cache._Parts.of(cached.filter))
    unseen = dataclasses.replace(stamp, values=())  # as on a GPU
    first(cached).detach().mul_(2)
    assert not unseen.fits(_cache._Parts.of(cached.filter))


def with_activation(activation: Callable[[], nn.Module]) -> Any:
    return functools.partial(ImplicitFilter, activation=activation)


def double(*arguments: Any) -> torch.Tensor:
    return 2 * arguments[-1]


SETTINGS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "activation": (ImplicitFilter, lambda subject: setattr(subject.trunks[0], "1", nn.ReLU())),
    "constant": (with_activation(nn.ELU), lambda subject: setattr(subject.trunks[0][1], "alpha", 3.0)),
    "coordinates": (ImplicitFilter, lambda subject: setattr(subject, "inputs", FAR)),
    "mode of a part": (with_activation(lambda: nn.Dropout(0.9)), lambda subject: subject.trunks.train()),
    "hook": (ImplicitFilter, lambda subject: subject.register_forward_hook(double)),
    "hook inside": (ImplicitFilter, lambda subject: subject.trunks[0][1].register_forward_hook(double)),
    "hook before": (
        ImplicitFilter,
        lambda subject: subject.trunks[0][1].register_forward_pre_hook(lambda _, x: (2 * x[0],)),
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_another_setting_is_seen(setting: str) -> None:
    factory, change = SETTINGS[setting]
    subject = layer(factory).eval()
    before = spectrum(subject)
    assert spectrum(subject) is before
    change(subject.filter)
    assert not torch.equal(spectrum(subject), before)


def test_a_removed_hook_is_seen() -> None:
    subject = layer().eval()
    before = spectrum(subject)
    hook = subject.filter.register_forward_hook(double)
    assert_near(spectrum(subject), 2 * before)
    hook.remove()
    assert_near(spectrum(subject), before)


def test_functional_call_sees_its_own_weights(cached: FrequencyConv2d) -> None:
    values = {name: value * 2 for name, value in cached.named_parameters()}
    with torch.no_grad():
        y = torch.func.functional_call(cached, values, (X,))
        expected = copy.deepcopy(cached)
        expected.load_state_dict({**cached.state_dict(), **values})
        assert_near(y, expected(X))
        assert not torch.equal(cached(X), y)


def test_hooks_and_overrides_hold_for_layers() -> None:
    class Doubled(ImplicitFilter):
        def forward(self, size: Any) -> torch.Tensor:
            return 2 * super().forward(size)

    subject = layer(Doubled).eval()
    plain = torch.view_as_real(ImplicitFilter.forward(subject.filter, SIZE).detach())
    assert_near(spectrum(subject), 2 * plain)
    hooked = layer()
    before = spectrum(hooked)
    hooked.filter.register_forward_hook(lambda module, arguments, spectrum: 3 * spectrum)
    assert_near(spectrum(hooked), 3 * before)
