"""The protocol of convolutions: what conversion, baking and measurements ask of each one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nifconv._support.arguments import choice, groups_of, ints_per_axis, positive_int
from nifconv.spectral import PADDING_MODES

ConvNd = nn.modules.conv._ConvNd
"""`nn.Conv1d`, `2d` and `3d`, and the transposed and lazy ones."""


class Convolution(ABC):
    """Geometry and kernels of a convolution: what `footprint`, `locality_penalty` and `count_parameters` read.

    Attributes:
        in_channels, out_channels, groups, stride, dilation, padding, padding_mode: as in `nn.ConvNd`; tuples hold one
            entry per spatial axis.
        kernel_size: taps per axis, or None for a *global* kernel, as large as the map.
        transposed: whether it is a transposed convolution: its weights are counted, but its kernels are not measured.
    """

    in_channels: int
    out_channels: int
    groups: int
    kernel_size: tuple[int, ...] | None
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | tuple[int, ...]
    padding_mode: str
    transposed: bool = False

    @property
    @abstractmethod
    def ndim(self) -> int:
        """Number of spatial axes."""

    @abstractmethod
    def kernels(self, map_size: int | Sequence[int] | None) -> Tensor:
        """The kernels applied to a map of `map_size`, real, `(out_channels, in_channels // groups, *taps)`.

        Laid out as a conv weight with the centre at `taps // 2`; without the zeros of a dilation. A kernel that has a
        `kernel_size` does not need `map_size`.
        """

    @abstractmethod
    def weights(self) -> list[nn.Parameter]:
        """The parameters that the kernels are computed from, except those of other convolutions inside this one."""

    @property
    @abstractmethod
    def probe(self) -> nn.Module:
        """The module with a `stride` that is called with the map: this one or a submodule."""

    @property
    def has_own_kernels(self) -> bool:
        """Whether the kernels are more than multiples of those of the layers inside, and so worth measuring too."""
        return True

    @property
    def is_pointwise(self) -> bool:
        """Whether each kernel is a single tap."""
        return self.kernel_size is not None and max(self.kernel_size) == 1

    @property
    def is_periodic(self) -> bool:
        """Whether the kernels are as large as a map with circular padding."""
        return self.kernel_size is None and self.padding_mode == "circular"

    def applied_size(self, map_size: int | Sequence[int] | None) -> tuple[int, ...]:
        """How many taps per axis the kernel has on a map of `map_size`.

        `kernel_size` where it is given. A global kernel has as many taps as the map has pixels; without circular
        padding 2 * map_size - 1, so that every position sees every other.
        """
        if self.kernel_size is not None:
            return self.kernel_size
        size = ints_per_axis("size", map_size, self.ndim)  # type: ignore[arg-type]
        return size if self.padding_mode == "circular" else tuple(2 * n - 1 for n in size)

    def padding_per_axis(self, kernel_size: Sequence[int]) -> list[tuple[int, int]]:
        """Pixels of padding (before, after) each axis for a kernel of that size.

        With "same", an odd pixel comes after the map, as in `torch.nn.functional.convNd`.
        """
        if self.kernel_size is None:
            return [(k // 2, k - 1 - k // 2) for k in kernel_size]  # k // 2 is the centre, even if k is even
        if self.padding == "same":
            margins = [d * (k - 1) for d, k in zip(self.dilation, kernel_size, strict=True)]
            return [(margin // 2, margin - margin // 2) for margin in margins]
        if isinstance(self.padding, str):
            return [(0, 0)] * self.ndim  # "valid"
        return [(p, p) for p in self.padding]


@dataclass(frozen=True)
class Composition:
    """A layer on maps of one size, as plain convolutions: one with `taps`, then perhaps a 1x1.

    Attributes:
        taps: `(channels, in_channels_per_group, *k)`, laid out as a conv weight.
        pointwise: weight of the 1x1 convolution, `(out_channels, channels // pointwise_groups, 1, ..)`, or None.
        pointwise_groups: groups of the 1x1 convolution.
    """

    taps: Tensor
    pointwise: Tensor | None = None
    pointwise_groups: int = 1


class SpatialLayer(nn.Module, Convolution):
    """A layer that `convert` can put in place of a convolution, and that `bake` turns back into one.

    A subclass defines `ndim`, `forward` and `kernels`, and has a `bias`, a parameter or None. The other methods have
    defaults that are right for any layer; override `match_`, `tie_to` and `taps_module` to support `match=True`, tied
    weights and parametrizations in `convert`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of range or contradicts another.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = "same",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        padding_mode: str = "circular",
    ) -> None:
        # `ndim` has to be an attribute of the class: the checks below read it before a subclass has set anything.
        super().__init__()
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.kernel_size = None if kernel_size is None else ints_per_axis("kernel_size", kernel_size, self.ndim)
        self.stride = ints_per_axis("stride", stride, self.ndim)
        self.dilation = ints_per_axis("dilation", dilation, self.ndim)
        self.groups = groups_of(groups, in_channels, out_channels)
        self.padding_mode = choice("padding_mode", padding_mode, PADDING_MODES)
        if isinstance(padding, str):
            self.padding = choice("padding", padding, ("same", "valid"))
        else:
            self.padding = ints_per_axis("padding", padding, self.ndim, minimum=0)
        if self.kernel_size is None:
            self._check_global()

    def weights(self) -> list[nn.Parameter]:
        # A block combines the kernels of the layers inside, which list their own weights.
        inner = [module for module in self.modules() if module is not self and isinstance(module, Convolution | ConvNd)]
        theirs = {parameter for module in inner for parameter in module.parameters()}
        return [p for name, p in self.named_parameters() if name != "bias" and p not in theirs]

    @property
    def probe(self) -> nn.Module:
        return self

    @property
    def bias_holder(self) -> nn.Module:
        """The module whose `bias` is added to the output: this one or a submodule."""
        return self

    def _with_bias(self, y: Tensor) -> Tensor:
        """`y`, `(..., out_channels, *map)`, plus the bias if there is one."""
        bias: nn.Parameter | None = self.bias_holder.bias  # type: ignore[assignment]
        # y has the dtype of the input, which under autocast need not be that of the bias.
        return y if bias is None else y + bias.to(y.dtype).view(-1, *(1,) * self.ndim)

    @property
    def structure(self) -> str:
        """How the kernels connect channels, in a word or two."""
        return "depthwise" if self.groups == self.in_channels else f"groups={self.groups}"

    def compositions(self, map_size: Sequence[int]) -> tuple[Composition, ...]:
        """The ways to compute the layer, without its bias, by plain convolutions on maps of `map_size`."""
        return (Composition(self.kernels(map_size)),)

    def match_(self, taps: Tensor, size: Sequence[int]) -> float | None:  # noqa: ARG002 - for layers that can
        """Sets the weights so that the kernels come as close as they can to given ones.

        Args:
            taps: `(out_channels, in_channels // groups, *k)`, float64, with the centre at `k // 2`.
            size: taps per axis at which kernels are compared, with zeros around `taps`.

        Returns:
            |kernels - taps| / |taps|, including those taps that lie outside `size`; None if layers built like
            this one cannot be matched.
        """
        return None

    def tie_to(self, other: SpatialLayer) -> bool:  # noqa: ARG002 - for layers that can
        """Makes this layer use the filters of another one; False if it cannot."""
        return False

    @property
    def taps_module(self) -> nn.Module | None:
        """The module whose parameter `weight` holds the kernels as they are and belongs to this layer alone, if any.

        A parametrization of a convolution's weight can move there.
        """
        return None

    def _check_global(self) -> None:
        # Refused rather than ignored: a layer that looks padded or dilated would silently compute something else.
        if self.padding != "same":
            raise ValueError(
                f"padding={self.padding!r} has no meaning for kernel_size=None, a kernel as large as the map; use "
                "padding='same', or give a kernel_size"
            )
        if max(self.dilation) > 1:
            raise ValueError(
                f"dilation={self.dilation} has no meaning for kernel_size=None, a kernel that reaches across the map "
                "already; use dilation=1, or give a kernel_size"
            )
