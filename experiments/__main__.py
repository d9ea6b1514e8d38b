"""All studies, one after another or side by side: `python -m experiments --out my-results`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from experiments.common import summary
from experiments.common.results import write_text

STUDIES = ("accuracy", "reach", "random_lc", "locality", "footprint_prior", "defaults", "roundtrip")
"""Packages of `experiments` whose `__main__` holds a `STUDY`; the longest first, so that they end together."""
_LOG = "log.txt"


def main(
    out: Annotated[Path, typer.Option(help="Folder of all results; each study gets one in it.")],
    study: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Studies at a time; each uses one thread.")] = 2,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything once, tiny.")] = False,
) -> None:
    """Runs the studies and writes README.md, a page of their verdicts, into the folder of all results.

    The same command again skips studies that are complete and goes on with interrupted ones.
    """
    unknown = set(study or ()) - set(STUDIES)
    if unknown:
        raise typer.BadParameter(f"{sorted(unknown)} must be among {', '.join(STUDIES)}", param_hint="--study")
    page = out / "README.md"
    if page.is_file() and not page.read_text(encoding="utf-8").startswith(summary.TITLE):
        raise typer.BadParameter(f"{page} is not ours and would be replaced; choose another folder", param_hint="--out")
    names = [name for name in STUDIES if not study or name in study]
    with ThreadPoolExecutor(jobs) as pool:
        failures = sum(pool.map(partial(_run, out, smoke), names))
    write_text(page, summary.to_markdown(out, STUDIES))
    if failures:
        raise typer.Exit(code=1)


def _run(out: Path, smoke: bool, name: str) -> bool:
    """Whether the study failed."""
    folder = out / name
    if _is_complete(folder, smoke):
        print(f"{name}: complete, see {folder / 'REPORT.md'}", flush=True)
        return False
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"experiments.{name}", "--out", str(folder.resolve()), *["--smoke"] * smoke]
    start = time.perf_counter()
    with (folder / _LOG).open("a", encoding="utf-8") as log:
        done = subprocess.run(  # noqa: S603
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[1],
            check=False,
        )
    outcome = f"failed, see {folder / _LOG}" if done.returncode else f"see {folder / 'REPORT.md'}"
    print(f"{name}: {time.perf_counter() - start:.0f} s, {outcome}", flush=True)
    return bool(done.returncode)


def _is_complete(folder: Path, smoke: bool) -> bool:
    """Whether the study has run to its end there, and tiny or not as it is to be."""
    if not (folder / "REPORT.md").is_file():  # the last file that a study writes
        return False
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return bool(data.get("smoke", False) == smoke)


if __name__ == "__main__":
    typer.run(main)
