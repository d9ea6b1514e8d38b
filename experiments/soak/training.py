"""`python -m experiments.soak.training` kills trainings, spoils their files, and tabulates what becomes of them."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.files import read_json, write_json, write_text
from experiments.soak.runs import DIGITS, PAIR, Run, photographs, same_weights
from experiments.soak.spoils import SMOKE, SPOILS, name_of, resumed
from experiments.study.environment import environment
from experiments.study.options import Out, Smoke, results_folder
from experiments.study.report import head, row
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints

FOLDER = Path(__file__).resolve().parent / "trainings"
FILES = ("results.json", "REPORT.md")
STEPS = 16
"""Of a run."""
_TEXT = """# Trainings that are killed, and files that are spoiled

A run of sixteen steps with dropped paths, mixed images and a checkpoint after each step, on one process or on two
(DDP on the CPU). "Equal": after the same command was given again, the final weights are those of a run that nothing
happened to, bit by bit.

{signals}

## What a user reads, and what is lost

Each is done to a run on image files that was stopped half-way. Then the cause is removed and the same command given
once more.

{files}

Run it: `python -m experiments.soak.training`.
"""


def main(
    out: Out = None,
    smoke: Smoke = False,
    kills: Annotated[int, typer.Option(min=0, help="Runs of one process that are killed.")] = 50,
    pairs: Annotated[int, typer.Option(min=0, help="Runs of two, of which one is.")] = 10,
) -> None:
    """Ends trainings at random moments, resumes them, and compares the weights; rows that exist are kept."""
    folder = results_folder(out, FOLDER, "soak.training", FILES, smoke=smoke)
    earlier = read_json(folder / "results.json") or {}
    before = {(one["name"], one["runs"]): one for one in earlier.get("signals", [])}
    spoiled = {one["name"]: one for one in earlier.get("files", [])}
    data: dict[str, Any] = {"experiment": "soak.training", "settings": environment(), "signals": [], "files": []}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        place.chmod(0o755)  # a process of another user looks into it
        rows: list[tuple[str, int, int, tuple[str, ...]]] = [("SIGKILL", signal.SIGKILL, kills, ())]
        if not smoke:
            rows += [("SIGTERM", signal.SIGTERM, 5, ()), ("SIGINT", signal.SIGINT, 5, ())]
            rows += [("SIGKILL to one of two", signal.SIGKILL, pairs, PAIR)]
            rows += [("SIGTERM to one of two", signal.SIGTERM, 5, PAIR)]
        for name, number, count, options in rows:
            seeds = range(1 if smoke else count)
            if (name, len(seeds)) in before:
                data["signals"].append(before[name, len(seeds)])
                continue
            _whole(place / "first", (*options, "--limit", "1"))  # imports what all need, and is not timed
            whole, seconds = _whole(place / f"whole{len(options)}", options)
            trials = [_interrupted(place, whole, seconds, number, options, seed) for seed in seeds]
            data["signals"].append({"name": name, **_summary(trials)})
            _write(folder, data)
        half, whole = place / "half", place / "whole"
        for spoil in SMOKE if smoke else SPOILS:
            if name_of(spoil) not in spoiled:
                if not half.exists():
                    _whole(whole, (), photographs(place / "images"))
                    _stop_half_way(half)
                spoiled[name_of(spoil)] = _spoiled(spoil, half, place / "spoiled", whole)
            data["files"].append(spoiled[name_of(spoil)])
            _write(folder, data)


def _whole(out: Path, options: tuple[str, ...], data: tuple[str, ...] = DIGITS) -> tuple[Path, float]:
    """A run that nothing happens to, and its seconds."""
    shutil.rmtree(out, ignore_errors=True)
    started = time.monotonic()
    run = Run(out, options, data)
    if any(run.wait()):
        raise RuntimeError(f"the run in {out} failed: {run.error}")
    return out, time.monotonic() - started


def _interrupted(
    place: Path, whole: Path, seconds: float, number: int, options: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """One run that gets a signal at a random moment, and is then resumed."""
    chance, out = random.Random(seed), place / "run"  # noqa: S311 - reproducible, not secret
    shutil.rmtree(out, ignore_errors=True)
    run = Run(out, options)
    # After a step that is drawn, and then at any point of the next one or, for step 0, of the start.
    step = chance.randrange(STEPS)
    while run.processes[0].is_alive() and _steps(out) < step:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, seconds / (STEPS if step else 2)))
    run.send(number, chance.randrange(len(run.processes)))
    first = run.wait()
    saved = len(checkpoints(checkpoint_folder(out)))
    again = Run(out, options)
    second = again.wait()
    equal = second == [0] * len(second) and same_weights(out, whole)
    return {"first": first, "second": second, "saved": saved, "equal": equal, "error": again.error}


def _steps(out: Path) -> int:
    """Steps that a run has saved."""
    return max((int(path.stem.rpartition("=")[2]) for path in checkpoints(checkpoint_folder(out))), default=0)


def _summary(trials: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "runs": len(trials),
        "equal": sum(trial["equal"] for trial in trials),
        "hung": sum(None in trial["first"] + trial["second"] for trial in trials),
        "while_training": sum(trial["saved"] > 0 and trial["first"] != [0] * len(trial["first"]) for trial in trials),
        "statuses": sorted({str(status) for trial in trials for status in trial["first"]}),
        "errors": [trial["error"] for trial in trials if not trial["equal"]],
    }


def _stop_half_way(out: Path) -> None:
    run = resumed(out)
    while len(checkpoints(checkpoint_folder(out))) < 3:
        time.sleep(0.05)
    run.send(signal.SIGTERM)
    run.wait()


def _spoiled(spoil: Callable[[Path], Run], half: Path, out: Path, whole: Path) -> dict[str, Any]:
    """What a run says in a spoiled folder, and whether it can be completed after that."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(half, out)
    before = len(checkpoints(checkpoint_folder(out)))
    run = spoil(out)
    statuses = run.wait()
    lost = before - len(checkpoints(checkpoint_folder(out)))
    outcome = "goes on" if statuses == [0] else "an error"
    if statuses != [0]:  # the cause is removed
        for path in (out, *out.rglob("*")):
            path.chmod(0o755)
        for path in checkpoint_folder(out).iterdir():
            if not (checkpoint_folder(half) / path.name).exists():
                path.unlink()
        shutil.copytree(half, out, dirs_exist_ok=True)
        resumed(out).wait()
    error = " ".join(run.error.replace(str(out), "run").replace(f"{out.parent}/", "").split())
    return {
        "name": name_of(spoil),
        "outcome": outcome,
        "error": error,
        "names_it": str(out) in run.error,
        "lost": max(lost, 0) if outcome != "goes on" else 0,
        "equal": same_weights(out, whole),
    }


def _write(folder: Path, data: dict[str, Any]) -> None:
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", to_markdown(data))


def to_markdown(data: dict[str, Any]) -> str:
    """The report on the content of results.json."""
    columns = ["signal, at a random moment", "runs", "while it trained", "equal", "hung"]
    keys = ("name", "runs", "while_training", "equal", "hung")
    signals = [row(one[key] for key in keys) for one in data["signals"]]
    files = [
        row(
            [
                one["name"],
                one["outcome"],
                f"`{one['error'][:700]}`" if one["error"] else "",
                one["names_it"],
                one["lost"],
                one["equal"],
            ]
        )
        for one in data["files"]
    ]
    return _TEXT.format(
        signals="\n".join([head(columns), *signals]),
        files="\n".join(
            [head(["what", "outcome", "what is said", "names the file", "checkpoints lost", "equal"], 3), *files]
        ),
    )


if __name__ == "__main__":
    typer.run(main)
