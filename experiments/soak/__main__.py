"""Command line of the soak: `python -m experiments.soak` writes results.json and REPORT.md beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from experiments.files import read_json, write_json, write_text
from experiments.soak import growth, layers, watchdog
from experiments.study.environment import environment
from experiments.study.options import Out, Smoke, results_folder
from experiments.study.report import head, row

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")
SMOKE = {"layers": 10, "conversions": 4, "files": 10}
_TEXT = """# Soak

Random cases, each a function of its seed, in a process under a watchdog. A case that failed is repeated by the command
in its row.

{table}

Layers are compared with a sum over taps in float64, at a tolerance relative to the largest entry: {tolerances}.
Where large terms cancel, the error may be 20 times that of the plain sum in the same precision. "Refused by both": the
case is one that `torch.nn.functional.convNd` refuses too. Nets are converted, saved, loaded and baked in float64. Files
are saved models, edited; one that is refused is refused with its name, within a second and 100 MB, and runs nothing.

{failures}

{growth}

Run it: `python -m experiments.soak`; the same command goes on after an interruption, and `--layers 1000000` after that.
"""
_GROWTH = """Memory of a process that trains {steps} steps, each on maps of another size, grows by {slope:.3f} kB a step
(bound {bound:g}), {resident:.0f} MB at the end; it has no more threads and open files than half-way."""


def main(
    out: Out = None,
    smoke: Smoke = False,
    cases: Annotated[str, typer.Option("--case", help="Only this case, such as layers:17, in this process.")] = "",
    number_of_layers: Annotated[int, typer.Option("--layers", min=0)] = 10_000,
    conversions: Annotated[int, typer.Option(min=0)] = 1_000,
    files: Annotated[int, typer.Option(min=0)] = 2_000,
    steps: Annotated[int, typer.Option(min=20, help="Training steps over which memory is watched.")] = 5_000,
) -> None:
    """Looks for cases in which the library is wrong. Those that have an outcome are skipped, failures repeated."""
    if cases:
        part, _, seed = cases.partition(":")
        print(watchdog.outcome(part, int(seed)))
        return
    wanted = SMOKE if smoke else {"layers": number_of_layers, "conversions": conversions, "files": files}
    folder = results_folder(out, FOLDER, "soak", FILES, smoke=smoke)
    data = read_json(folder / "results.json") or {"experiment": "soak", "parts": {}, "settings": environment()}
    for part in watchdog.PARTS:
        _soak(part, wanted[part], data, folder)
    if "growth" not in data:
        data["growth"] = growth.grow(50 if smoke else steps)
    _write(folder, data)


def _soak(part: str, count: int, data: dict[str, Any], folder: Path) -> None:
    found = data["parts"].setdefault(part, {"cases": 0, "outcomes": {}, "worst": {}, "failures": {}})
    again, found["failures"] = found["failures"], {}
    for seed in map(int, again):
        for outcome in watchdog.watched(part, seed, seed + 1):
            _note(found, outcome)
    first = found["cases"]
    for outcome in track(watchdog.watched(part, first, count), part, max(count - first, 0)):
        found["cases"] += 1
        _note(found, outcome)
        if found["cases"] % 100 == 0:
            _write(folder, data)


def _note(found: dict[str, Any], outcome: dict[str, Any]) -> None:
    kind = outcome["outcome"]
    if kind == "failed":
        found["failures"][str(outcome["seed"])] = outcome["error"]
        return
    found["outcomes"][kind] = found["outcomes"].get(kind, 0) + 1
    if "error" in outcome:
        worst = found["worst"].setdefault(outcome["of"], {"cases": 0, "error": 0.0})
        worst["cases"] += 1
        worst["error"] = max(worst["error"], outcome["error"])


def _write(folder: Path, data: dict[str, Any]) -> None:
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", to_markdown(data))


def to_markdown(data: dict[str, Any]) -> str:
    """The report on the content of results.json."""
    rows, failures = [], []
    for part, found in data["parts"].items():
        outcomes = ", ".join(f"{count} {kind}" for kind, count in sorted(found["outcomes"].items()))
        rows.append(row([part, found["cases"], outcomes, len(found["failures"])]))
        for seed, error in found["failures"].items():
            failures.append(f"- `python -m experiments.soak --case {part}:{seed}`: {error}")
    tables = ["\n".join([head(["cases", "number", "outcomes", "failed"], 1), *rows])]
    for part, title in (("layers", "largest error"), ("conversions", "largest error"), ("files", "most seconds")):
        worst = sorted(data["parts"].get(part, {}).get("worst", {}).items())
        lines = [row([kind, one["cases"], f"{one['error']:.1e}"]) for kind, one in worst]
        tables.append("\n".join([head([part, "cases", title]), *lines]))
    tolerances = [f"{value:g} in {str(key).removeprefix('torch.')}" for key, value in layers.TOLERANCES.items()]
    return _TEXT.format(
        table="\n\n".join(tables),
        tolerances=", ".join(tolerances),
        failures="\n".join(failures) or "No case failed.",
        growth=_GROWTH.format(**data["growth"]) if "growth" in data else "",
    )


if __name__ == "__main__":
    typer.run(main)
