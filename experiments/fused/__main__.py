"""`python -m experiments.fused` compiles the fused kernels for four architectures, without a GPU."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import triton
import typer

from experiments.files import write_json, write_text
from experiments.fused import report, table
from experiments.study.options import Out, Smoke, results_folder

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")


def main(
    out: Out = None,
    smoke: Smoke = False,
    jobs: Annotated[int, typer.Option(min=1, help="Compilers at a time.")] = 2,
) -> None:
    """Compiles every plan that is in use, and writes what each program needs. No GPU is needed, and none is timed."""
    folder = results_folder(out, FOLDER, "fused", FILES, smoke=smoke)
    cases = list(table.admitted())
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(table.row, cases[:1] if smoke else cases))
    excluded = [table.label(case) for case in table.every() if case not in cases]
    settings = {"triton": triton.__version__, "layout": "contiguous", "channels": "a multiple of 16"}
    data = {"experiment": "fused", "rows": rows, "excluded": excluded, "settings": settings}
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", report.to_markdown(data))


if __name__ == "__main__":
    typer.run(main)
