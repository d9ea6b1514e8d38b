"""What the report says besides the numbers of results.json."""

from __future__ import annotations

from typing import Any

from experiments.study.report import Data


def facts(data: Data) -> dict[str, Any]:
    """Values of the template."""
    return {"canvases": [f"{size} px" for size in data["digits"][0]["runs"][0]["canvas"]]}
