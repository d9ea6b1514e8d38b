"""Damaged and hostile files in the place of saved models: refused, or loaded as they were."""

from __future__ import annotations

import functools
import json
import random
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nifconv import (
    Envelope,
    FilterBank,
    FourierFeatures,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    bake,
    convert,
    load,
)
from nifconv import frozen as draw_once
from nifconv._support import saved

SECONDS, MEGABYTES = 1.0, 100.0
"""What refusing one file may take."""
_ACTS = ("os.system", "os.exec", "os.spawn", "os.fork", "subprocess.Popen", "pickle.find_class", "socket.connect")
_HUGE: tuple[Any, ...] = (
    0,
    -1,
    10**6,
    10**9,
    2**31,
    2**63,
    10**30,
    1e308,
    float("nan"),
    "",
    "../../x",
    None,
    [],
    {},
    True,
)
_NAMES = ("../../etc/passwd", "__class__", "0/../0.weight", "os.system('touch here')", "torch.nn.Module", "x" * 10**5)
_acts: list[str] = []


def check(seed: int) -> dict[str, Any]:
    """Edits one saved model and loads it.

    Raises:
        AssertionError: the edited file was loaded as something else, ran code, or took too long or too much memory.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    options, base, content, state = _saved()[seed % len(_saved())]
    kind = chance.choice(list(EDITS))
    edited = EDITS[kind](content, chance)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        path.write_bytes(edited)
        del _acts[:]
        started, peak = time.process_time(), _peak()
        try:
            loaded = load(path, base).model.state_dict()
        except ValueError as error:
            assert str(path) in str(error) or "base_model" in str(error), f"{kind}: the file is not named: {error}"
            outcome = "refused"
        else:
            outcome = "loaded as it was"
            assert loaded.keys() == state.keys(), f"{kind}: other tensors of {options}"
            assert all(torch.equal(loaded[name], state[name]) for name in state), f"{kind}: other values of {options}"
        seconds, megabytes = time.process_time() - started, _peak() - peak
        assert not _acts, f"{kind} ran {_acts}"
        assert [found.name for found in Path(folder).iterdir()] == [path.name], f"{kind} wrote files"
    assert seconds <= SECONDS, f"{kind} took {seconds:.1f} s"
    assert megabytes <= MEGABYTES, f"{kind} took {megabytes:.0f} MB"
    return {"outcome": outcome, "of": kind, "error": seconds}


@functools.cache
def _saved() -> list[tuple[Any, nn.Module, bytes, dict[str, Any]]]:
    """Options, base model, file and weights of a few conversions, baked and not; loaded once for the imports."""
    found: list[tuple[Any, nn.Module, bytes, dict[str, Any]]] = []
    bank = FilterBank(draw_once(functools.partial(TableFilter, size=3), seed=1), 16)
    encoded = functools.partial(ImplicitFilter, encoding=FourierFeatures(reach=4, features=5, seed=0), hidden=(4, 3))
    for options in (
        {"to": "dense", "filter": SpatialFilter, "match": True},
        {"to": "lc", "expansion": 2, "filter": Envelope(draw_once(ImplicitFilter, seed=3), width=2.0)},
        {"to": "split", "filter": encoded},
        {"to": "dense", "filter": bank},
    ):
        torch.manual_seed(0)
        base = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.safetensors"
            conversion = convert(base, where=lambda *_: True, **options)  # type: ignore[arg-type]
            for made in (conversion, bake(conversion.model, torch.zeros(1, 4, 8, 8))):
                made.save(path)
                load(path, base)
                found.append((options, base, path.read_bytes(), made.model.state_dict()))
    sys.addaudithook(lambda event, _: _acts.append(event) if event.startswith(_ACTS) else None)
    return found


def _flip(content: bytes, chance: random.Random) -> bytes:
    edited = bytearray(content)
    for _ in range(chance.choice([1, 1, 4, 64])):
        edited[chance.randrange(len(edited))] ^= 1 << chance.randrange(8)
    return bytes(edited)


def _flip_header(content: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return _flip(content[: 8 + length], chance) + content[8 + length :]


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _append(content: bytes, chance: random.Random) -> bytes:
    return content + chance.randbytes(chance.randint(1, 1000))


def _length(content: bytes, chance: random.Random) -> bytes:
    return struct.pack("<Q", chance.choice([0, 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1])) + content[8:]


def _deep(content: bytes, chance: random.Random) -> bytes:
    """Brackets within brackets, in the header itself or in the description that it holds as text."""
    depth = chance.choice([500, 5000, 200_000])
    nested = "[" * depth + "]" * depth if chance.random() < 0.5 else '{"a":' * depth + "0" + "}" * depth
    header, tensors = _open(content)
    if chance.random() < 0.5:
        header["__metadata__"]["nifconv"] = nested
        return _close(header, tensors)
    text = nested.encode()
    return struct.pack("<Q", len(text)) + text + tensors


def _rename(content: bytes, chance: random.Random) -> bytes:
    header, tensors = _open(content)
    name = chance.choice([name for name in header if name != "__metadata__"])
    header[chance.choice(_NAMES)] = header.pop(name)
    return _close(header, tensors)


def _reshape(content: bytes, chance: random.Random) -> bytes:
    header, tensors = _open(content)
    entry = header[chance.choice([name for name in header if name != "__metadata__"])]
    entry[chance.choice(list(entry))] = chance.choice([*_HUGE, [2**40, 2**40], [0, 2**50], [4] * 1000, "F64", "BOOL"])
    return _close(header, tensors)


def _describe(content: bytes, chance: random.Random) -> bytes:
    """Another description, under a checksum that is right: what somebody can write who knows the format."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        Path(file.name).write_bytes(content)
        tensors, description = saved.read(file.name)
        for _ in range(chance.choice([1, 1, 3])):
            places = list(_places(description))
            holder, key = chance.choice(places)
            holder[key] = chance.choice([*_HUGE, *_NAMES, {chance.choice(_NAMES): {}}, {"torch.nn.Linear": {}}])
        saved.write(file.name, tensors, description)
        return Path(file.name).read_bytes()


def _places(tree: Any) -> Any:
    """Every entry of nested data, as (container, key)."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


EDITS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bits flipped": _flip,
    "bits of the header flipped": _flip_header,
    "truncated": _truncate,
    "bytes appended": _append,
    "header of another length": _length,
    "nested deeply": _deep,
    "tensor renamed": _rename,
    "tensor of another shape": _reshape,
    "another description": _describe,
    "another description, again": _describe,
}


def _open(content: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _close(header: dict[str, Any], tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def _peak() -> float:
    """The largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
