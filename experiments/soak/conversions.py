"""Random small nets, converted, saved, loaded and baked back to plain convolutions."""

from __future__ import annotations

import copy
import functools
import math
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nifconv import Conversion, Envelope, ImplicitFilter, SpatialFilter, TableFilter, bake, convert, frozen, load
from nifconv.layers import CONVS, SpatialLayer

TOLERANCE = 1e-9
"""Largest relative difference of outputs; nets are in float64."""
_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLS = {1: nn.AvgPool1d, 2: nn.MaxPool2d, 3: nn.AvgPool3d}


def check(seed: int) -> dict[str, Any]:
    """Converts one net and compares it with itself after saving, loading and baking, and with what it was.

    Raises:
        AssertionError: an output, a weight or the report is not what was promised.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch: even kernels with padding="same" are slow
        net, x = draw(chance)
    options = _options(chance, seed)
    about = f"{options} of {net}"
    before, state = net(x).detach(), copy.deepcopy(net.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of nets in which nothing can be replaced, and poor matches
        try:
            conversion = convert(net, **options, example_input=x if options["match"] else None)
        except ValueError:
            return {"outcome": "refused", "of": "convert"}
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in state.items()), f"changed: {about}"
    try:
        after = conversion.model(x).detach()
    except ValueError as error:  # a larger kernel than the padding of so small a map can serve
        assert "exceeds" in str(error), f"{error}: {about}"
        return {"outcome": "refused", "of": "a map too small for its kernel"}
    assert after.shape == before.shape, f"{tuple(before.shape)} became {tuple(after.shape)}: {about}"
    _check_match(conversion, options, before, after, about)
    _check_file(conversion, net, x, after, about)
    worst = _check_baked(conversion, x, after, about)
    kind = f"{options['to']}{', matched' if options['match'] else ''}"
    return {"outcome": "agrees" if conversion.report.replaced else "nothing to replace", "of": kind, "error": worst}


def draw(chance: random.Random) -> tuple[nn.Module, Tensor]:
    """A net of two to four convolutions in eval mode, with all that may stand between, and an input."""
    ndim = chance.choices([1, 2, 3], [2, 6, 1])[0]
    size = tuple(chance.randint(6, 14 if ndim < 3 else 8) for _ in range(ndim))
    channels = chance.choice([1, 2, 3, 6])
    x = torch.randn(chance.choice([1, 2, 3]), channels, *size, dtype=torch.float64)
    layers: list[nn.Module] = []
    for _ in range(chance.randint(2, 4)):
        conv = _conv(chance, ndim, channels)
        candidates = [conv, *([_NORMS[ndim](conv.out_channels)] if chance.random() < 0.4 else [])]
        candidates += [nn.GELU()] if chance.random() < 0.5 else []
        candidates += [_POOLS[ndim](2)] if chance.random() < 0.2 else []
        for layer in candidates:
            try:  # the map may have become too small for it
                nn.Sequential(*layers, layer).double().eval()(x)
            except (RuntimeError, ValueError):
                break
            layers.append(layer)
            channels = getattr(layer, "out_channels", channels)
    if not layers:
        return draw(chance)
    net = nn.Sequential(*layers).double().eval()
    if chance.random() < 0.1 and isinstance(net[0], CONVS[ndim]):
        nn.utils.parametrizations.weight_norm(net[0])
    return net, x


def _conv(chance: random.Random, ndim: int, channels: int) -> Any:
    groups = chance.choice([g for g in (1, 2, 3, 6) if channels % g == 0])
    kernel = tuple(chance.choice([1, 2, 3, 3, 5]) for _ in range(ndim))
    dilation = tuple(chance.choice([1, 1, 2]) for _ in range(ndim))
    centred: Any = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    padding = chance.choice([centred, centred, "same", "valid", 1])
    stride = 1 if padding == "same" else tuple(chance.choice([1, 1, 1, 2]) for _ in range(ndim))
    mode = chance.choice(["zeros", "zeros", "circular", "reflect", "replicate"])
    out = groups * chance.choice([1, 2, 3])
    make: Any = CONVS[ndim]
    return make(channels, out, kernel, stride, padding, dilation, groups, chance.random() < 0.5, mode)


def _options(chance: random.Random, seed: int) -> dict[str, Any]:
    to = chance.choice(["split", "dense", "lc"])
    taps, table = SpatialFilter, functools.partial(TableFilter, size=chance.choice([3, 5, 9, 15]))
    match = chance.random() < 0.5
    others = [ImplicitFilter, Envelope(ImplicitFilter, width=2.0), frozen(ImplicitFilter, seed=seed)]
    options = {
        "to": to,
        "match": match,
        "filter": chance.choice([taps, taps, table] if match and chance.random() < 0.8 else [taps, table, *others]),
        "where": chance.choice([None, None, lambda *_: True, {"stride": 1}]),
        "kernel_size": chance.choice([None, None, 3, 5, 7]),
    }
    return options | ({"expansion": chance.choice([1, 2, 9, 30])} if to == "lc" else {})


def _check_match(conversion: Conversion, options: dict[str, Any], before: Tensor, after: Tensor, about: str) -> None:
    if not options["match"]:
        return
    residuals = [math.inf if layer.residual is None else layer.residual for layer in conversion.report.replaced]
    change = _error(after, before)
    # The same taps make the same net; what is reported of the output must be what the output did.
    assert max(residuals, default=0.0) > 1e-11 or change < 1e-8, f"residual 0, output off by {change:.2g}: {about}"
    reported = conversion.report.output_change
    if reported is not None and max(reported, change) > 1e-8:
        norm = float((after - before).norm() / before.norm())
        assert abs(reported - norm) <= 1e-6 * norm, f"reported {reported:.3g}, measured {norm:.3g}: {about}"


def _check_file(conversion: Conversion, net: nn.Module, x: Tensor, after: Tensor, about: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        conversion.save(path)
        again = load(path, net)
    for name, value in conversion.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), f"{name} changed in its file: {about}"
    assert torch.equal(again.model(x), after), f"the loaded model differs: {about}"


def _check_baked(conversion: Conversion, x: Tensor, after: Tensor, about: str) -> float:
    baked = bake(conversion.model, x)
    kept = [layer.name for layer in baked.report.layers if not layer.replaced]
    assert kept or not any(isinstance(m, SpatialLayer) for m in baked.model.modules()), f"not all baked: {about}"
    error = _error(baked.model(x), after)
    assert error <= TOLERANCE, f"the baked model is off by {error:.2g}: {about}"
    return error


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.detach() - expected).abs().max() / expected.detach().abs().max().clamp_min(1e-30))
