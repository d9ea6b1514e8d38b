"""The round trip, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

_STAGES = ("plain", "matched", "fine_tuned", "baked", "onnx")
_TEXT = """# There and back: a trained net converted, fine-tuned, baked and exported

Made by `python -m experiments.roundtrip`; every number is in [results.json](results.json).

A plain ResNet of depth {depth} is trained on scikit-learn's digits at {side}x{side}, its 3x3 convolutions (strided ones
too, the stem not) are replaced by `convert(match=True)`, the new net is fine-tuned for {fine_tuning_epochs} epochs,
turned back by `bake(tolerance={tolerance})` and run in onnxruntime. Test accuracy in per cent, mean and standard error
over {seeds} seeds; *residual* is the largest |taps - original| / |original| of a layer, *kernels* are the sizes
that `bake` chose, *change* is the relative change of the output by `bake`.

{table}

The first row is exact at every stage, the others depend on what their filters can express. Fitting the {layers} E = 1
filters of a whole {network} at {input} px took {seconds:.0f} s.
"""


def to_markdown(data: Mapping[str, Any]) -> str:
    """The whole report."""
    settings = {**data["settings"], "seeds": len(data["settings"]["seeds"])}
    return _TEXT.format(side=data["side"], table=_table(data["rows"]), **settings, **data["fit"])


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ("filters", "residual", *_STAGES, "kernels", "change")
    lines = ["| " + " | ".join(head).replace("_", "-") + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for variant in dict.fromkeys(row["variant"] for row in rows):
        runs = [row for row in rows if row["variant"] == variant]
        sizes = [size for run in runs for size in run["kernel_sizes"]]
        cells = [
            variant,
            f"{max(run['residual'] for run in runs):.1e}",
            *(_mean([100 * run[stage] for run in runs]) for stage in _STAGES),
            f"{min(sizes)} to {max(sizes)}",
            f"{max(run['bake_change'] for run in runs):.1e}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.1f} ± {error:.1f}"
