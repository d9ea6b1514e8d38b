"""Export to ONNX, and a run of the result in onnxruntime."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support import forward
from nifconv._support.arguments import choice, torch_module
from nifconv.models._forms import FORMS
from nifconv.spectral import timed

_RUNS = 5


@dataclass(frozen=True)
class ExportReport:
    """What an exported file costs; printable.

    Attributes:
        form: a key of `FORMS`.
        bytes: size of the file, including weights that ONNX stores in a second file beside it.
        nodes: how many nodes the graph has of each kind.
        error: |onnxruntime - model| / |model| on the example input, in the Euclidean norm over all outputs.
        seconds_torch: median time of a run of the given model in torch, in eval mode.
        seconds_onnxruntime: median time of a run of the file in onnxruntime.
    """

    form: str
    bytes: int
    nodes: Mapping[str, int]
    error: float
    seconds_torch: float
    seconds_onnxruntime: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in list(self.nodes.items())[:6])
        return (
            f"form {self.form}: {self.bytes / 2**20:.1f} MiB, {sum(self.nodes.values())} nodes ({kinds})\n"
            f"output differs by {self.error:.2g} of its norm; one run {1e3 * self.seconds_torch:.3g} ms in torch, "
            f"{1e3 * self.seconds_onnxruntime:.3g} ms in onnxruntime"
        )


def export_onnx(
    model: nn.Module, example_input: Tensor, path: str | Path, *, form: str = "baked", tolerance: float = 0.0
) -> ExportReport:
    """Writes a model as ONNX, in eval mode and for the size of the example input, and runs the file.

    Args:
        model: any module; it is not changed.
        example_input: the model's argument, of the size at which the file will run.
        path: file to write, `.onnx`.
        form: "baked": every frequency layer as plain convolutions; "matmul": global ones as products with constant
            matrices (`as_matmul`), exact and without an FFT; "dft": the model as it is, with DFT nodes.
        tolerance: see `bake`; for "baked" only.

    Raises:
        TypeError: `model` is not a module.
        ValueError: `form` is unknown, does not take a `tolerance`, or cannot write a layer; or the model computes in
            bfloat16, which onnxruntime cannot on a CPU.
        ImportError: onnx, onnxscript or onnxruntime is not installed.
        Exception: whatever the model raises on the example input, or the exporter on the model.
    """
    torch_module("model", model)
    how = FORMS[choice("form", form, tuple(FORMS))]
    if tolerance and not how.takes_tolerance:
        raise ValueError(f"tolerance={tolerance} has no meaning for form={form!r}; leave it out, or use form='baked'")
    if any(p.dtype == torch.bfloat16 for p in (example_input, *model.parameters())):
        raise ValueError(
            "the model or its example input is in bfloat16, which onnxruntime cannot run on a CPU; export "
            "model.float(), and convert the file to half precision where it is deployed"
        )
    onnx, runtime = _onnx()
    path = Path(path)
    prepared = how.prepare(model, example_input, tolerance)
    with forward.evaluating(prepared), warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        torch.onnx.export(prepared, (example_input,), path, dynamo=True, verbose=False)
    graph = onnx.load(path, load_external_data=False).graph
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: example_input.detach().cpu().numpy()}
    # The model as given, not `prepared`: error and times are those of the whole way to the file.
    expected, seconds_torch = timed(lambda: forward.run(model, example_input), _RUNS)
    found, seconds = timed(lambda: session.run(None, feed), _RUNS)
    leaves = [leaf.cpu() for leaf in torch.utils._pytree.tree_leaves(expected) if isinstance(leaf, Tensor)]
    # Only computed numbers have an error; indices, such as those of a maximum, are left out.
    pairs = [(x, torch.from_numpy(y)) for x, y in zip(leaves, found, strict=True) if x.is_floating_point()]
    error = max((forward.relative_error(y - x, x) for x, y in pairs), default=0.0)
    nodes = dict(Counter(node.op_type for node in graph.node).most_common())
    # The exporter may write weights to a second file, since one ONNX file holds 2 GiB at most.
    beside = path.with_name(f"{path.name}.data")
    size = sum(file.stat().st_size for file in (path, beside) if file.exists())
    return ExportReport(form, size, nodes, error, seconds_torch, seconds)


@contextmanager
def _quiet() -> Iterator[None]:
    """A context in which the exporter's log of its own steps is silent."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _onnx() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise ImportError(f"export needs {error.name}; install it with: pip install 'nifconv[export]'") from error
    return onnx, onnxruntime
