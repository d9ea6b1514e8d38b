"""Surveys side by side: as data, as figures and on a page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import footprint
from nifconv.footprint.measures import HEADLINE
from tests.footprint.surveys import surveyed


def test_a_comparison_shows_both_sides_and_the_change_from_the_first(tmp_path: Path) -> None:
    conv, x = nn.Conv2d(1, 1, 5), torch.randn(1, 1, 9, 9)
    nn.init.ones_(conv.weight)
    before = footprint.survey(conv, x)
    with torch.no_grad():
        conv.weight[..., 2, 2] = 1000.0
    both = footprint.compare({"before": before, "after": footprint.survey(conv, x)})
    both.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    # 90 % of a flat 5 x 5 kernel, then of one with a peak.
    assert '<td data-v="5.0">5</td>\n<td data-v="1.0">1</td>\n<td data-v="-4.0">-4</td>' in page
    for label in ("before", "after", "change", "z, after"):
        assert f'<th scope="col"><button>{label}</button></th>' in page
    assert "From “before” to “after”" in page
    radius, other = (survey.layers[0].statistic("rms_radius") for survey in both.surveys.values())
    assert f"<td>{other:.2f}</td><td>{other - radius:+.2f}</td>" in page
    before.to_html(tmp_path / "one.html")
    assert "change</" not in (tmp_path / "one.html").read_text()


def test_a_layer_that_one_side_lacks_has_no_change(tmp_path: Path) -> None:
    x, first = torch.randn(1, 1, 9, 9), nn.Conv2d(1, 1, 3, padding=1)
    short, long = (footprint.survey(nn.Sequential(*layers), x) for layers in ([first], [first, nn.Conv2d(1, 1, 5)]))
    footprint.compare({"short": short, "long": long}).to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    both, added = json.loads(re.search(r'id="sides-data">(.*)</script>', page)[1])["layers"]
    size90 = list(HEADLINE).index("size90")
    assert [side[size90][:4] for side in both] == [["3.0", "3", "", ""], ["3.0", "3", "0.0", "0"]]
    assert added[0] is None
    assert added[1][size90] == ["5.0", "5", "", "", "", "", False]
    assert '<td data-v="">-</td>\n<td data-v="5.0">5</td>\n<td data-v=""></td>' in page


def test_fields_have_the_names_of_their_surveys_or_none(tmp_path: Path) -> None:
    x, conv = torch.randn(1, 1, 9, 9), nn.Conv2d(1, 1, 3, padding=1)
    both = footprint.compare(dict.fromkeys(("a", "b"), footprint.survey(conv, x)))
    fields = footprint.effective_receptive_field(conv, x)
    both.to_html(tmp_path / "named.html", fields={"b": fields})
    page = (tmp_path / "named.html").read_text()
    assert '<td class="text name">b</td><th scope="row" class="text name">output</th>' in page
    assert "<strong>Receptive field of the output, b.</strong>" in page
    assert 'data-side="1">\n<div class="pan"' in page
    assert "Effective receptive field of the output (b) on inputs of 9 x 9 pixels." in page
    both.to_html(tmp_path / "plain.html", fields=fields)
    assert "<strong>Receptive field of the output.</strong>" in (tmp_path / "plain.html").read_text()


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
