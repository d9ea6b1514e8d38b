"""`python -m experiments.fused` compiles the fused kernels for four architectures, without a GPU."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import triton
import typer

from experiments.files import write_json, write_text
from experiments.fused import packing, report, table
from experiments.study.environment import environment, processor
from experiments.study.options import Out, Smoke, results_folder

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")


def main(
    out: Out = None,
    smoke: Smoke = False,
    jobs: Annotated[int, typer.Option(min=1, help="Compilers at a time.")] = 2,
) -> None:
    """Compiles every plan that is in use, and writes what each program needs. No GPU is needed, and none is timed.

    Triton remembers what it has compiled, so that a run after an interrupted one goes on where that was.
    """
    folder = results_folder(out, FOLDER, "fused", FILES, smoke=smoke)
    cases = list(table.every())
    admitted = [case for case in cases if case.plan is not None]
    rows = []
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for row in pool.map(table.row, admitted[:1] if smoke else admitted):
            rows.append(row)
            print(f"{len(rows)} of {len(admitted)}: {row}", flush=True)
    excluded = [case.label() for case in cases if case.plan is None]
    settings = {"triton": triton.__version__, "channels": "a multiple of 16", **environment(), "processor": processor()}
    data = {
        "experiment": "fused",
        "rows": rows,
        "excluded": excluded,
        "packing": list(packing.rows(packing.SMOKE if smoke else packing.SHAPES)),
        "settings": settings,
    }
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", report.to_markdown(data))


if __name__ == "__main__":
    typer.run(main)
