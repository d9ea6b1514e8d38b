"""Reports from templates."""

from pathlib import Path

import jinja2
import pytest

from experiments.study.judge import spread
from experiments.study.report import head, p_value, percent, render, with_error


def test_templates_see_values_functions_and_shared_parts(tmp_path: Path) -> None:
    template = tmp_path / "REPORT.md.j2"
    template.write_text('{% import "parts.md.j2" as parts %}\n{{ share | percent }} %\n\n{{ parts.command("m") }}\n')
    expected = (
        "12.5 %\n\nRun it: `python -m m`. With `--redraw` it only rewrites report and figures from results.json.\n"
    )
    assert render(template, share=0.125) == expected


def test_a_misspelt_value_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "REPORT.md.j2").write_text("{{ data.acuracy }}")
    with pytest.raises(jinja2.UndefinedError, match="acuracy"):
        render(tmp_path / "REPORT.md.j2", data={"accuracy": 1})


def test_numbers_in_words() -> None:
    values = spread([0.1, 0.2, 0.6])
    assert with_error(values, 100) == "30.0 ± 15.3"
    assert with_error(values, 100, 0, "+") == "+30 ± 15"
    assert percent(0.1234, 2) == "12.34"
    assert [p_value(p) for p in (0.0009, 0.0421, 1.0)] == ["< .001", ".042", "1.000"]
    assert head(["a", "b", "c"], 2) == "| a | b | c |\n| --- | --- | ---: |"
