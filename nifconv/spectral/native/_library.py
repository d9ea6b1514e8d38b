"""The engine's shared library: found, loaded and told of torch's threads, once per process."""

from __future__ import annotations

import ctypes
import functools
import os
from dataclasses import dataclass
from pathlib import Path

import torch

_VARIABLE = "NIFCONV_NATIVE"


class Map(ctypes.Structure):
    """`nifconv_map` of engine.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("strides", ctypes.c_int64 * 4),
        ("shape", ctypes.c_int64 * 2),
        ("step", ctypes.c_int64 * 2),
        ("type", ctypes.c_int32),
    )


class Problem(ctypes.Structure):
    """`nifconv_problem` of engine.h."""

    _fields_ = (
        ("batch", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        ("multiplier", ctypes.c_int64),
        ("grid", ctypes.c_int64 * 2),
        ("wide", ctypes.c_int32),  # whether pairs are float64, else float32
    )


class Dense(ctypes.Structure):
    """`nifconv_dense` of engine.h."""

    _fields_ = (
        ("batch", ctypes.c_int64),
        ("groups", ctypes.c_int64),
        ("outputs", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
        ("grid", ctypes.c_int64 * 2),
        ("part_stride", ctypes.c_int64),
        ("bin_stride", ctypes.c_int64),
        ("output_stride", ctypes.c_int64),
        ("input_stride", ctypes.c_int64),
        ("wide", ctypes.c_int32),
    )


@dataclass(frozen=True)
class Engine:
    """What runs here.

    Attributes:
        library: the functions of engine.h.
        instruction_sets: those compiled that this processor has, the widest, which is used, first.
        instruction_set: the one in use.
        threaded: whether it uses torch's threads; else it runs in the calling thread.
    """

    library: ctypes.CDLL
    instruction_sets: tuple[str, ...]
    instruction_set: str
    threaded: bool


class EngineError(Exception):
    """Why there is no engine."""


def engine() -> Engine | None:
    """The engine, or None where it was not built, cannot run or is switched off."""
    found = _found()
    return found if isinstance(found, Engine) else None


def absence() -> str | None:
    """Why `engine()` is None, as a sentence."""
    found = _found()
    return None if isinstance(found, Engine) else str(found)


@functools.cache
def _found() -> Engine | EngineError:
    try:
        return _load(os.environ.get(_VARIABLE, ""))
    except EngineError as error:
        return error


def _load(wanted: str) -> Engine:
    """Loads the library and chooses the instruction set `wanted`, by default the widest.

    Raises:
        EngineError: there is no library, it cannot be loaded, or what is wanted is not to be had.
    """
    if wanted == "0":
        raise EngineError(f"the native engine is switched off by {_VARIABLE}=0")
    path = Path(__file__).with_name("_engine.bin")
    if not path.exists():
        raise EngineError("the native engine was not built: installing found no C++ compiler that can build it")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(f"the native engine cannot be loaded: {error}") from error
    library.nifconv_instruction_sets.restype = ctypes.c_char_p
    sets = tuple(library.nifconv_instruction_sets().decode().split())
    chosen = wanted or sets[0]
    if library.nifconv_choose(chosen.encode()):  # as in C, 0 is success
        raise EngineError(f"{_VARIABLE}={wanted} is not an instruction set of this processor; use one of {sets} or 0")
    return Engine(library, sets, chosen, _share_threads(library))


def _share_threads(library: ctypes.CDLL) -> bool:
    """Gives the engine torch's threads; torch has exported what is needed since 2.10."""
    folder = Path(torch.__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        if not (folder / name).exists():
            continue
        torch_library = ctypes.CDLL(str(folder / name))
        # hasattr looks a symbol up; an older torch runs the engine too, in the calling thread.
        if hasattr(torch_library, "torch_parallel_for") and hasattr(torch_library, "torch_get_num_threads"):
            functions = (torch_library.torch_parallel_for, torch_library.torch_get_num_threads)
            library.nifconv_use_threads(*(ctypes.cast(f, ctypes.c_void_p) for f in functions))
            return True
    return False
