"""What every function of the library leaves as it found it: the model, and the settings of the process."""

import functools
import inspect
import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import nifconv
from nifconv import FilterBank, FrequencyConv2d, ImplicitFilter, LCConv2d, SpatialFilter, TableFilter, footprint
from nifconv.baking import as_matmul
from nifconv.cli._app import app
from nifconv.models import export_onnx

SIZE = (9, 7)


def model() -> nn.Sequential:
    """Every kind of layer, modes that differ, gradients, hooks, tied and frozen weights, statistics that move."""
    bank = FilterBank(nifconv.frozen(ImplicitFilter, seed=1), 64)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        FrequencyConv2d(6, 6, filter=bank),
        nn.Dropout(0.5),
        LCConv2d(6, 6, expansion=2, padding_mode="zeros"),
        nn.BatchNorm2d(6).eval(),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
    )
    net[6].weight.requires_grad_(False)
    net(torch.randn(2, 3, *SIZE)).square().mean().backward()
    net[0].register_forward_hook(lambda *_: None)
    net[4].register_forward_pre_hook(lambda *_: None)
    net[6].register_full_backward_hook(lambda *_: None)
    return net


def of_model(net: nn.Module) -> dict[str, Any]:
    modules = dict(net.named_modules())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks")
    return {
        "values": {name: value.clone() for name, value in net.state_dict().items()},
        "objects": {name: id(parameter) for name, parameter in net.named_parameters()},
        "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in net.named_parameters()},
        "learns": {name: parameter.requires_grad for name, parameter in net.named_parameters()},
        "modes": {name: module.training for name, module in modules.items()},
        "types": {name: type(module) for name, module in modules.items()},
        "hooks": {name: [list(getattr(module, kind)) for kind in hooks] for name, module in modules.items()},
    }


def of_process() -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": [list(part) if isinstance(part, np.ndarray) else part for part in np.random.get_state()],  # noqa: NPY002
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "denormals": torch.tensor(1e-40).mul(1).item(),
        "warnings": list(warnings.filters),
    }


def assert_same(after: Any, before: Any) -> None:
    if isinstance(before, dict):
        assert after.keys() == before.keys()
        for name, value in before.items():
            assert_same(after[name], value)
    elif isinstance(before, Tensor):
        assert torch.equal(after, before)
    else:
        assert after == before


def saved_and_loaded(_: nn.Module, folder: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1))
    conversion = nifconv.convert(plain, where=lambda *_: True)
    conversion.save(folder / "net.safetensors")
    conversion.save_pretrained(folder / "card")
    nifconv.load(folder / "net.safetensors", plain)


def surveyed_and_written(net: nn.Module, folder: Path) -> None:
    found = footprint.survey(net, X(), null=2)
    found.to_csv(folder / "survey.csv")
    found.to_html(folder / "survey.html")
    found.to_dict()


def compared(net: nn.Module, _: Path) -> None:
    found = footprint.survey(net, X())
    footprint.compare({"one": found, "other": found})


def evaluated_once(net: nn.Module, _: Path) -> None:
    with nifconv.evaluated_once():
        net[2](torch.ones(1, 6, *SIZE))


def by_command(*arguments: str) -> Callable[[nn.Module, Path], None]:
    def call(_: nn.Module, folder: Path) -> None:
        result = CliRunner().invoke(app, [argument.replace("FOLDER", str(folder)) for argument in arguments])
        assert result.exit_code == 0, result.output

    return call


def X() -> Tensor:  # noqa: N802 - as in the formulas
    return torch.ones(2, 3, *SIZE)


exact = functools.partial(TableFilter, size=9)
CALLS: dict[str, Callable[[nn.Module, Path], Any]] = {
    "survey": lambda net, _: footprint.survey(net, X()),
    "survey beside its null distribution": lambda net, _: footprint.survey(net, X(), null=2),
    "survey to files": surveyed_and_written,
    "compare": compared,
    "effective_receptive_field": lambda net, _: footprint.effective_receptive_field(net, X()),
    "bake": lambda net, _: nifconv.bake(net, X()),
    "as_matmul": lambda net, _: as_matmul(net, X()),
    "count_parameters": lambda net, _: nifconv.count_parameters(net),
    "locality_penalty": lambda net, _: nifconv.locality_penalty(net, size=SIZE),
    "compact_state_dict": lambda net, _: nifconv.compact_state_dict(net),
    "evaluated_once": evaluated_once,
    "export_onnx": lambda net, folder: export_onnx(net, X(), folder / "net.onnx"),
    "torch.export": lambda net, _: torch.export.export(net[2], (torch.ones(2, 6, *SIZE),)),
    "frozen": lambda *_: nifconv.frozen(ImplicitFilter, seed=3)(4, 1),
    "bench": by_command("bench", "--quick", "--repeats", "1"),
    "bench --crossover": by_command("bench", "--quick", "--repeats", "1", "--crossover", "FOLDER/table.json"),
    "doctor": by_command("doctor"),
}
DRAWING: dict[str, Callable[[nn.Module, Path], Any]] = {
    "convert": lambda net, _: nifconv.convert(net, where=lambda *_: True),
    "convert to match": lambda net, _: nifconv.convert(net, match=True, filter=SpatialFilter, where=lambda *_: True),
    "convert to match, with an input": lambda net, _: nifconv.convert(
        net, to="dense", match=True, filter=exact, where="6", example_input=X()
    ),
    "save and load": saved_and_loaded,
    "fit": lambda *_: nifconv.fit(ImplicitFilter(2, 1), torch.ones(2, 1, 3, 3)),
}
"""Functions that make new weights, from torch's random state; what they make is of no concern here."""


def test_the_table_has_every_public_function() -> None:
    changing = {"use_crossover", "load_compact_state_dict"}  # for that they are called
    functions = {name for name in nifconv.__all__ if inspect.isfunction(getattr(nifconv, name))}
    words = {word for name in (*CALLS, *DRAWING) for word in name.split()}
    assert functions - words == changing


@functools.cache
def warm_up(name: str) -> None:
    """Whatever is imported or cached once, by the first call in a process."""
    with tempfile.TemporaryDirectory() as folder:
        {**CALLS, **DRAWING}[name](model(), Path(folder))


@pytest.mark.parametrize("name", [*CALLS, *DRAWING])
@pytest.mark.parametrize("other", [False, True], ids=["usual settings", "other settings"])
def test_everything_else_is_left_as_it_was(name: str, other: bool, tmp_path: Path) -> None:
    net, call = model(), {**CALLS, **DRAWING}[name]
    if other and name.startswith(("bench", "export_onnx")):
        pytest.skip("benchmarks and the runtime of ONNX have single precision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of poor matches, and by torch of its own code; compared below
        warm_up(name)
        torch.set_num_threads(2 if other else 1)
        torch.set_default_dtype(torch.float64 if other else torch.float32)
        net = net.to(torch.get_default_dtype())
        try:
            with torch.no_grad() if other else torch.enable_grad():
                before, process, drawn = of_model(net), of_process(), torch.get_rng_state()
                call(net, tmp_path)
                assert_same(of_model(net), before)
                assert_same(of_process(), process)
                assert name in DRAWING or torch.equal(torch.get_rng_state(), drawn)
        finally:
            torch.set_num_threads(1)
            torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["survey", "effective_receptive_field", "bake", "convert to match, with an input"])
def test_so_it_is_if_the_model_fails_in_the_middle(name: str, tmp_path: Path) -> None:
    net = model()
    net.append(nn.Conv2d(7, 1, 1))
    before, process = of_model(net), of_process()
    with pytest.raises(RuntimeError, match="expected input"):
        {**CALLS, **DRAWING}[name](net, tmp_path)
    assert_same(of_model(net), before)
    assert_same(of_process(), process)
