"""The log of a run: one file of metrics, however often the run is interrupted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment

from experiments.files import write_text

FOLDER, _FILE = "logs", "metrics.csv"


class RunLog(CSVLogger):
    """Writes `logs/metrics.csv`, and goes on with it when a run is resumed.

    Args:
        run: folder of the run.
    """

    def __init__(self, run: str | Path) -> None:
        # After each row: a process that is killed takes with it what it has not written.
        super().__init__(run, name=FOLDER, version="", flush_logs_every_n_steps=1)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """What Lightning writes with; it would delete the file that it finds."""
        if self._experiment is None:
            self._experiment = _Appending(self.log_dir)
        return self._experiment


def forget_from(run: Path, step: int) -> None:
    """Removes the rows from a step on, which the training is about to do again."""
    path = run / FOLDER / _FILE
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names, rows = list(reader.fieldnames or []), [row for row in reader if int(row["step"]) < step]
    lines = [",".join(names), *(",".join(row[name] for name in names) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


class _Appending(ExperimentWriter):
    """Lightning's writer of metrics, for a file that may have rows."""

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        path = Path(self.metrics_file_path)
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self.metrics_keys = list(next(csv.reader(file), []))

    def _check_log_dir_exists(self) -> None:
        """Deletes nothing."""
