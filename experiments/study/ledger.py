"""What an interrupted study has already measured."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.study.results import read_json, write_json


class Ledger:
    """Finished runs, one file each, in a folder that is deleted when the study is complete.

    Args:
        folder: of the runs; made if there is none.
        settings: all that the runs depend on, as JSON has it. Runs that a folder holds from other settings are
            deleted, since they answer another question.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        recorded = folder / "settings.json"
        expected = json.loads(json.dumps(settings))
        if folder.exists() and read_json(recorded) != expected:
            print(f"{folder} holds runs of other settings; they are measured again", flush=True)
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(recorded, expected)
        self.seconds = 0.0
        """Of all runs asked for so far, those from before an interruption included."""

    def __call__(self, key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of `work`, a mapping that JSON can hold, from the last time if it was finished then.

        "seconds", how long it took, is added to it. What a crash has damaged is measured again.
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
        """Deletes the runs, now that their results are elsewhere."""
        shutil.rmtree(self._folder)
