"""Cases in a process of their own, so that one that dies, hangs or eats memory is found and the others go on."""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

PARTS = ("layers", "conversions", "files")
"""Modules with a function `check(seed)`, whose cases are independent of one another."""
SECONDS = 120.0
"""What one case may take before it is killed; the first in a process imports torch."""
BYTES = 24 * 2**30
"""Address space of the process, of which torch reserves much and uses little."""


def watched(part: str, first: int, last: int) -> Iterator[dict[str, Any]]:
    """The outcomes of cases `first` to `last - 1`; after one that ended its process, the next has a new one."""
    while first < last:
        for outcome in _until_it_ends(part, first, last):
            yield outcome
            first = outcome["seed"] + 1


def _until_it_ends(part: str, first: int, last: int) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-W", "ignore", "-m", "experiments.soak.watchdog", part, str(first), str(last)]
    reading, writing = os.pipe()
    # The children of a child, such as a launcher's, are in its group and end with it.
    child = subprocess.Popen([*command, str(writing)], pass_fds=[writing], start_new_session=True)  # noqa: S603
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as results:
            buffer = b""
            while first < last:
                ready, _, _ = select.select([results], [], [], SECONDS)
                received = results.read(2**16) if ready else b""
                if not received:
                    how = "ended its process" if ready else f"took more than {SECONDS:.0f} s"
                    status = child.wait(SECONDS) if ready else None
                    yield {"seed": first, "outcome": "failed", "error": f"{how}, status {status}"}
                    return
                *lines, buffer = (buffer + received).split(b"\n")
                for line in lines:
                    yield json.loads(line)
                    first += 1
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def outcome(part: str, seed: int) -> dict[str, Any]:
    """One case, in this process."""
    check = importlib.import_module(f"experiments.soak.{part}").check
    try:
        return {"seed": seed, **check(seed)}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}: {error!s:.600}"  # noqa: PTH119
        return {"seed": seed, "outcome": "failed", "error": text}


def _main(part: str, first: str, last: str, writing: str) -> None:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    for seed in range(int(first), int(last)):
        os.write(int(writing), json.dumps(outcome(part, seed)).encode() + b"\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
