"""The guide: every script runs, and the site lists every script and every public name."""

import re
import runpy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import nifconv
from experiments.guide.site.gallery import ORDER
from nifconv import footprint

GUIDE = Path(__file__).parents[2] / "experiments/guide"


@pytest.mark.parametrize("name", ORDER)
def test_script_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    mpl.use("agg")
    try:
        runpy.run_module(f"experiments.guide.{name}", run_name="__main__")
    finally:
        plt.close("all")
    assert capsys.readouterr().out


def test_every_script_has_a_place_in_the_guide() -> None:
    assert {path.stem for path in GUIDE.glob("[!_]*.py")} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_every_page_has_a_picture_of_its_own(name: str) -> None:
    assert re.search(r"\.plot\(|plt\.subplots", (GUIDE / f"{name}.py").read_text(encoding="utf-8"))


def test_the_reference_lists_every_public_name() -> None:
    listed = set(re.findall(r"^   (\w+)$", (GUIDE / "site/api.md").read_text(encoding="utf-8"), re.MULTILINE))
    modules = {"footprint", "frequency", "functional"}
    constants = {"MEASURES", "FilterFactory"} | {name for name in nifconv.__all__ if name.startswith("niff_")}
    assert {*nifconv.__all__, *footprint.__all__} - modules - constants - listed == set()
