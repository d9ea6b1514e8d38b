"""Runs the kernels in Triton's interpreter, in a process of its own, and prints the error of every case as JSON.

Triton decides at its first import whether it interprets, for the whole process: hence a program, not a fixture.

The interpreter checks the arithmetic, the indices and the masks. It cannot see races and missing barriers between
threads; layouts in registers and shared memory; what the compiler makes of the code; how hardware rounds inside a
product of fp16 matrices (here: float32 sums by BLAS); subnormal numbers set to zero; alignment. Products of bf16 would
be wrong in it (it multiplies bit patterns), and `input_precision` is ignored: the kernels use neither. It truncates to
bf16 where hardware rounds, which `_round_to_nearest` corrects.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """One call: y, and the gradients by x and by the spectrum."""

    name: str
    shape: tuple[int, int, int, int]
    dtype: str = "float32"
    grid: tuple[int, int] | None = None
    target: tuple[int, int] | None = None
    multiplier: int = 1
    layout: str = "contiguous"
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of x, the spectrum and dy
    wants: tuple[bool, bool] = (True, True)


_SIZES = [(4, 4), (5, 7), (7, 7), (14, 14), (15, 16), (9, 28), (28, 28), (31, 17)]
_LARGE = [(40, 9), (56, 56), (63, 61)]
CASES = [
    *(Case(f"{dtype} {m}x{n}", (3, 2, m, n), dtype) for m, n in _SIZES for dtype in ("float32", "float16", "bfloat16")),
    *(Case(f"{dtype} {m}x{n}", (2, 1, m, n), dtype) for m, n in _LARGE for dtype in ("float16", "bfloat16")),
    *(Case(f"float32 {m}x{n}", (2, 1, m, n)) for m, n in _LARGE[1:]),
    Case("float16 64x64", (1, 1, 64, 64), "float16"),
    Case("float16 112x112", (1, 1, 112, 112), "float16", wants=(True, False)),
    Case("bfloat16 111x65", (1, 1, 111, 65), "bfloat16", wants=(True, False)),
    Case("float32 56x112", (1, 1, 56, 112), wants=(True, False)),
    Case("zeros, 56 pixels on 112", (1, 1, 56, 56), "bfloat16", grid=(112, 112), wants=(True, False)),
    Case("one sample, one channel", (1, 1, 14, 14)),
    Case("batch that fills no program", (11, 3, 7, 7), "float16"),
    Case("more channels than programs", (5, 9, 6, 6)),
    Case("multiplier", (3, 2, 7, 6), multiplier=3),
    Case("multiplier in bf16", (3, 2, 7, 6), "bfloat16", multiplier=3),
    Case("zeros", (3, 2, 7, 9), grid=(14, 17)),
    Case("zeros, larger output", (3, 2, 7, 9), "float16", grid=(12, 17), target=(12, 11), multiplier=2),
    *(Case(layout, (5, 3, 7, 10), layout=layout) for layout in ("channels last", "expanded", "sliced", "transposed")),
    Case("channels last, multiplier", (3, 4, 8, 7), "float16", multiplier=2, layout="channels last"),
    Case("channels last, zeros", (3, 4, 8, 7), "bfloat16", grid=(15, 16), layout="channels last"),
    Case("large x, small spectrum", (3, 2, 14, 14), scale=(1e30, 1e-30, 1.0)),
    Case("small x, large spectrum", (3, 2, 14, 14), scale=(1e-30, 1e30, 1.0)),
    Case("large dy", (3, 2, 14, 14), scale=(1e-20, 1.0, 1e30)),
    Case("small dy", (3, 2, 14, 14), scale=(1e20, 1.0, 1e-30)),
    *(Case(f"x of {scale} in bf16", (3, 2, 14, 14), "bfloat16", scale=(scale, 1.0, 1.0)) for scale in (1e-30, 1e30)),
    Case("only by x", (3, 2, 14, 14), multiplier=2, wants=(True, False)),
    Case("only by the spectrum", (3, 2, 14, 14), multiplier=2, wants=(False, True)),
]


def operands(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """x, the spectrum's pairs, and dy; planes differ in scale, and have an offset."""
    generator = torch.Generator().manual_seed(0)
    dtype = getattr(torch, case.dtype)
    batch, channels, *shape = case.shape
    grid, target = case.grid or tuple(shape), case.target or tuple(shape)
    filters = channels * case.multiplier
    half = (grid[0], grid[1] // 2 + 1)

    def planes(*size: int) -> Tensor:
        scale = 4.0 ** torch.randint(-3, 4, (*size[:2], 1, 1), generator=generator)
        return (torch.randn(size, generator=generator) + 2) * scale

    x, dy = planes(batch, channels, *shape), planes(batch, filters, *target)
    pairs = torch.randn(filters, 1, *half, 2, generator=generator)
    if case.layout == "channels last":
        x, dy = x.contiguous(memory_format=torch.channels_last), dy.contiguous(memory_format=torch.channels_last)
    elif case.layout == "expanded":
        x, dy = x[:, :1].expand_as(x), dy[:1, :, :1, :1].expand_as(dy)
    elif case.layout == "sliced":
        x, dy = torch.cat([x, x], 3)[..., 1::2], torch.cat([dy, dy], 1)[:, 1 : filters + 1]
    elif case.layout == "transposed":
        x, dy = x.mT.contiguous().mT, dy.transpose(0, 1).contiguous().transpose(0, 1)
    scaled = [tensor * factor for tensor, factor in zip((x, pairs, dy), case.scale, strict=True)]
    return scaled[0].to(dtype), scaled[1], scaled[2].to(dtype)


def errors(case: Case) -> dict[str, float]:
    """The error of a plane relative to its norm, against float64: the root mean square over planes."""
    from nifconv.spectral._transforms import Placement
    from nifconv.spectral.fused import _launch

    x, pairs, dy = operands(case)
    shape, step = tuple(x.shape[2:]), (1, 1)
    grid = case.grid or shape
    source, target = Placement(grid, shape, step), Placement(grid, tuple(dy.shape[2:]), step)
    wide_x, wide_pairs = x.double().requires_grad_(), pairs.double().requires_grad_()
    spectrum = torch.view_as_complex(wide_pairs)[:, 0]
    y = torch.fft.irfft2(torch.fft.rfft2(wide_x, s=grid).repeat_interleave(case.multiplier, 1) * spectrum, s=grid)
    y = y[..., : target.shape[0], : target.shape[1]]
    dx, dh = torch.autograd.grad(y, (wide_x, wide_pairs), dy.double())

    actual_y = _launch.forward(x, pairs, x.shape[1], source, target)
    actual_dx, actual_dh = _launch.gradients(x, pairs, dy, x.shape[1], source, target, *case.wants)
    last = case.layout == "channels last"
    assert actual_y.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    assert actual_y.dtype == x.dtype
    results = {"y": _distance(actual_y, y)}
    for name, wanted, actual, expected in zip(
        ("dx", "dh"), case.wants, (actual_dx, actual_dh), (dx, dh.flatten(-2)), strict=True
    ):
        if wanted:
            results[name] = _distance(actual.reshape(expected.shape), expected)
        else:
            assert actual.numel() == 0
    return results


def _distance(actual: Tensor, expected: Tensor) -> float:
    relative = (actual.double() - expected).flatten(2).norm(dim=-1) / expected.flatten(2).norm(dim=-1)
    return relative.square().mean().sqrt().item()


def _round_to_nearest() -> None:
    from triton.language import bfloat16, float32
    from triton.runtime import interpreter

    convert = interpreter._convert_float

    def rounded(array: Any, source: Any, target: Any, mode: Any) -> Any:
        if source == float32 and target == bfloat16:
            return torch.from_numpy(array.view(np.float32)).bfloat16().view(torch.uint16).numpy()
        return convert(array, source, target, mode)

    interpreter._convert_float = rounded


def main() -> None:
    """Prints a list of cases with their errors, and what `through_the_operator` gave."""
    torch.set_num_threads(1)
    _round_to_nearest()
    cases = [{**asdict(case), "errors": errors(case)} for case in CASES]
    json.dump({"cases": cases, "operator": through_the_operator()}, sys.stdout)


USES = ("compiled", "exported", "vmap over x", "vmap over spectra", "forward mode", "second derivative", "autocast")


def through_the_operator() -> dict[str, Any]:
    """The distance of `method="fused"` from `method="fft"`, for all that the registered operator can do.

    And whether the kernels were found to be right: otherwise it would be torch.fft against itself.
    """
    from nifconv.spectral import fused
    from nifconv.spectral.fused import _launch

    def supports(x: Tensor, spectrum: Tensor, groups: int, source: Any, _: Any, *, gradients: bool) -> bool:
        planned = _launch._plan(x, source, gradients=gradients) is not None
        return planned and spectrum.shape[1] == 1 and groups == x.shape[1] and x.dtype != torch.float64

    def counted(*arguments: Any, **options: Any) -> Any:
        launched.append(1)
        return plan_of(*arguments, **options)

    plan_of, launched, found = _launch._plan_of, list[int](), dict[str, float]()
    # As on a GPU, which the interpreter stands in for.
    _launch.supports, _launch._plan_of = supports, counted  # type: ignore[assignment]
    for name in USES:
        launched.clear()
        actual, expected = (_use(name, method) for method in ("fused", "fft"))
        assert launched, f"{name}: nothing was computed by the kernels"
        found[name] = max(((a - e).norm() / e.norm()).item() for a, e in zip(actual, expected, strict=True))
    return {"errors": found, "proven": all(verdict.proven for verdict in fused.proven.verdicts)}


def _use(name: str, method: str) -> list[Tensor]:
    """What `method` gives; "fft" without the compiler and the exporter, as it is what others are compared with."""
    from nifconv import FrequencyConv2d
    from nifconv.spectral import multiply

    torch.manual_seed(0)
    layer = FrequencyConv2d(3, 3, groups=3, method=method)
    x, pairs, dx = torch.randn(2, 3, 6, 7), torch.randn(4, 3, 1, 6, 4, 2), torch.randn(2, 3, 6, 7)

    def product(x: Tensor, pairs: Tensor) -> Tensor:
        return multiply(x, pairs, 3, (6, 7), (1, 1), (6, 7), method=method)

    if name == "compiled":
        compiled = layer if method == "fft" else torch.compile(layer, backend="aot_eager", fullgraph=True)
        y = compiled(x.requires_grad_())
        return [y.detach(), *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])]
    if name == "exported":
        exported = layer if method == "fft" else torch.export.export(layer, (x,)).module()
        return [exported(x).detach()]
    if name == "vmap over x":
        return [torch.vmap(product, (0, None))(torch.stack([x, dx]), pairs[0])]
    if name == "vmap over spectra":
        return [torch.vmap(torch.func.grad(lambda p: product(x, p).square().sum()))(pairs)]
    if name == "forward mode":
        return list(torch.func.jvp(product, (x, pairs[0]), (dx, pairs[1])))
    if name == "second derivative":
        x, first = x.requires_grad_(), pairs[0].requires_grad_()
        gx, gh = torch.autograd.grad(product(x, first).pow(3).sum(), (x, first), create_graph=True)
        return list(torch.autograd.grad(gx.square().sum() + gh.square().sum(), (x, first)))
    with torch.autocast("cpu", torch.bfloat16):
        return [layer(x.bfloat16()).float().detach()]


if __name__ == "__main__":
    main()
