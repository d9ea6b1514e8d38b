import copy
import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, load_model, save_model
from torch import nn
from torch.testing import assert_close

from nifconv import (
    FilterBank,
    FrequencyConv2d,
    FrequencyFilter,
    ImplicitFilter,
    SpatialFilter,
    convert,
    count_parameters,
    frozen,
    load,
)
from nifconv.layers._convnd import conv_gain
from tests.filter_contract import FilterContract


class TestFilterSlice(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, *, gain: Any = 3**-0.5) -> FrequencyFilter:
        subject = FilterBank(partial(ImplicitFilter, gain=gain), 512, ndim)(out_channels, in_channels, ndim)
        subject.rescale_(gain / subject.initial_gain)
        return subject

    def test_a_checkpoint_of_other_channels_is_refused_by_name(self, ndim: int) -> None:
        """That of a bank of another size is; slices of banks of one size hold tensors of the same shapes."""
        other = FilterBank(ImplicitFilter, 100, ndim)(self.OUT, self.IN, ndim)
        with pytest.raises(RuntimeError, match="the channels and the arguments"):
            self.filter(ndim).load_state_dict(other.state_dict())

    def test_made_on_the_meta_device_and_filled_later(self, ndim: int) -> None:
        source, subject = self.filter(ndim), self.filter(ndim).to("meta").to_empty(device="cpu")
        subject.load_state_dict(source.state_dict())
        assert torch.equal(subject.taps(5), source.taps(5))


def shared_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 16, 3, padding=1),
    )


def converted(**options: Any) -> nn.Module:
    return convert(shared_net(), where="*", filter=FilterBank(ImplicitFilter, 8), **options).model


def test_layers_see_the_first_kernels_at_their_own_size_and_gain() -> None:
    bank = FilterBank(ImplicitFilter, 12)
    small, large = bank.slice(2, 1), bank.slice(4, 3)
    kernels = bank.filter.taps(7)[:, 0]
    assert_close(small.taps(7)[:, 0], kernels[:2] * small.scale)
    assert_close(large.taps(7).flatten(0, 1), kernels * large.scale)
    assert large((9, 8)).shape == (4, 3, 9, 5)
    assert_close(large.gain(14).square().mean().sqrt().item(), 3**-0.5, rtol=0.1, atol=0)


def test_one_bank_serves_the_whole_model() -> None:
    model = converted()
    alone = convert(shared_net(), where="*").model
    assert len({id(m) for m in model.modules() if isinstance(m, ImplicitFilter)}) == 1
    assert count_parameters(model).spatial < 0.7 * count_parameters(alone).spatial
    assert count_parameters(model).pointwise == count_parameters(alone).pointwise
    x = torch.randn(8, 4, 16, 16)
    for index, conv in enumerate(shared_net()):
        if isinstance(conv, nn.Conv2d):
            layer = model[index]
            z = torch.randn(8, conv.in_channels, 16, 16)
            assert_close(
                (layer(z) - getattr(layer, "pointwise", layer).bias.view(-1, 1, 1)).std().item(),
                conv_gain(conv),
                rtol=0.2,
                atol=0,
            )
    assert model(x).shape == (8, 16, 8, 8)


def test_gradients_of_all_layers_meet() -> None:
    model = converted()
    (bank,) = {m for m in model.modules() if isinstance(m, ImplicitFilter)}
    x = torch.randn(2, 4, 8, 8)
    shares = []
    for index in (0, 2, 3):
        model.zero_grad()
        z = torch.randn(2, model[index].in_channels, 8, 8)
        model[index](z).square().sum().backward()
        shares.append(bank.real.weight.grad.clone())
        assert shares[-1].abs().max() > 0
    model.zero_grad()
    model(x).square().sum().backward()
    assert bank.real.weight.grad.abs().max() > 0


def test_a_layer_without_values_is_reset_at_its_gain() -> None:
    layer = FrequencyConv2d(4, 6, filter=FilterBank(partial(SpatialFilter, kernel_size=5), 64))
    layer.filter.rescale_(2.0)
    layer.to_empty(device="cpu")
    for value in layer.state_dict().values():
        value.fill_(math.nan)
    layer.reset_parameters()
    assert_close(layer.filter.gain(5).square().mean().sqrt().item(), 2 * 3**-0.5, rtol=0.2, atol=0)


def test_copies_checkpoints_and_training_keep_it_one_tensor() -> None:
    model = copy.deepcopy(converted())
    filters = [m for m in model.modules() if isinstance(m, ImplicitFilter)]
    assert len(filters) == 1
    names = [name for name in model.state_dict() if name.endswith("bank.real.weight")]
    assert len(names) == 3
    assert len({model.state_dict()[name].data_ptr() for name in names}) == 1
    torch.save(model.state_dict(), buffer := io.BytesIO())
    buffer.seek(0)
    other = converted()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(other(x), model(x))
    assert sum(p is filters[0].real.weight for p in model.parameters()) == 1
    model.double()
    assert len({id(m.bank.real.weight) for m in model.modules() if hasattr(m, "bank")}) == 1


def test_safetensors_stores_it_once(tmp_path: Any) -> None:
    model, other = converted(), converted()
    save_model(model, str(tmp_path / "model.safetensors"))
    stored = load_file(str(tmp_path / "model.safetensors"))
    assert sum(name.endswith("bank.real.weight") for name in stored) == 1
    load_model(other, str(tmp_path / "model.safetensors"))
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(other(x), model(x))


def test_ddp_sees_one_parameter(tmp_path: Any) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = converted()
        wrapped = nn.parallel.DistributedDataParallel(model)
        wrapped(torch.randn(2, 4, 8, 8)).square().sum().backward()
        assert len(list(wrapped.parameters())) == len(list(model.parameters()))
        assert all(p.grad is not None for p in wrapped.parameters())
    finally:
        torch.distributed.destroy_process_group()


def test_a_frozen_bank_learns_nothing() -> None:
    model = convert(shared_net(), where="*", filter=FilterBank(frozen(ImplicitFilter, seed=0), 8)).model
    counts = count_parameters(model)
    assert counts.frozen == counts.spatial > 0


def test_a_bank_of_taps_needs_their_size() -> None:
    assert FilterBank(SpatialFilter, 4, kernel_size=3).slice(2, 2).taps(3).shape == (2, 2, 3, 3)
    with pytest.raises(ValueError, match="needs a kernel size"):
        FilterBank(SpatialFilter, 4)


def test_a_few_kernels_serve_any_layer_again_and_again(tmp_path: Path) -> None:
    bank = FilterBank(SpatialFilter, 3, kernel_size=3, repeat=True)
    layer = bank.slice(4, 2)
    own = bank.filter.taps(3)  # (3, 1, 3, 3)
    # The numbers that this generator has always given for its seed 0.
    places = [0, 1, 0, 1, 1, 2, 0, 2]
    expected = torch.stack([own[place, 0] for place in places]).unflatten(0, (4, 2))
    assert_close(layer.taps(3), expected * layer.scale)
    spectra = bank.filter((7, 7))  # (3, 1, 7, 4)
    assert_close(layer((7, 7)).flatten(0, 1), torch.stack([spectra[place, 0] for place in places]) * layer.scale)
    layer.taps(3).sum().backward()
    (kernels,) = bank.filter.parameters()
    # Kernels 0 and 1 serve three of the eight places, kernel 2 two.
    assert [places.count(kernel) for kernel in range(3)] == [3, 3, 2]
    counts = kernels.grad.flatten(1)[:, 0] / layer.scale
    assert_close(counts, torch.tensor([3.0, 3.0, 2.0]))
    conversion = convert(shared_net(), where="*", filter=FilterBank(ImplicitFilter, 2, repeat=True))
    conversion.save(tmp_path / "net.safetensors")
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(load(tmp_path / "net.safetensors", shared_net()).model(x), conversion.model(x))


def test_output_channels_that_share_a_few_kernels_have_different_filters() -> None:
    layer = FilterBank(SpatialFilter, 8, kernel_size=3, repeat=True).slice(32, 8)
    assert len({tuple(row) for row in layer.taps(3).flatten(1).tolist()}) == 32


def test_refuses_layers_that_it_cannot_serve() -> None:
    bank = FilterBank(ImplicitFilter, 8)
    with pytest.raises(ValueError, match=r"kernels=8 are too few for a layer of 3 x 4 channels.*at least kernels=12"):
        FrequencyConv2d(4, 3, filter=bank)
    with pytest.raises(ValueError, match="ndim=1, but the bank holds kernels of ndim=2"):
        bank(2, 2, 1)
    with pytest.raises(ValueError, match="kernels=0 must be at least 1"):
        FilterBank(ImplicitFilter, 0)
    assert repr(bank).startswith("FilterBank(ImplicitFilter(")
