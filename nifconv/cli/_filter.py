"""`--filter`: a name, data, a file with data, or different filters for different layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nifconv.conversion import Filters

TABLE = "table"
"""The one filter by name that needs an argument."""
_FILES = (".yaml", ".yml", ".json")


def parse_filter(text: str, table_size: int, frozen_seed: int | None) -> Filters:
    """The filter, or filters by layer, that an option names.

    Args:
        text: a name; or JSON or YAML, or a file of it: a name, {ImplicitFilter: {hidden: [8, 4]}}, or a mapping of
            names and patterns of layers to these or null.
        table_size: base size in pixels, for the name "table".
        frozen_seed: seed of frozen filters; None for filters that are trained.

    Raises:
        ValueError: it is none of these.
    """
    from nifconv.conversion import read_filters
    from nifconv.filters import frozen

    filters = read_filters(_with_size(_data(text), table_size))
    if frozen_seed is None:
        return filters
    if isinstance(filters, dict):
        return {key: factory and frozen(factory, seed=frozen_seed) for key, factory in filters.items()}
    return frozen(filters, seed=frozen_seed)  # type: ignore[arg-type]


def _data(text: str) -> Any:
    path, given = Path(text), text
    if path.suffix in _FILES:
        if not path.is_file():
            raise ValueError(f"filter={given!r} does not exist; give a file of YAML or JSON")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"filter={given!r} is not text in UTF-8: {error}; save it as UTF-8") from error
    elif not text.lstrip().startswith("{"):
        return text
    try:
        import yaml
    except ImportError:  # JSON is nearly a subset of YAML, so only files that use more of YAML need the package
        load, wrong = json.loads, json.JSONDecodeError
    else:
        load, wrong = yaml.safe_load, yaml.YAMLError
    try:
        return load(text)
    except wrong as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"filter={given!r} is neither JSON nor YAML: {reason}") from error


def _with_size(data: Any, table_size: int) -> Any:
    """Replaces the name "table" by the data it stands for, also inside a mapping."""
    if data == TABLE:
        return {"TableFilter": {"size": table_size}}
    return {key: _with_size(value, table_size) for key, value in data.items()} if isinstance(data, dict) else data
