"""Templates, and numbers as reports write them."""

from pathlib import Path

import jinja2
import pytest
import torch

from experiments.study import hits
from experiments.study.report import by_seed, cell, head, in_unit, p_value, render, unstable, with_interval

POINTS = {"scale": 100, "unit": "points"}
ROW = {
    "name": "a",
    "parameters": 12345,
    "runs": [
        {"hits": hits.pack(torch.tensor(right)), "size": n} for n, right in enumerate([[True, False], [True, True]])
    ],
}


def test_templates_see_values_functions_and_shared_parts(tmp_path: Path) -> None:
    template = tmp_path / "REPORT.md.j2"
    template.write_text('{% import "parts.md.j2" as parts %}\n{{ p | p_value }}\n\n{{ parts.command(data) }}\n')
    expected = (
        ".012\n\nRun it: `python -m experiments.studies.reach`; it took 2 minutes on one core. With `--redraw` it only "
        "rewrites report and figure from results.json.\n"
    )
    assert render(template, p=0.012, data={"experiment": "reach", "seconds": 119}) == expected


def test_a_misspelt_value_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "REPORT.md.j2").write_text("{{ data.acuracy }}")
    with pytest.raises(jinja2.UndefinedError, match="acuracy"):
        render(tmp_path / "REPORT.md.j2", data={"accuracy": 1})


def test_estimates_have_digits_that_their_intervals_deserve() -> None:
    def shown(low: float, middle: float, high: float) -> str:
        return with_interval({"low": low, "estimate": middle, "high": high}, POINTS)

    assert shown(-0.0574, -0.037, -0.0171) == "-3.7 [-5.7, -1.7] points"
    assert shown(-0.21, 0.0312, 0.25) == "+3 [-21, 25] points"
    assert shown(-0.0031, -0.00001, 0.0029) == "+0.00 [-0.31, 0.29] points"
    assert in_unit(0.02, POINTS) == "+2 points"
    assert in_unit(0.5, {"scale": 1, "unit": ""}, sign="") == "0.5"


def test_cells_are_facts_or_means_over_seeds() -> None:
    assert by_seed(ROW, "hits") == [0.5, 1.0]
    assert cell(ROW, "hits") == "75.0 ± 35.4"
    assert cell(ROW, "size") == "0.50 ± 0.71"
    assert cell(ROW, "parameters") == "12,345"
    assert cell(ROW, "nothing") == ""


def test_nets_that_fail_with_some_seeds_are_named() -> None:
    rows = [
        {"name": "steady", "runs": [{"hits": 0.8}, {"hits": 0.85}]},
        {"name": "failing", "runs": [{"hits": 0.8}, {"hits": 0.04}]},
        {"name": "one", "runs": [{"hits": 0.8}]},
        {"name": "without", "runs": [{"size": 3.0}, {"size": 9.0}]},
    ]
    assert unstable(rows) == ["failing"]


def test_numbers_in_words() -> None:
    assert [p_value(p) for p in (0.0009, 0.0421, 1.0)] == ["< .001", ".042", "1.000"]
    assert head(["a", "b", "c"], 2) == "| a | b | c |\n| --- | --- | ---: |"
