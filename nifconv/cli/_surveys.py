"""Writing the surveys of a command to files, and showing those made during training."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv.cli._output import heading, say, width
from nifconv.cli._words import errors_in_options

if TYPE_CHECKING:
    from torch import Tensor

    from nifconv.footprint import ReceptiveField, Survey


@dataclass(frozen=True)
class Found:
    """What was measured of one model."""

    survey: Survey
    fields: Sequence[ReceptiveField]


def write(
    found: Mapping[str, Found], *, image: Tensor | None, csv: Path | None, html: Path | None, json: Path | None
) -> None:
    """Writes the files that were asked for, and says so; a page draws receptive fields over the image."""
    from nifconv import footprint

    surveys = {name: one.survey for name, one in found.items()}
    fields = {name: one.fields for name, one in found.items()}
    name, survey = next(iter(surveys.items()))
    several = len(surveys) > 1
    if csv is not None:
        (footprint.compare(surveys) if several else survey).to_csv(csv)
    if html is not None:
        with errors_in_options("--html"):
            if several:
                footprint.compare(surveys).to_html(html, fields=fields, image=image)
            else:
                survey.to_html(html, title=f"Kernels of {name}", fields=fields[name], image=image)
    if json is not None:
        receptive = {key: [field.to_dict() for field in one.fields] for key, one in found.items()}
        data: dict[str, Any] = {key: survey.to_dict() for key, survey in surveys.items()}
        _write_json(json, {"surveys": data, "receptive_fields": receptive})
    _say_written(csv, html, json)


def over_training(run: Path, csv: Path | None, json: Path | None) -> None:
    """Shows the kernel sizes that FootprintSurvey recorded during training, and writes them to files."""
    from nifconv import footprint

    with errors_in_options("MODEL"):
        history = footprint.read_history(run)
    heading(f"{run}: surveys of FootprintSurvey")
    say(history.to_text(width()))
    if csv is not None:
        history.to_csv(csv)
    if json is not None:
        _write_json(json, {"surveys": history.to_dict()})
    _say_written(csv, json)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    # allow_nan=False: a survey holds None for NaN, and NaN would make a file that is not JSON.
    path.write_text(json_text.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _say_written(*paths: Path | None) -> None:
    for path in paths:
        if path is not None:
            say(f"written: {path}")
