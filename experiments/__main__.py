"""All studies, in sequence or in parallel: `python -m experiments --out my-results`."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from experiments.files import check_can_be_folder
from experiments.study import index
from experiments.study.study import Study

STUDIES = ("frozen", "reach", "accuracy", "layers", "ringing", "converting", "locality", "resolution")
"""Packages of `experiments.studies` whose `__main__` holds a `STUDY`; the longest first, so that they end together."""
_LOG = "log.txt"
_TURN = 1.0
"""Seconds."""


def main(
    out: Annotated[Path, typer.Option(help="Folder for all results; each study writes to studies/NAME inside it.")],
    study: Annotated[list[str] | None, typer.Option(help="Run only this study (repeatable).")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of studies run in parallel; each uses one thread.")] = 2,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything at a tiny size, as a check.")] = False,
) -> None:
    """Runs the studies and writes README.md, a page of their verdicts, into the folder of all results.

    The same command skips complete studies and resumes interrupted ones.
    """
    unknown = set(study or ()) - set(STUDIES)
    if unknown:
        raise typer.BadParameter(f"{sorted(unknown)} must be among {', '.join(STUDIES)}", param_hint="--study")
    try:
        check_can_be_folder(out)
    except NotADirectoryError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    page = out / index.PAGE
    if page.is_file() and not page.read_bytes().startswith(index.TITLE.encode()):
        raise typer.BadParameter(
            f"{page} was not written by this command and would be replaced; choose another folder", param_hint="--out"
        )
    names = [name for name in STUDIES if not study or name in study]
    children = _Children()
    with ThreadPoolExecutor(jobs) as pool, _progress() as progress:
        shown = progress.add_task("", total=None)
        try:
            runs = [pool.submit(_run, children, out, smoke, name) for name in names]
            # In turns, since a signal that comes just before an endless wait is not noticed during it.
            while wait(runs, timeout=_TURN).not_done:
                running = [name for name, run in zip(names, runs, strict=True) if not run.done()]
                left, total = _minutes_left(out, running, smoke), sum(_study(name).minutes for name in names)
                words = f"{', '.join(running[:jobs])}: about {math.ceil(left / jobs)} minutes left"
                progress.update(shown, description=words, total=total, completed=total - left)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.terminate()
            raise
    _settle(out)
    index.write(out, STUDIES)
    if any(run.result() for run in runs):
        raise typer.Exit(code=1)


class _Children:
    """Processes that end before this one does."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ending = False

    def run(self, command: list[str], **options: Any) -> int:
        """The exit status of a command."""
        with subprocess.Popen(command, **options) as process:  # noqa: S603
            self._running.add(process)
            if self._ending:  # since before it was among those to be terminated
                process.terminate()
            status = process.wait()
            self._running.discard(process)
        return status

    def terminate(self) -> None:
        """Ends the commands that run, and those that are about to."""
        self._ending = True
        for process in tuple(self._running):
            process.terminate()


def _study(name: str) -> Study[Any]:
    """Raises ModuleNotFoundError for an unknown one."""
    return import_module(f"experiments.studies.{name}.__main__").STUDY


def _minutes_left(out: Path, running: list[str], smoke: bool) -> float:
    """On one quiet core, from the share of runs that are finished."""
    left = 0.0
    for name in running:
        study = _study(name)
        done = study.progress(out / index.FOLDER / name, study.smoke if smoke else study.config)
        left += study.minutes * (1 - done)
    return left


def _progress() -> Progress:
    """A bar, what runs and what remains; nothing where there is no terminal."""
    return Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), transient=True)


def _is_complete(name: str, folder: Path, smoke: bool) -> bool:
    """Whether a study has its report, and not from a smoke run unless that is what is asked for."""
    if not (folder / "REPORT.md").is_file():  # the last file that a study writes
        return False
    study = _study(name)
    return study.holds(folder, study.config) or (smoke and study.holds(folder, study.smoke))


def _settle(out: Path) -> None:
    """Verdicts of all complete studies together, since they share one level of significance."""
    complete = index.complete(out, STUDIES)
    for one in complete:
        others = [claim["raw_p"] for other in complete if other is not one for claim in other["claims"]]
        _study(one["name"]).settle(out / index.FOLDER / one["name"], [p for p in others if p is not None])


def _run(children: _Children, out: Path, smoke: bool, name: str) -> bool:
    """Whether the study failed."""
    folder = out / index.FOLDER / name
    if _is_complete(name, folder, smoke):
        print(f"{name}: complete, see {folder / 'REPORT.md'}", flush=True)
        return False
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"experiments.studies.{name}", "--out", str(folder.resolve())]
    command += ["--smoke"] * smoke
    start = time.perf_counter()
    with (folder / _LOG).open("a", encoding="utf-8") as log:
        status = children.run(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[1],
        )
    outcome = f"failed, see {folder / _LOG}" if status else f"see {folder / 'REPORT.md'}"
    print(f"{name}: {time.perf_counter() - start:.0f} s, {outcome}", flush=True)
    return bool(status)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    typer.run(main)
