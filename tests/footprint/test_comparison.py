"""Surveys side by side: as data, as figures and on a page."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import footprint
from tests.footprint.surveys import surveyed


def test_a_comparison_shows_the_change_from_the_first_survey(tmp_path: Path) -> None:
    conv, x = nn.Conv2d(1, 1, 5), torch.randn(1, 1, 9, 9)
    nn.init.ones_(conv.weight)
    before = footprint.survey(conv, x)
    with torch.no_grad():
        conv.weight[..., 2, 2] = 1000.0
    both = footprint.compare({"before": before, "after": footprint.survey(conv, x)})
    both.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert ">5<small></small></td>" in page  # 90 % of a flat 5 x 5 kernel
    assert ">1<small>-4</small></td>" in page
    radius, other = (survey.layers[0].statistic("rms_radius") for survey in both.surveys.values())
    assert f">{other:.2f}<small>{other - radius:+.2f}</small>" in page
    before.to_html(tmp_path / "one.html")
    assert "<small>" not in (tmp_path / "one.html").read_text()


def test_a_comparison_as_data() -> None:
    both = footprint.compare({"before": surveyed(), "after": surveyed(null=2)})
    assert both.to_dict()["after"]["settings"]["null"] == 2
    lines = both.to_csv().splitlines()
    assert lines[0].startswith("survey,name,")
    assert len(lines) == 5
    for kind in ("depth", "mass"):
        both.plot(kind)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: footprint.compare([surveyed()]), TypeError, "surveys=list must be a mapping of names to surveys"),
        (
            lambda: footprint.compare(dict.fromkeys("a")),
            TypeError,
            "surveys=dict must be a mapping of names to surveys",
        ),
        (lambda: footprint.compare({"a": surveyed()}), ValueError, r"surveys=\['a'\] has 1 entries; give two or more"),
        (
            lambda: footprint.compare({"a": surveyed(), "b": surveyed()}).plot("kernels"),
            ValueError,
            "kind='kernels' is unknown; use one of 'depth', 'mass'",
        ),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
