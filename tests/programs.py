"""Short programs in processes of their own, which find torch imported: importing it takes longer than they run.

They are forked from a server that has imported torch and nothing else.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PATIENCE = 120
"""Seconds after which a program is killed."""
_SERVER = """
import json, os, sys, time
import torch

for line in iter(sys.stdin.readline, ""):
    task = json.loads(line)
    child = os.fork()
    if not child:
        break
    end = time.monotonic() + task["patience"]
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.005)
        if time.monotonic() > end:
            os.kill(child, 9)
    print(os.waitstatus_to_exitcode(found[1]), flush=True)
else:
    sys.exit()

# In the child, at the top level: an exception that the program raises ends the interpreter as it always does.
for number, path in enumerate(task["output"], start=1):
    os.dup2(os.open(path, os.O_WRONLY), number)
os.chdir(task["folder"])
os.environ.update(task["environment"])
sys.argv = ["-c", *task["arguments"]]
exec(compile(task["program"], "<program>", "exec"), {"__name__": "__main__"})
sys.stdout.flush()
os._exit(0)  # clearing away what torch imported takes longer than most programs
"""


def run(program: str, *arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `python -c program` does.

    Args:
        program: text of the program.
        arguments: `sys.argv` after the first.
        folder: in which it runs, and from which it imports before it does from the root of the repository.
        environment: variables added to those of this process.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
        task = {
            "program": program,
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment,
            "output": [out.name, err.name],
            "patience": _PATIENCE,
        }
        print(json.dumps(task), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess([program, *arguments], status, out.read(), err.read())


@functools.cache
def _server() -> subprocess.Popen[str]:
    """One for all programs of this process; started in the root, whose folder `""` in `sys.path` follows `chdir`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _SERVER]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate)  # which closes its input, after which it ends
    return server
