"""The report, written from the content of results.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.study import markdown
from experiments.study.markdown import percent


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md."""
    recipe = data["settings"]
    method = (
        "The task and the frequency net of the quickstart (one layer of global kernels), with other implicit filters.\n"
        f"{recipe['epochs']} epochs of {recipe['steps']} batches of {recipe['batch_size']} fresh canvases, AdamW with "
        f"a one-cycle peak of {recipe['learning_rate']}, {len(recipe['seeds'])} seeds, "
        f"{recipe['test_batches'] * recipe['batch_size']} test canvases. Chance is {percent(1 / data['classes'])} %."
    )
    rows = [
        [
            row["filter"],
            f"{row['parameters']:,}",
            percent(row["accuracy"]),
            ", ".join(percent(run["accuracy"]) for run in row["runs"]),
            f"{row['seconds']:.0f}",
        ]
        for row in data["rows"]
    ]
    header = ["filter", "parameters of the net", "accuracy, % (mean)", "by seed", "seconds (mean)"]
    table = markdown.table(header, rows) + "\n\nThe seconds depend on what else the processor does."
    return markdown.report(
        "Which implicit filter learns displaced digits?",
        {"Method": method, "Result": table},
        "python -m experiments.studies.defaults",
    )
