"""What every layer promises. A test class names its layer and inherits the checks."""

import copy
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from nifconv.layers._conv import FrequencyConv
from tests import oracles
from tests.nets import saved_and_loaded
from tests.tolerances import assert_near

MAPS: dict[int, list[tuple[int, ...]]] = {
    1: [(1,), (2,), (7,), (8,)],
    2: [(1, 1), (6, 6), (7, 7), (5, 8), (8, 5), (1, 6)],
    3: [(1, 1, 1), (4, 4, 4), (3, 5, 4), (2, 1, 5)],
}
MANY: dict[int, tuple[int, ...]] = {1: (9,), 2: (9, 8), 3: (4, 5, 6)}


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
        layers = [self.make(4, 6), self.make(4, 6, kernel_size=3, padding_mode="zeros", stride=2)]

        def both(x: Tensor) -> list[Tensor]:
            return [layer(x) for layer in layers]

        torch.compiler.reset()
        x = self.x(MANY[self.ndim]).float()
        compiled = torch.compile(both, fullgraph=True, backend="aot_eager")(x)  # one graph takes less time than two
        for found, layer in zip(compiled, layers, strict=True):
            assert_near(found, layer(x))

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

    @pytest.mark.parametrize("padding_mode", ["circular", "zeros"])
    @pytest.mark.parametrize("method", ["native", "fused", "direct", "auto"])
    def test_every_method_gives_the_same_values_and_gradients(self, method: str, padding_mode: str) -> None:
        layer = self.make(4, 4, groups=4, padding_mode=padding_mode).double()
        x = self.x(MANY[self.ndim]).requires_grad_()
        found = []
        for one in ("fft", method):
            (layer.spatial if hasattr(layer, "spatial") else layer).method = one
            y = layer(x)
            found.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
        for expected, actual in zip(*found, strict=True):
            assert_near(actual, expected)

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
