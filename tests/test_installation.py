"""What is installed: the version that git has, and where there is no compiler everything but the native engine."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests import programs

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
    if command == "editable_wheel":  # by a path, which type checkers follow, and not by an import hook
        (link,) = (name for name in names if name.endswith(".pth"))
        assert Path(zipfile.ZipFile(wheel).read(link).decode().strip()) == tmp_path
    else:
        assert "nifconv/spectral/native/_library.py" in names
        assert "nifconv/py.typed" in names
        zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = "import nifconv.spectral.native as n; print(n.__file__, n.engine(), n.absence())"
    folder = tmp_path / "installed" if command == "bdist_wheel" else tmp_path
    printed = programs.run(program, folder=folder)
    assert printed.stdout.startswith(str(folder)), printed.stdout + printed.stderr
    assert "None the native engine was not built" in printed.stdout


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What setup.py reads to say the version, outside any repository."""
    if not (ROOT / "setup.py").exists() or shutil.which("git") is None:
        pytest.skip("needs the source tree and git")
    shutil.copytree(ROOT / "nifconv/spectral/native", tmp_path / "nifconv/spectral/native")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def version(folder: Path, path: str | None = None) -> str:
    environment = os.environ if path is None else {**os.environ, "PATH": path}
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_version_is_that_of_the_last_tag(sources: Path) -> None:
    untagged = version(sources)
    assert Version(untagged).is_devrelease
    git(sources, "init", "-q")
    git(sources, "add", ".")
    git(sources, "commit", "-q", "-m", "first")
    git(sources, "tag", "not-a-version")
    assert version(sources) == untagged
    git(sources, "tag", "v1.2.3")
    assert version(sources) == "1.2.3"
    assert version(sources, path="") == untagged  # git is not found
    git(sources, "commit", "-q", "--allow-empty", "-m", "second")
    later = version(sources)
    assert later == f"1.2.4.dev1+g{git(sources, 'rev-parse', '--short', 'HEAD')}"
    assert Version("1.2.3") < Version(later) < Version("1.2.4")
    (sources / "README.md").write_text("changed")
    assert version(sources) == f"{later}.dirty"
    git(sources, "tag", "-f", "v1.2.4")
    assert Version(version(sources)).is_devrelease  # what was changed since is not the release
    # An sdist says its version itself, wherever it is unpacked.
    (sources / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: nifconv\nVersion: 3.0\n\nVersion: 9")
    assert version(sources) == "3.0"


def test_a_repository_around_the_sources_does_not_give_the_version(sources: Path, tmp_path: Path) -> None:
    git(sources, "init", "-q")
    inner = tmp_path / "vendored"
    inner.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "nifconv"):
        (sources / name).rename(inner / name)
    git(sources, "add", ".")
    git(sources, "commit", "-q", "-m", "of the other project")
    git(sources, "tag", "v7.0.0")
    assert Version(version(inner)) < Version("1")


def test_extras_that_are_named_exist() -> None:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("needs the source tree")
    section = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    known = re.findall(r"^(\w+) = \[", section, re.MULTILINE)
    texts = [path.read_text() for room in ("nifconv", "experiments") for path in (ROOT / room).rglob("*.py")]
    named = {
        extra for text in texts for found in re.findall(r"nifconv\[([\w,]+)\]", text) for extra in found.split(",")
    }
    assert {"report", "tensorboard"} <= named <= set(known)


def requirements() -> list[Requirement]:
    """All that pyproject.toml names."""
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("needs the source tree")
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = content["project"]
    parts = [content["build-system"]["requires"], project["dependencies"], *project["optional-dependencies"].values()]
    return [one for part in parts for one in map(Requirement, part) if one.name != "nifconv"]


def test_the_oldest_that_are_tested_are_the_lower_bounds() -> None:
    unused = {"tensorboard", "sphinx", "sphinx-gallery", "myst-parser", "build", "ruff", "mypy", "import-linter"}
    lines = (ROOT / "tests" / "oldest.txt").read_text().splitlines()[1:]
    pinned = {name: Version(version).release for name, version in (line.split("==") for line in lines)}
    bounds = {one.name: Version(next(iter(one.specifier)).version).release for one in requirements() if one.specifier}
    assert {"torch", "numpy", "setuptools", "pytest"} <= bounds.keys()
    tested = {name: bound for name, bound in bounds.items() if name not in unused}
    assert {name: pinned.get(name, ())[: len(bound)] for name, bound in tested.items()} == tested


def test_the_licences_of_all_dependencies_are_listed() -> None:
    listed = (ROOT / "CONTRIBUTING.md").read_text().split("## Licences")[1].split("\n## ")[0]
    words = set(re.findall(r"[\w-]+", listed))
    assert {one.name for one in requirements()} <= words
