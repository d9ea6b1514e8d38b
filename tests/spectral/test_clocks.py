"""Clocks, that of a GPU against events that are not there."""

import itertools
from typing import Any

import pytest
import torch

from nifconv.spectral import _clocks


def test_a_cpu_is_timed_by_the_wall_and_known_as_cpu() -> None:
    cpu = torch.device("cpu")
    assert _clocks.clock_for(cpu) is _clocks.wall
    assert _clocks.device_name(cpu) == "cpu"
    assert _clocks.wall(lambda: sum(range(1000))) > 0


def test_the_first_call_is_not_timed_and_a_slow_one_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([1.0, 9.0, 2.0])
    monkeypatch.setattr(_clocks, "wall", lambda call: (call(), next(taken))[1])
    calls = itertools.count(1)
    assert _clocks.timed(lambda: next(calls), 3) == (1, 2.0)
    assert next(calls) == 5


def test_a_gpu_is_timed_by_events_after_its_cache_was_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    gpu = torch.device("cuda", 0)

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            done.append("event")

        def synchronize(self) -> None:
            done.append("wait")

        def elapsed_time(self, end: Any) -> float:
            assert isinstance(end, Event)
            return 3.0

    class Buffer:
        def zero_(self) -> None:
            done.append("overwrite")

    def empty(size: int, dtype: torch.dtype, device: torch.device) -> Buffer:
        assert (size * dtype.itemsize >= 50 << 20, device) == (True, gpu)
        return Buffer()

    properties = type("Properties", (), {"L2_cache_size": 50 << 20, "name": "a GPU"})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "empty", empty)
    assert _clocks.device_name(gpu) == "a GPU"
    assert _clocks.clock_for(gpu)(lambda: done.append("call")) == pytest.approx(0.003)
    assert done == ["overwrite", "event", "call", "event", "wait"]
