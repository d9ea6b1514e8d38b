"""Rooms are entered through their doors; that data flows one way between them is checked by import-linter."""

import ast
from collections.abc import Iterator
from pathlib import Path

import nifconv

PACKAGE = Path(nifconv.__file__).parent


def imported_modules(source: str) -> Iterator[str]:
    """Full names of what a file imports from nifconv, modules and the names taken from them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def past_the_door(path: Path, source: str) -> list[str]:
    """Imports of an underscored file of another room than that of `path`, relative to the package."""
    room = path.parts[0] if len(path.parts) > 1 else None
    found = []
    for name in imported_modules(source):
        package, *inside = name.split(".")
        # `_support` has no door: its files are read by all rooms, by name.
        if package == "nifconv" and len(inside) > 1 and inside[0] not in (room, "_api"):
            found += [name] if any(part.startswith("_") for part in inside[1:]) else []
    return found


def test_rooms_are_entered_through_their_doors() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert past_the_door(path.relative_to(PACKAGE), path.read_text(encoding="utf-8")) == [], path


def test_an_underscored_file_of_another_room_is_found() -> None:
    bake = Path("baking/_bake.py")
    assert past_the_door(bake, "from nifconv.layers._base import SpatialLayer") == ["nifconv.layers._base.SpatialLayer"]
    assert past_the_door(bake, "import nifconv.footprint.measures._table") == ["nifconv.footprint.measures._table"]
    assert past_the_door(bake, "from nifconv.layers import _base") == ["nifconv.layers._base"]
    assert past_the_door(bake, "from nifconv.baking._cut import Cut") == []
    assert past_the_door(bake, "from nifconv.layers import SpatialLayer; from nifconv._support import forward") == []
    assert past_the_door(Path("functional.py"), "from nifconv.spectral._operator import apply") != []
