"""Parts that all reports share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def percent(share: float, digits: int = 1) -> str:
    """A share from 0 to 1 in %."""
    return f"{100 * share:.{digits}f}"


def with_error(values: Mapping[str, float], scale: float = 1.0, digits: int = 1) -> str:
    """Mean and standard error of `statistics.spread`, each times `scale`."""
    return f"{scale * values['mean']:.{digits}f} ± {scale * values['error']:.{digits}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int = 1) -> str:
    """A table whose columns from `numbers_from` on are aligned to the right."""
    rule = ["---" if column < numbers_from else "---:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def verdicts(data: Mapping[str, Any]) -> str:
    """The claims of `statistics.judge`, and the rule."""
    lines = [f"- {claim['text']}: **{claim['verdict']}**." for claim in data["claims"]]
    rule = (
        f"Test: {data['test']}. A contrast is decided below p = {data['level']:g}. A claim is supported if all its "
        "contrasts are decided in its favour, and not supported if one is decided against it."
    )
    return "\n".join([*lines, "", rule])


def contrasts(data: Mapping[str, Any], unit: str, scale: float = 1.0, digits: int = 1) -> str:
    """The contrasts of `statistics.judge` as a table, means and limits times `scale`."""
    rows = [
        [
            one["label"],
            f"{scale * one['mean']:+.{digits}f} ± {scale * one['error']:.{digits}f}",
            f"{scale * one['limit']:g}",
            "< .001" if one["p"] < 0.001 else f"{one['p']:.3f}".removeprefix("0"),
            one["verdict"],
        ]
        for one in data["contrasts"]
    ]
    return table([f"contrast ({unit}, mean ± standard error)", "value", "limit", "p", "verdict"], rows)


def report(title: str, sections: Mapping[str, str], command: str) -> str:
    """The whole REPORT.md: heading to text, in order, and how it was made."""
    parts = [f"# {title}", *(f"## {heading}\n\n{text}" for heading, text in sections.items())]
    parts.append(f"Run it: `{command}`. Write report and figures again from results.json: `--redraw`.")
    return "\n\n".join(parts) + "\n"
