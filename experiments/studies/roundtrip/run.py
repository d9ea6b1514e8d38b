"""A plain net to frequency filters and back: accuracy at each stage, and in onnxruntime."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnxruntime
import torch
import torchvision
from lightning.pytorch import seed_everything
from torch import nn
from torchmetrics.functional.classification import multiclass_accuracy

from experiments.nets.resnet_lc import resnet_lc
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, SIDE, Digits, digit_pools
from nifconv import Envelope, ImplicitFilter, SpatialFilter, bake, convert

VARIANTS: Mapping[str, dict[str, Any]] = {
    "dense, taps": {"to": "dense", "filter": SpatialFilter},
    "LC with E = 9, MLP": {"to": "lc", "expansion": 9, "filter": ImplicitFilter},
    "LC with E = 9, MLP in an envelope": {
        "to": "lc",
        "expansion": 9,
        "filter": Envelope(ImplicitFilter, width=1.0),
    },
    "split (E = 1), MLP in an envelope": {"to": "split", "filter": Envelope(ImplicitFilter, width=1.0)},
}
"""Arguments of `convert`; in all but the first, kernels are as large as the map."""


@dataclass(frozen=True)
class Config:
    """How the plain net is trained and each converted one fine-tuned."""

    seeds: tuple[int, ...] = (0, 1, 2)
    depth: int = 8
    width: int = 16
    epochs: int = 30
    fine_tuning_epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 0.01
    fine_tuning_rate: float = 0.001
    tolerance: float = 0.01
    fitted_network: str = "resnet50"
    fitted_input: int = 224
    variants: tuple[str, ...] = field(default=tuple(VARIANTS))


SMOKE = Config(
    seeds=(0,), width=4, epochs=1, fine_tuning_epochs=1, fitted_network="resnet18", fitted_input=64,
    variants=("dense, taps", "split (E = 1), MLP in an envelope"),
)  # fmt: skip
"""The same code path in seconds; the numbers mean nothing."""


def measure(config: Config, ledger: Ledger) -> Result:
    """One row for each variant and seed, and the duration of a fit."""
    # One run trains a plain net, which all variants start from.
    runs = Sweep((config,), config.seeds, _run, key="seed {seed}").runs(ledger)[config]
    return {
        "side": SIDE,
        "rows": [row for run in runs for row in run["rows"]],
        "fit": ledger("fit", lambda: _fit_network(config)),
    }


def _run(config: Config, seed: int) -> Result:
    return {"rows": _rows(config, seed)}


def _rows(config: Config, seed: int) -> list[Result]:
    seed_everything(seed, verbose=False)
    plain = resnet_lc(config.depth, config.width, classes=CLASSES, in_channels=1)
    _train(plain, digit_pools().train, config, seed, config.epochs, config.learning_rate)
    return [_row(name, plain, config, seed) for name in config.variants]


def _fit_network(config: Config) -> Result:
    """How long it takes to fit the E = 1 filters of a whole network to its taps."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(config.fitted_network, weights=None)
    x = torch.randn(1, 3, config.fitted_input, config.fitted_input)
    report = convert(network, match=True, tolerance=1.0, example_input=x).report
    return {"network": config.fitted_network, "input": config.fitted_input, "layers": len(report.replaced)}


def _row(name: str, plain: nn.Module, config: Config, seed: int) -> Result:
    pools = digit_pools()
    example = pools.test.images[:32]
    # Any residual is a result here, and no reason to warn.
    conversion = convert(plain, match=True, tolerance=1.0, example_input=example, where="stage*", **VARIANTS[name])
    tuned = copy.deepcopy(conversion.model)
    _train(tuned, pools.train, config, seed, config.fine_tuning_epochs, config.fine_tuning_rate)
    baked = bake(tuned, example, tolerance=config.tolerance)
    sizes = [max(layer.kernel_after) for layer in baked.report.layers if layer.kernel_after]
    return {
        "variant": name,
        "seed": seed,
        "residual": max(d.residual or 0.0 for d in conversion.report.replaced),
        "output_change": conversion.report.output_change,
        "plain": _accuracy(plain, pools.test),
        "matched": _accuracy(conversion.model, pools.test),
        "fine_tuned": _accuracy(tuned, pools.test),
        "baked": _accuracy(baked.model, pools.test),
        "onnx": _onnx_accuracy(baked.model, pools.test),
        "bake_bound": max(layer.bound or 0.0 for layer in baked.report.layers),
        "bake_change": baked.report.error,
        "kernel_sizes": [min(sizes), max(sizes)],
        "speed_up": baked.report.seconds_before / baked.report.seconds_after,
    }


def _train(net: nn.Module, digits: Digits, config: Config, seed: int, epochs: int, learning_rate: float) -> None:
    train = Batches(digits.images, digits.labels, config.batch_size, seed)
    validation = digit_pools().validation
    test = Batches(validation.images, validation.labels, config.batch_size)
    train_and_test(net.train(), train, test, classes=CLASSES, epochs=epochs, learning_rate=learning_rate)


def _accuracy(net: nn.Module, digits: Digits) -> float:
    return accuracy(net, [(digits.images, digits.labels)], classes=CLASSES)


def _onnx_accuracy(net: nn.Module, digits: Digits) -> float:
    """Accuracy of the exported network in onnxruntime."""
    net.eval()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter itself
        path = Path(folder) / "net.onnx"
        torch.onnx.export(net, (digits.images,), path, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (logits,) = session.run(None, {session.get_inputs()[0].name: digits.images.numpy()})
    return multiclass_accuracy(torch.from_numpy(logits), digits.labels, CLASSES, average="micro").item()
