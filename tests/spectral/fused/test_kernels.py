"""Forward and backward kernels against float64, run by Triton's interpreter; see `interpreted` for what it can see."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.spectral.fused.interpreted import CASES, USES, Case

# The interpreter of Triton 3.4 cannot permute pairs.
pytest.importorskip("triton", minversion="3.5")

_LIMITS = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 2.5e-3}
_PROGRAM = Path(__file__).with_name("interpreted.py")


@pytest.fixture(scope="module")
def output() -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(_PROGRAM.parents[3]), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, str(_PROGRAM)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def errors(output: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {row["name"]: row["errors"] for row in output["cases"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_and_gradients_are_those_of_float64(case: Case, errors: dict[str, dict[str, float]]) -> None:
    wanted = (True, *case.wants)
    assert list(errors[case.name]) == [name for name, wants in zip(("y", "dx", "dh"), wanted, strict=True) if wants]
    for name, error in errors[case.name].items():
        assert error <= _LIMITS[case.dtype], f"{name} is off by {error:.1e}"


@pytest.mark.parametrize("use", USES)
def test_the_operator_does_with_them_what_it_does_by_torch_fft(use: str, output: dict[str, Any]) -> None:
    assert output["operator"]["proven"]
    assert output["operator"]["errors"][use] <= (2.5e-3 if use == "autocast" else 5e-6)


def test_the_suite_itself_is_not_interpreted() -> None:
    import triton

    assert not triton.knobs.runtime.interpret
