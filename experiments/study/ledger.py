"""The finished runs of an interrupted study."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.files import read_json, write_json

Result = dict[str, Any]
"""What a run has measured, as JSON can hold it."""


class Ledger:
    """Finished runs, one file each, in a folder that is deleted when the study is complete.

    Args:
        folder: folder of the runs; created if it does not exist.
        settings: everything that the runs depend on, as JSON. Runs found under other settings are deleted.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        recorded = folder / "settings.json"
        expected = json.loads(json.dumps(settings))
        if folder.exists() and read_json(recorded) != expected:
            print(f"{folder} holds runs with other settings; they are measured again", flush=True)
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(recorded, expected)
        self.seconds = 0.0
        """Duration of all runs asked for so far, including those from before an interruption."""

    def __call__(self, key: str, work: Callable[[], Result]) -> Result:
        """The result of `work`, taken from the folder if this run has been finished before.

        "seconds", its duration, is added to the result. A file damaged by a crash is measured again.
        """
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        entry = read_json(path)
        if entry is None:
            start = time.perf_counter()
            result = work()
            entry = {"key": key, "result": {**result, "seconds": time.perf_counter() - start}}
            write_json(path, entry)
            print(f"{key}: {entry['result']['seconds']:.1f} s", flush=True)
        self.seconds += entry["result"]["seconds"]
        return entry["result"]

    def close(self) -> None:
        """Deletes the runs, now that their results are in results.json."""
        shutil.rmtree(self._folder)
