"""What is said and done where the engine is missing, switched off or asked for something it has not."""

from pathlib import Path

import pytest

from nifconv.spectral.native import _library
from tests import programs


def test_it_is_switched_off_by_the_environment() -> None:
    with pytest.raises(_library.EngineError, match="switched off by NIFCONV_NATIVE=0"):
        _library._load("0")


def test_it_was_not_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_library, "__file__", str(tmp_path / "_library.py"))
    with pytest.raises(_library.EngineError, match="was not built"):
        _library._load("")


def test_a_file_that_is_no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "_engine.bin").write_text("text")
    monkeypatch.setattr(_library, "__file__", str(tmp_path / "_library.py"))
    with pytest.raises(_library.EngineError, match=r"cannot be loaded: .*_engine\.bin"):
        _library._load("")


@pytest.mark.skipif(_library.engine() is None, reason=str(_library.absence()))
def test_an_unknown_instruction_set() -> None:
    with pytest.raises(_library.EngineError, match="NIFCONV_NATIVE=avx1024 is not an instruction set"):
        _library._load("avx1024")


@pytest.mark.parametrize("wanted", ["0", "avx1024", "baseline"])
def test_a_process_under_that_environment(wanted: str) -> None:
    program = "from nifconv.spectral.native._library import engine, absence; print(engine(), absence())"
    done = programs.run(program, NIFCONV_NATIVE=wanted)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    if wanted == "baseline" and _library.engine() is not None:
        assert "instruction_set='baseline'" in printed
    else:
        assert printed.startswith("None the native engine" if wanted == "0" else "None ")
