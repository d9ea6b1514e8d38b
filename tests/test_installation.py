"""What is installed where there is no compiler: everything but the native engine."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", ["bdist_wheel", "editable_wheel"])  # of `pip install .` and `pip install -e .`
def test_installs_without_a_compiler(command: str, tmp_path: Path) -> None:
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs the source tree")
    shutil.copytree(ROOT / "nifconv", tmp_path / "nifconv", ignore=shutil.ignore_patterns("*.bin", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    environment = {**os.environ, "CC": "no-such-compiler", "CXX": "no-such-compiler"}
    done = subprocess.run(
        [sys.executable, "setup.py", command, "--dist-dir", "wheels"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "no-such-compiler" in done.stdout + done.stderr
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    assert "-py3-none-" in wheel.name or command == "editable_wheel"
    names = zipfile.ZipFile(wheel).namelist()
    assert not any(name.endswith("_engine.bin") for name in names)
    if command == "bdist_wheel":
        assert "nifconv/spectral/native/_library.py" in names
        zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = "import nifconv.spectral.native as n; print(n.__file__, n.engine(), n.absence())"
    folder = tmp_path / "installed" if command == "bdist_wheel" else tmp_path
    printed = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert printed.stdout.startswith(str(folder)), printed.stdout
    assert "None the native engine was not built" in printed.stdout
