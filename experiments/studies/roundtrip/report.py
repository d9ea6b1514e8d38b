"""The report, written from the content of results.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.study.markdown import percent, report, table, with_error
from experiments.study.statistics import spread

_STAGES = ("plain", "matched", "fine_tuned", "baked", "onnx")


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md."""
    return report(
        "There and back: a trained net converted, fine-tuned, baked and exported",
        {"Method": _method(data), "Result": f"{_table(data['rows'])}\n\n{_fit(data['fit'])}"},
        "python -m experiments.studies.roundtrip",
    )


def _method(data: Mapping[str, Any]) -> str:
    recipe, side = data["settings"], data["side"]
    return f"""\
A plain ResNet of depth {recipe["depth"]} is trained on scikit-learn's digits at {side}x{side}, its 3x3 convolutions
(strided ones too, the stem not) are replaced by `convert(match=True)`, the new net is fine-tuned for
{recipe["fine_tuning_epochs"]} epochs, turned back by `bake(tolerance={recipe["tolerance"]})` and run in onnxruntime.
Accuracies are of the test digits, in %, mean ± standard error over {len(recipe["seeds"])} seeds; *residual* is the
largest |taps - original| / |original| of a layer, *kernels* are the sizes that `bake` chose, *change* is the largest
relative change of the output by `bake`."""


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    header = ["filters", "residual", *(stage.replace("_", "-") for stage in _STAGES), "kernels", "change"]
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        runs = [row for row in rows if row["variant"] == variant]
        sizes = [size for run in runs for size in run["kernel_sizes"]]
        lines.append(
            [
                variant,
                f"{max(run['residual'] for run in runs):.1e}",
                *(_accuracy([run[stage] for run in runs]) for stage in _STAGES),
                f"{min(sizes)} to {max(sizes)}",
                f"{max(run['bake_change'] for run in runs):.1e}",
            ]
        )
    return table(header, lines)


def _accuracy(by_seed: Sequence[float]) -> str:
    return with_error(spread(by_seed), 100) if len(by_seed) > 1 else percent(by_seed[0])


def _fit(fit: Mapping[str, Any]) -> str:
    return (
        "The first row is exact at every stage, the others depend on what their filters can express. Fitting the "
        f"{fit['layers']} E = 1 filters of a whole {fit['network']} at {fit['input']} px took {fit['seconds']:.0f} s."
    )
