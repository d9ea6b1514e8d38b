"""What every filter and every layer promises. A test class names its subject and inherits the checks."""

import copy
import io
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import FrequencyFilter, frequency
from nifconv.conv import FrequencyConv
from tests import oracles
from tests.tolerances import assert_near

MAPS: dict[int, list[tuple[int, ...]]] = {
    1: [(1,), (2,), (7,), (8,)],
    2: [(1, 1), (6, 6), (7, 7), (5, 8), (8, 5), (1, 6)],
    3: [(1, 1, 1), (4, 4, 4), (3, 5, 4), (2, 1, 5)],
}
MANY: dict[int, tuple[int, ...]] = {1: (9,), 2: (9, 8), 3: (4, 5, 6)}


def saved_and_loaded(module: nn.Module) -> Any:
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


class FilterContract(ABC):
    """A subclass makes the filter; every check runs in 1, 2 and 3 dimensions."""

    OUT: ClassVar[int] = 6
    IN: ClassVar[int] = 2
    gain_sizes: ClassVar[Sequence[int]] = (7, 8, 14, 28)

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
            assert_close(subject.gain(size).square().mean().sqrt().item(), 0.7, rtol=0.1, atol=0)

    def test_rescaling_multiplies_kernels_and_gain(self, ndim: int) -> None:
        subject = self.filter(ndim)
        size, before, gain = MAPS[ndim][2], self.filter(ndim), subject.initial_gain
        before.load_state_dict(subject.state_dict())
        subject.rescale_(3.0)
        assert_near(subject.taps(size), 3 * before.taps(size))
        assert subject.initial_gain == pytest.approx(3 * gain)

    def test_resetting_draws_anew_with_the_same_gain(self, ndim: int) -> None:
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
            assert parameter.grad.abs().max() > 0, name

    def test_gradients_are_right(self, ndim: int) -> None:
        subject = self.make(1, 1, ndim).double()
        names = [name for name, _ in subject.named_parameters()]

        def taps(*values: Tensor) -> Tensor:
            return torch.func.functional_call(subject, dict(zip(names, values, strict=True)), ((3,) * ndim,)).real

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


class LayerContract(ABC):
    """A subclass names a layer class and a filter; the oracle is `torch.nn.functional.convNd` on the layer's taps."""

    layer_type: ClassVar[type[FrequencyConv]]

    @abstractmethod
    def make(self, *args: Any, **kwargs: Any) -> FrequencyConv: ...

    @property
    def ndim(self) -> int:
        return self.layer_type.ndim

    def expected(self, layer: FrequencyConv, x: Tensor) -> Tensor:
        """The layer's output from its taps alone, whatever its kernel size."""
        kernel_size = layer.applied_size(tuple(x.shape[2:]))
        if layer.kernel_size is None and layer.padding_mode == "circular":
            y = oracles.circular_conv(x, layer.filter.taps(kernel_size), layer.groups)
            y = y[(..., *(slice(None, None, s) for s in layer.stride))]
            return y if layer.bias is None else y + layer.bias.view(-1, *(1,) * self.ndim)
        return oracles.padded_conv(
            x,
            layer.filter.taps(kernel_size),
            layer.bias,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            padding_mode=layer.padding_mode,
        )

    def randomised(self, layer: FrequencyConv) -> FrequencyConv:
        """With a bias that is not zero, in float64."""
        if layer.bias is not None:
            nn.init.normal_(layer.bias)
        return layer.double()

    def x(self, size: Sequence[int], channels: int = 4, batch: int = 2) -> Tensor:
        return torch.randn(batch, channels, *size, dtype=torch.float64)

    @pytest.mark.parametrize("mode", ["circular", "zeros", "reflect", "replicate"])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_global_kernel_on_every_map(self, mode: str, stride: int) -> None:
        layer = self.randomised(self.make(4, 6, stride=stride, groups=2, padding_mode=mode))
        for size in MAPS[self.ndim]:
            x = self.x(size)
            assert_near(layer(x), self.expected(layer, x))

    @pytest.mark.parametrize("padding", ["same", "valid", 0, 1])
    @pytest.mark.parametrize("mode", ["circular", "zeros", "reflect", "replicate"])
    def test_given_kernel_size_equals_conv_nd(self, padding: Any, mode: str) -> None:
        x = self.x(MANY[self.ndim])
        for kernel_size, stride, dilation, groups in [
            (1, 2, 1, 4),
            (2, 1, 2, 2),
            (3, 3, 1, 1),
            (3, 2, 1, 4),
            (4, 1, 1, 2),
        ]:
            layer = self.make(4, 8, kernel_size, stride, padding, dilation, groups, stride == 1, mode)
            layer = self.randomised(layer)
            assert_near(layer(x), self.expected(layer, x))

    def test_arguments_per_axis(self) -> None:
        per_axis = {"kernel_size": (3, 2, 1), "stride": (1, 2, 3), "padding": (1, 0, 2), "dilation": (2, 1, 1)}
        layer = self.randomised(self.make(4, 4, **{name: value[: self.ndim] for name, value in per_axis.items()}))
        x = self.x(MANY[self.ndim])
        assert_near(layer(x), self.expected(layer, x))

    def test_shift_equivariance_on_the_torus(self) -> None:
        layer = self.randomised(self.make(4, 4))
        x = self.x(MANY[self.ndim])
        dims, shift = tuple(range(2, x.dim())), tuple(range(1, self.ndim + 1))
        assert_near(layer(torch.roll(x, shift, dims)), torch.roll(layer(x), shift, dims))

    def test_the_input_has_the_name_that_torch_gives_it(self) -> None:
        layer, x = self.make(4, 6), self.x(MANY[self.ndim]).float()
        assert torch.equal(layer(input=x), layer(x))

    def test_unbatched_input(self) -> None:
        layer = self.make(4, 6).double()
        x = self.x(MANY[self.ndim])
        assert_near(layer(x[0]), layer(x)[0])

    def test_samples_do_not_see_each_other(self) -> None:
        layer = self.make(4, 6).double()
        x = self.x(MANY[self.ndim], batch=3)
        alone = layer(x[1:2])
        assert_near(layer(x)[1:2], alone)
        x[0] = float("nan")
        y = layer(x)
        assert y[0].isnan().all()
        assert_near(y[1:2], alone)

    def test_two_sizes_in_a_row(self) -> None:
        layer = self.make(4, 6).double()
        first, second = (self.x(size) for size in MAPS[self.ndim][1:3])
        before = layer(first)
        assert layer(second).shape == (2, 6, *second.shape[2:])
        assert torch.equal(layer(first), before)

    def test_empty_batch(self) -> None:
        for options in ({}, {"kernel_size": 3}, {"padding_mode": "zeros"}, {"padding_mode": "reflect"}):
            y = self.make(4, 6, **options)(torch.zeros(0, 4, *MANY[self.ndim]))
            assert y.shape == (0, 6, *MANY[self.ndim])

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_dtypes(self, dtype: torch.dtype) -> None:
        layer = self.make(4, 6).to(dtype)
        x = self.x(MANY[self.ndim]).to(dtype)
        y = layer(x)
        assert y.dtype == dtype
        assert_near(y, copy.deepcopy(layer).double()(x.double()))

    def test_autocast_keeps_precision_and_dtype(self) -> None:
        layer, x = self.make(4, 6), self.x(MANY[self.ndim]).float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer(x), layer.forward(x))
            y = layer(x)
            half = layer(x.bfloat16())
        assert y.dtype == torch.float32
        assert_near(y, copy.deepcopy(layer).double()(x.double()))
        assert half.dtype == torch.bfloat16

    def test_memory_layout_does_not_matter(self) -> None:
        layer = self.make(4, 6).double()
        x = self.x(MANY[self.ndim])
        y = layer(x)
        last = x.movedim(1, -1).contiguous().movedim(-1, 1)
        assert_near(layer(last), y)
        spread = torch.stack([x, x], -1)[..., 0]
        assert not spread.is_contiguous()
        assert_near(layer(spread), y)

    def test_copies_and_checkpoints_are_the_same_layer(self) -> None:
        layer, other = self.make(4, 6), self.make(4, 6)
        x = self.x(MANY[self.ndim]).float()
        y = layer(x)
        assert torch.equal(copy.deepcopy(layer)(x), y)
        assert torch.equal(pickle.loads(pickle.dumps(layer))(x), y)  # noqa: S301
        other.load_state_dict(saved_and_loaded(layer))
        assert torch.equal(other(x), y)

    def test_gradients(self) -> None:
        layer = self.randomised(self.make(2, 2, groups=2))
        x = self.x((3, 4, 2)[: self.ndim], channels=2).requires_grad_()
        names = [name for name, _ in layer.named_parameters()]

        def apply(x: Tensor, *values: Tensor) -> Tensor:
            return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

        operands = (x, *layer.parameters())
        assert torch.autograd.gradcheck(apply, operands, fast_mode=True)
        assert torch.autograd.gradgradcheck(apply, operands, fast_mode=True)

    def test_compiles_without_a_break(self) -> None:
        for options in ({}, {"kernel_size": 3, "padding_mode": "zeros", "stride": 2}):
            layer = self.make(4, 6, **options)
            torch.compiler.reset()
            compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
            x = self.x(MANY[self.ndim]).float()
            assert_near(compiled(x), layer(x))

    def test_printed_form_names_what_is_not_default(self) -> None:
        text = repr(self.make(4, 8, 3, 2, 1, 1, 4, False, "zeros"))
        for part in ("4, 8", "kernel_size=(3", "stride=(2", "padding=(1", "groups=4", "bias=False", "'zeros'"):
            assert part in text
        assert "dilation" not in text

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"in_channels": 0}, ValueError, "in_channels=0 must be at least 1"),
            ({"out_channels": 2.0}, TypeError, r"out_channels=2\.0 must be an integer, not float"),
            ({"kernel_size": 0}, ValueError, "kernel_size=0 must be at least 1"),
            ({"kernel_size": "3"}, TypeError, "kernel_size='3' must be an integer, not str"),
            ({"kernel_size": (3,) * 4}, ValueError, "has 4 entries"),
            ({"stride": 0}, ValueError, "stride=0 must be at least 1"),
            ({"dilation": 0, "kernel_size": 3}, ValueError, "dilation=0 must be at least 1"),
            ({"groups": 3}, ValueError, "groups=3 must divide in_channels=4; use one of 1, 2"),
            ({"groups": 4, "out_channels": 6}, ValueError, "groups=4 must divide out_channels=6; use one of 1, 2"),
            (
                {"padding": "full", "kernel_size": 3},
                ValueError,
                "padding='full' is unknown; use one of 'same', 'valid'",
            ),
            ({"padding": -1, "kernel_size": 3}, ValueError, "padding=-1 must be at least 0"),
            ({"padding_mode": "wrap"}, ValueError, "padding_mode='wrap' is unknown; use one of 'circular'"),
            ({"padding": 1}, ValueError, r"padding=\(1.*kernel_size=None.*use padding='same', or give a kernel_size"),
            ({"padding": "valid"}, ValueError, "padding='valid' has no meaning for kernel_size=None"),
            ({"dilation": 2}, ValueError, r"dilation=\(2.*kernel_size=None.*use dilation=1"),
        ],
    )
    def test_refuses_senseless_arguments(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            self.make(**{"in_channels": 4, "out_channels": 6, **options})

    def test_refuses_senseless_input(self) -> None:
        layer = self.make(4, 6)
        x = self.x(MANY[self.ndim]).float()
        with pytest.raises(ValueError, match=rf"input has {self.ndim + 3} axes.*Conv{self.ndim}d takes"):
            layer(x[None])
        with pytest.raises(ValueError, match=r"input has 3 channels.*in_channels=4"):
            layer(x[:, :3])
        with pytest.raises(
            TypeError, match=r"input has dtype torch\.int64, but must be real and floating; call \.float"
        ):
            layer(x.long())
        with pytest.raises(TypeError, match=r"input has dtype torch\.complex64"):
            layer(x.cfloat())
        with pytest.raises(ValueError, match=r"every spatial axis needs at least 1 pixel"):
            layer(x[..., :0])
        with pytest.raises(TypeError, match=r"input must be a torch\.Tensor, not list"):
            layer([1.0])

    def test_a_checkpoint_of_another_layer_is_refused_and_named(self) -> None:
        layer, other = self.make(4, 6), self.make(4, 8)
        with pytest.raises(RuntimeError, match=r"checkpoint's filter\..*6, 4, ndim=.*build the layer with them"):
            layer.load_state_dict(other.state_dict())
