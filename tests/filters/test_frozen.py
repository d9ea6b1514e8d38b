import hashlib
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nifconv import (
    Envelope,
    FilterBank,
    FourierFeatures,
    FrequencyConv2d,
    FrequencyFilter,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    compact_state_dict,
    convert,
    frozen,
)
from nifconv.filters._factory import for_layer
from tests import programs
from tests.filter_contract import FilterContract
from tests.tolerances import assert_near

FACTORIES: dict[str, Any] = {
    "implicit": ImplicitFilter,
    "spatial": partial(SpatialFilter, kernel_size=5),
    "table": partial(TableFilter, size=6),
    "envelope": Envelope(ImplicitFilter, width=2.0),
    "budget": ImplicitFilter.with_budget(300),
}


class Frozen(FilterContract):
    def test_gradients_reach_every_parameter(self, ndim: int) -> None:
        subject = self.filter(ndim)
        assert not list(subject.parameters())
        assert not subject.taps(5).requires_grad

    def test_gradients_are_right(self, ndim: int) -> None:
        subject = self.filter(ndim)
        assert not any(subject.get_buffer(name).requires_grad for name in subject.frozen_names)

    def test_resetting_draws_new_weights_of_the_same_gain(self, ndim: int) -> None:
        subject = self.filter(ndim)
        taps = subject.taps(7)
        for name in subject.frozen_names:
            subject.get_buffer(name).zero_()
        subject.reset_parameters()
        assert torch.equal(subject.taps(7), taps)


class TestFrozenImplicit(Frozen):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return frozen(partial(ImplicitFilter, **changes), seed=5)(out_channels, in_channels, ndim)


class TestFrozenTaps(Frozen):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return frozen(partial(SpatialFilter, kernel_size=3, **changes), seed=5)(out_channels, in_channels, ndim)


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_the_draw_depends_on_seed_and_specification_alone(factory: Any) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        made = frozen(factory, seed=seed)(8, 2)
        return [made.get_buffer(name).float() for name in made.frozen_names]

    first = weights(3)
    torch.rand(7)
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        again = weights(3)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert not all(torch.equal(a, b) for a, b in zip(first, weights(4), strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_another_process_draws_the_same_bits(threads: int) -> None:
    program = (
        f"import torch, hashlib; from nifconv import ImplicitFilter, frozen; torch.set_num_threads({threads}); "
        "torch.rand(3); "
        "made = frozen(ImplicitFilter, seed=11)(128, 128, 2); "
        "print(hashlib.sha256(b''.join(made.get_buffer(n).numpy().tobytes() for n in made.frozen_names)).hexdigest())"
    )
    done = programs.run(program)
    made = frozen(ImplicitFilter, seed=11)(128, 128, 2)
    here = hashlib.sha256(b"".join(made.get_buffer(n).numpy().tobytes() for n in made.frozen_names)).hexdigest()
    assert done.stdout.strip() == here, done.stderr


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_nothing_unfreezes_it(factory: Any) -> None:
    layer = FrequencyConv2d(4, 4, filter=frozen(factory, seed=0))
    before = layer.filter.taps(5).clone()
    layer.requires_grad_(True).train()
    assert [name for name, _ in layer.named_parameters()] == ["bias"]
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, weight_decay=0.5)
    layer(torch.randn(1, 4, 8, 8)).square().sum().backward()
    optimizer.step()
    assert torch.equal(layer.filter.taps(5), before)
    assert {f"filter.{name}" for name in layer.filter.frozen_names} <= set(layer.state_dict())


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_a_loop_over_all_modules_that_resets_them_changes_nothing(factory: Any) -> None:
    layer = FrequencyConv2d(3, 4, 5, filter=frozen(factory, seed=1))
    layer.filter.rescale_(2.0)
    before = layer.filter.taps(7)
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    assert torch.equal(layer.filter.taps(7), before)
    assert compact_state_dict(layer)


ENCODED = frozen(partial(ImplicitFilter, encoding=FourierFeatures(3)), seed=1)


@pytest.mark.parametrize(
    "factory",
    [
        frozen(ImplicitFilter, seed=1),
        ENCODED,
        Envelope(ENCODED, width=2.0),
        frozen(Envelope(ENCODED.filter, 2.0), seed=1),
    ],
)
def test_made_on_the_meta_device_it_is_drawn_later(factory: Any) -> None:
    with torch.device("meta"):
        subject = factory(4, 2)
        subject.rescale_(2.0)
    assert {t.device.type for t in subject.state_dict().values()} == {"meta"}
    subject.to_empty(device="cpu")
    for value in subject.state_dict().values():
        value.fill_(99)
    subject.reset_parameters()
    expected = factory(4, 2)
    expected.rescale_(2.0)
    assert_near(subject.taps(7), expected.taps(7))
    expected.load_state_dict(subject.state_dict())


def test_a_checkpoint_brings_its_own_weights_whatever_the_seed() -> None:
    saved, other = (frozen(ImplicitFilter, seed=s)(4, 1) for s in (0, 1))
    other.load_state_dict(saved.state_dict())
    assert torch.equal(other.taps(5), saved.taps(5))


def test_each_layer_of_a_converted_model_has_its_own_draw_and_the_same_one_every_time() -> None:
    def converted() -> nn.Module:
        net = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)))
        for conv in net:
            nn.init.constant_(conv.weight, 0.1)
        return convert(net, filter=frozen(ImplicitFilter, seed=0), where="*").model

    one, two = converted(), converted()
    taps = [layer.spatial.filter.taps(5) for layer in one]
    assert not torch.equal(taps[0], taps[1])
    assert all(torch.equal(a, layer.spatial.filter.taps(5)) for a, layer in zip(taps, two, strict=True))


def test_seeds_by_layer_reach_frozen_filters_inside_others() -> None:
    factory = Envelope(frozen(ImplicitFilter, seed=0), width=2.0)
    first, second = (for_layer(factory, name)(4, 1).taps(5) for name in ("a", "b"))
    assert not torch.equal(first, second)
    assert for_layer(ImplicitFilter, "a") is ImplicitFilter


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (0.5, TypeError, r"seed=0\.5 must be an integer, not float"),
        ("a", TypeError, "seed='a' must be an integer, not str"),
        (None, TypeError, "seed=None must be an integer"),
        (True, TypeError, "seed=True must be an integer, not bool"),
        (2**63, ValueError, "seed=9223372036854775808 must fit into 64 bits"),
    ],
)
def test_refuses_invalid_seeds(seed: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        frozen(ImplicitFilter, seed=seed)


def test_refuses_a_filter_instead_of_a_factory_and_a_missing_kernel_size() -> None:
    with pytest.raises(TypeError, match=r"give ImplicitFilter, not ImplicitFilter\(\.\.\.\)"):
        frozen(ImplicitFilter(1, 1), seed=0)
    with pytest.raises(ValueError, match="needs a kernel size"):
        FrequencyConv2d(2, 2, filter=frozen(SpatialFilter, seed=0))
    assert FrequencyConv2d(2, 2, 3, filter=frozen(SpatialFilter, seed=0)).filter.taps(3).shape == (2, 2, 3, 3)


@pytest.mark.parametrize("wrap", [lambda bank: bank, lambda bank: Envelope(bank, width=2.0)])
def test_a_bank_is_frozen_inside_not_around(wrap: Any) -> None:
    bank = FilterBank(ImplicitFilter, 4)
    with pytest.raises(ValueError, match=r"seed=0 cannot draw FilterSlice.*FilterBank\(frozen\(filter, seed="):
        frozen(wrap(bank), seed=0)(2, 2)
    assert len(list(bank.filter.parameters())) > 1


@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: Envelope(inner, width=2.0)])
def test_nothing_is_frozen_twice(wrap: Any) -> None:
    with pytest.raises(ValueError, match=r"seed=2 cannot draw ImplicitFilter\(4, 1.*frozen_seed=1.*frozen already"):
        frozen(wrap(frozen(ImplicitFilter, seed=1)), seed=2)(4, 1)


def test_what_has_no_parameters_is_refused() -> None:
    class Fixed(SpatialFilter):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, kernel_size=3)
            weight = self.weight.detach()
            del self.weight
            self.register_buffer("weight", weight)

    with pytest.raises(ValueError, match=r"seed=2 has nothing to draw: Fixed\(4, 1.*has no parameters"):
        frozen(Fixed, seed=2)(4, 1)


def test_integers_of_numpy_are_seeds() -> None:
    assert torch.equal(
        frozen(ImplicitFilter, seed=np.int64(3))(2, 2).taps(5), frozen(ImplicitFilter, seed=3)(2, 2).taps(5)
    )


def test_activations_with_parameters_are_drawn_from_the_seed_too() -> None:
    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope = nn.Parameter(torch.rand(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.silu(self.slope * x)

    taps = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        taps.append(frozen(partial(ImplicitFilter, activation=Slope), seed=1)(4, 1).taps(5))
    assert torch.equal(*taps)
