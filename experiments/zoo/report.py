"""The table of the sweep, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = """# Every CNN of torchvision, and the convolutional families of timm

Can the convolutions of the networks people have be replaced, with the function kept, and turned back? Made by
`{command}` with torch {torch}, torchvision {torchvision} and timm {timm}; numbers in [results.json](results.json).

Weights are random. *Split*: `convert(model)`, global depthwise filters and 1x1, one forward and backward pass in train
mode, then `bake`. *Matched*: `convert(model, to="dense", filter=SpatialFilter, where="*", match=True)`, then `bake`.
Errors are |new - old| / |old| of the output, float32. The parameters are those of all convolutions, 1x1 included,
before and after *split*.

{summary}
"""
_COLUMNS = (
    "model", "convolutions", "split", "parameters before", "after", "gradients", "bake error", "matched", "match error",
    "bake error",
)  # fmt: skip


def to_markdown(data: Mapping[str, Any]) -> str:
    """The whole report."""
    rows = data["rows"]
    parts = [_HEAD.format(command=data["command"], **data["versions"], summary=_summary(rows))]
    for library in ("torchvision", "timm"):
        of_library = [row for row in rows if row["library"] == library]
        if of_library:
            parts += [f"## {library}\n", _table(of_library), ""]
    parts += ["## Left as they are, and why\n", _reasons(rows), ""]
    return "\n".join(parts)


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the report says in its first paragraph."""
    done = [row for row in rows if "failed" not in row]
    matched = [row["matched"] for row in done if row["matched"]["replaced"]]
    errors = [m["match_error"] for m in matched if m["match_error"] is not None]
    bake_errors = [part["bake_error"] for row in done for part in (row["split"], row["matched"]) if "bake_error" in part]
    return {
        "models": len(rows),
        "done": len(done),
        "converted": len(matched),
        "worst_match_error": max(errors, default=None),
        "worst_bake_error": max((e for e in bake_errors if e is not None), default=None),
        "split_without_finite_gradients": [
            row["name"] for row in done if not row["split"].get("gradients_finite", True)
        ],
    }


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    found = summarise(rows)
    text = (
        f"{found['models']} models, {found['done']} ran through, {found['converted']} have convolutions that can be "
        f"matched. Worst match error {_number(found['worst_match_error'])}, worst bake error "
        f"{_number(found['worst_bake_error'])}."
    )
    failed = [f"- {row['name']}: {row['failed']}" for row in rows if "failed" in row]
    return text + ("\n\nDid not run:\n\n" + "\n".join(failed) if failed else "")


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" + "|---:" * (len(_COLUMNS) - 1) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> list[str]:
    name = row["name"] + (" (backbone)" if row["part"] == "backbone" else "")
    if row.get("transformer"):
        name += " (transformer)"
    split, matched = row.get("split", {}), row.get("matched", {})
    gradients = {True: "finite", False: "not finite", None: ""}[split.get("gradients_finite")]
    return [
        name,
        str(row.get("convolutions", "")),
        str(split.get("replaced", "")),
        f"{split['parameters_before']:,}" if split else "",
        f"{split['parameters_after']:,}" if split else "",
        gradients,
        _number(split.get("bake_error")),
        str(matched.get("replaced", "")),
        _number(matched.get("match_error")) if matched.get("replaced") else "",
        _number(matched.get("bake_error")),
    ]


def _reasons(rows: Sequence[Mapping[str, Any]]) -> str:
    """Reasons with the models they occur in, 1x1 convolutions and what only the default choice keeps left out."""
    models: dict[str, list[str]] = {}
    for row in rows:
        for reason, count in row.get("matched", {}).get("kept", {}).items():
            if reason != "1x1":
                models.setdefault(reason, []).append(f"{row['name']} ({count})")
        for reason, count in row.get("split", {}).get("bake_kept", {}).items():
            models.setdefault(f"not baked: {reason}", []).append(f"{row['name']} ({count})")
    return "\n".join(f"- {reason}: {', '.join(names)}" for reason, names in sorted(models.items()))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
