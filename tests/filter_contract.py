"""What every filter promises. A test class names its filter and inherits the checks."""

import copy
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nifconv import FrequencyFilter, frequency
from tests import oracles
from tests.nets import saved_and_loaded
from tests.tolerances import assert_near

MAPS: dict[int, list[tuple[int, ...]]] = {
    1: [(1,), (2,), (7,), (8,)],
    2: [(1, 1), (6, 6), (7, 7), (5, 8), (8, 5), (1, 6)],
    3: [(1, 1, 1), (4, 4, 4), (3, 5, 4), (2, 1, 5)],
}
MANY: dict[int, tuple[int, ...]] = {1: (9,), 2: (9, 8), 3: (4, 5, 6)}


class FilterContract(ABC):
    """A subclass makes the filter; every check runs in 1, 2 and 3 dimensions."""

    OUT: ClassVar[int] = 6
    IN: ClassVar[int] = 2
    gain_sizes: ClassVar[Sequence[int]] = (7, 8, 14, 28)
    gain_tolerance: ClassVar[float] = 0.1
    gradient_size: ClassVar[int] = 3
    without_effect: ClassVar[Sequence[str]] = ()

    @pytest.fixture(params=[1, 2, 3], ids="{}d".format)
    def ndim(self, request: pytest.FixtureRequest) -> int:
        return request.param

    @abstractmethod
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter: ...

    def filter(self, ndim: int) -> FrequencyFilter:
        return self.make(self.OUT, self.IN, ndim)

    def test_spectrum_is_a_half_spectrum_of_real_kernels(self, ndim: int) -> None:
        subject = self.filter(ndim)
        for size in MAPS[ndim]:
            spectrum = subject(size)
            assert spectrum.shape == (self.OUT, self.IN, *frequency.half_shape(size))
            assert spectrum.dtype == torch.complex64
            dims = tuple(range(-ndim, 0))
            assert_near(torch.fft.rfftn(torch.fft.irfftn(spectrum, s=size, dim=dims), dim=dims), spectrum)

    def test_taps_and_spectrum_are_the_same_kernel(self, ndim: int) -> None:
        subject = self.filter(ndim).double()
        for size in MAPS[ndim]:
            taps = subject.taps(size)
            assert taps.shape == (self.OUT, self.IN, *size)
            expected = oracles.spectrum_of_taps(taps, size)[..., : size[-1] // 2 + 1]
            assert_near(subject(size), expected)

    def test_one_integer_means_all_axes(self, ndim: int) -> None:
        subject = self.filter(ndim)
        assert torch.equal(subject.taps(5), subject.taps((5,) * ndim))

    def test_nothing_is_remembered_between_sizes(self, ndim: int) -> None:
        subject = self.filter(ndim)
        first, second = MAPS[ndim][-2:]
        before = subject(first)
        subject(second)
        assert torch.equal(subject(first), before)

    def test_gain_is_what_parseval_says(self, ndim: int) -> None:
        subject = self.filter(ndim).double()
        for size in MAPS[ndim]:
            taps = subject.taps(size)
            whole = oracles.spectrum_of_taps(taps, size).abs().square().flatten(2).mean(-1).sum(1)
            assert_near(subject.gain(size).square(), whole)

    def test_the_stated_gain_holds_at_every_size(self, ndim: int) -> None:
        subject = self.make(256, 1, ndim, gain=0.7)
        sizes = self.gain_sizes if ndim < 3 else self.gain_sizes[:3]
        for size in sizes:
            assert_close(subject.gain(size).square().mean().sqrt().item(), 0.7, rtol=self.gain_tolerance, atol=0)

    def test_rescaling_multiplies_kernels_and_gain(self, ndim: int) -> None:
        subject = self.filter(ndim)
        size, before, gain = MAPS[ndim][2], self.filter(ndim), subject.initial_gain
        before.load_state_dict(subject.state_dict())
        subject.rescale_(3.0)
        assert_near(subject.taps(size), 3 * before.taps(size))
        assert subject.initial_gain == pytest.approx(3 * gain)

    def test_resetting_draws_new_weights_of_the_same_gain(self, ndim: int) -> None:
        subject = self.make(256, 1, ndim)
        subject.rescale_(2.0)
        before = subject.taps(7)
        subject.reset_parameters()
        assert not torch.equal(subject.taps(7), before)
        gain = subject.gain(7).square().mean().sqrt().item()
        assert_close(gain, subject.initial_gain, rtol=0.1, atol=0)

    def test_gradients_reach_every_parameter(self, ndim: int) -> None:
        subject = self.filter(ndim)
        (subject.taps(MANY[ndim]) * torch.randn(MANY[ndim])).sum().backward()
        for name, parameter in subject.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.abs().max() > 1e-6) is (name not in self.without_effect), name

    def test_gradients_are_right(self, ndim: int) -> None:
        subject = self.make(1, 1, ndim).double()
        names, size = [name for name, _ in subject.named_parameters()], (self.gradient_size,) * ndim

        def taps(*values: Tensor) -> Tensor:
            return torch.func.functional_call(subject, dict(zip(names, values, strict=True)), (size,)).real

        assert torch.autograd.gradcheck(taps, tuple(subject.parameters()), fast_mode=True)

    def test_precision(self, ndim: int) -> None:
        exact = self.filter(ndim).double()
        size = MANY[ndim]
        assert exact(size).dtype == torch.complex128
        assert_near(copy.deepcopy(exact).float()(size), exact(size), dtype=torch.float32)
        half = copy.deepcopy(exact).bfloat16()
        assert half(size).dtype == torch.complex64
        rounded = copy.deepcopy(half).double()
        assert_near(half(size), rounded(size), dtype=torch.float32)

    def test_autocast_does_not_coarsen_it(self, ndim: int) -> None:
        subject = self.filter(ndim)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            spectrum = subject(MANY[ndim])
        assert torch.equal(spectrum, subject(MANY[ndim]))

    def test_holds_nothing_complex(self, ndim: int) -> None:
        assert not [name for name, value in self.filter(ndim).state_dict().items() if value.is_complex()]

    def test_copies_and_checkpoints_are_the_same_filter(self, ndim: int) -> None:
        subject, other = self.filter(ndim), self.filter(ndim)
        taps = subject.taps(5)
        assert torch.equal(copy.deepcopy(subject).taps(5), taps)
        assert torch.equal(pickle.loads(pickle.dumps(subject)).taps(5), taps)  # noqa: S301
        other.load_state_dict(saved_and_loaded(subject))
        assert torch.equal(other.taps(5), taps)

    def test_a_checkpoint_of_other_channels_is_refused_by_name(self, ndim: int) -> None:
        subject, other = self.filter(ndim), self.make(self.OUT + 1, self.IN, ndim)
        with pytest.raises(RuntimeError, match=f"{self.OUT}, {self.IN}, ndim.*the channels and the arg"):
            subject.load_state_dict(other.state_dict())

    def test_made_on_the_meta_device_and_filled_later(self, ndim: int) -> None:
        with torch.device("meta"):
            subject = self.filter(ndim)
        subject.to_empty(device="cpu")
        source = self.filter(ndim)
        subject.load_state_dict(source.state_dict())
        assert torch.equal(subject.taps(5), source.taps(5))

    def test_compiles_without_a_break(self, ndim: int) -> None:
        subject = self.filter(ndim)
        torch.compiler.reset()
        compiled = torch.compile(subject, fullgraph=True, backend="aot_eager")
        assert_near(compiled(MANY[ndim]), subject(MANY[ndim]))

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((0, 1, 2), ValueError, "out_channels=0 must be at least 1"),
            ((1, 0, 2), ValueError, "in_channels=0 must be at least 1"),
            ((1, 1, 4), ValueError, "ndim=4 must be 1, 2 or 3"),
            ((1.0, 1, 2), TypeError, "out_channels=1.0 must be an integer, not float"),
            ((1, True, 2), TypeError, "in_channels=True must be an integer, not bool"),
        ],
    )
    def test_refuses_senseless_channels(self, arguments: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            self.make(*arguments)

    @pytest.mark.parametrize(("gain", "error"), [(0, ValueError), (float("inf"), ValueError), ("1", TypeError)])
    def test_refuses_senseless_gains(self, gain: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=f"gain={gain!r}.* must be a .*number above 0"):
            self.make(1, 1, 2, gain=gain)

    def test_refuses_senseless_sizes(self, ndim: int) -> None:
        subject = self.filter(ndim)
        with pytest.raises(
            ValueError,
            match=f"size={(4,) * (ndim + 1)}.*has {ndim + 1} entries".replace("(", r"\(").replace(")", r"\)"),
        ):
            subject.taps((4,) * (ndim + 1))
        with pytest.raises(ValueError, match="size=0 must be at least 1"):
            subject((0,) * ndim)
