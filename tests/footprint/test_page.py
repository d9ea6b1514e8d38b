"""The page: what it holds, and what it must not do."""

import base64
import io
import re
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, footprint
from nifconv.footprint.page import _rows, _svg
from tests.footprint.surveys import EVIL, surveyed

RED, BLUE = (0x67, 0x00, 0x1F), (0x05, 0x30, 0x61)


def test_the_page_needs_no_other_file_and_says_what_made_it(tmp_path: Path) -> None:
    surveyed(null=2).to_html(tmp_path / "page.html", title="A & B")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>A &amp; B</title>" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert not re.search(r"https?://|@import|<link", page)
    for key, value in (("null", 2), ("seed", 0), ("torch", torch.__version__)):
        assert f"<dt>{key}</dt><dd>{value}</dd>" in page
    for measure in footprint.MEASURES:
        assert f"<dt>{measure.label}" in page
    assert "learned\nreach if re-initialised layers have it too" in page


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    surveyed(null=2).to_html(tmp_path / "page.html", title=EVIL)
    page = (tmp_path / "page.html").read_text()
    assert "<script>document.title" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;document.title" in page


def test_values_are_those_of_the_survey(tmp_path: Path) -> None:
    survey = surveyed(null=3)
    survey.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for layer in survey.layers:
        median = layer.values("rms_radius").quantile(0.5).item()
        assert f'data-v="{median!r}">{median:.2f}<' in page
        z = layer.null.effect("rms_radius", layer.statistic("rms_radius")).z
        assert f'data-v="{z!r}"' in page


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_kernels_of_zeros_and_of_every_dimension_have_a_page(tmp_path: Path, ndim: int) -> None:
    layer = {1: FrequencyConv1d, 2: FrequencyConv2d, 3: FrequencyConv3d}[ndim]
    plain = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[ndim](2, 1, 3, padding=1)
    nn.init.zeros_(plain.weight)
    survey = footprint.survey(nn.Sequential(layer(1, 2), plain), torch.randn(1, 1, *(6, 5, 4)[:ndim]), null=2)
    survey.to_html(tmp_path / "page.html")
    assert "nan" not in re.sub(r"base64,[^\"]*", "", (tmp_path / "page.html").read_text()).lower()


def test_a_model_without_convolutions_has_a_page(tmp_path: Path) -> None:
    footprint.survey(nn.Linear(2, 2), torch.randn(1, 2)).to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert ">Layers</h2>" in page
    assert "There is no kernel to measure." in page


def test_receptive_fields_are_shown(tmp_path: Path) -> None:
    conv, x = nn.Conv2d(1, 1, 3, padding=1), torch.randn(1, 1, 12, 12)
    fields = footprint.effective_receptive_field(conv, x, sizes=[8, 12])
    footprint.survey(conv, x).to_html(tmp_path / "page.html", fields=fields)
    page = (tmp_path / "page.html").read_text()
    assert "<td>8 x 8</td>" in page
    assert "<td>12 x 12</td>" in page
    assert f"<td>{100 * fields[1].gaussian:.0f} %</td>" in page
    assert "on inputs of 8 x 8 pixels." in page
    footprint.survey(conv, x).to_html(tmp_path / "over.html", fields=fields[:1], image=x[0])
    assert "on inputs of 8 x 8 pixels, over an input." in (tmp_path / "over.html").read_text()


@pytest.mark.parametrize(
    ("copies", "says"), [(2, "of too few copies to be evidence"), (19, "red where it is evidence")]
)
def test_few_copies_are_said_to_be_no_evidence(tmp_path: Path, copies: int, says: str) -> None:
    survey = footprint.survey(nn.Conv2d(1, 1, 3), torch.randn(1, 1, 8, 8), null=copies)
    survey.to_html(tmp_path / "page.html")
    assert f"z is the distance from the null distribution, {says}." in (tmp_path / "page.html").read_text()
    assert ("z is not evidence, however large: use 19 or more" in str(survey)) == (copies < 19)


def test_large_kernels_are_cut_on_a_page_of_many_and_then_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = footprint.LayerFootprint("a", "Conv2d", (40, 40), torch.randn(3, 3, 40, 40))
    whole, cut = _svg.gallery(layer, "a", 8, 10_000), _svg.gallery(layer, "a", 2, 20**2)
    assert (whole.count, whole.half, whole.cut) == (8, 20, False)
    assert (cut.count, cut.half, cut.cut) == (2, 9, True)
    assert cut.true.count("<svg") == cut.zoom.count("<svg") == 2
    monkeypatch.setattr(_rows, "_PIXELS", 4 * 41**2)
    (section,) = _rows.sections({"a": [layer]})
    assert section["rows"][0]["gallery"].count == 4
    monkeypatch.setattr(_rows, "_PIXELS", 41**2 // 2)
    (section,) = _rows.sections({"a": [layer]})
    assert (section["rows"][0]["gallery"].count, section["rows"][0]["gallery"].cut) == (1, True)


def test_each_window_shows_its_own_kernel() -> None:
    taps = torch.zeros(2, 1, 4, 4)
    taps[0, 0, 2, 2], taps[1, 0, 0, 3] = 5.0, -1.0  # the stronger one has its weight at the centre
    found = _svg.gallery(footprint.LayerFootprint("a", "Conv2d", (4, 4), taps), "a", 8, 100)
    data = base64.b64decode(re.search(r"base64,([^\"]*)", found.definitions)[1])
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert image.size == (10, 5)  # two tiles of 5 pixels, in which an even kernel is centred
    red, blue = ([(x, y) for x in range(10) for y in range(5) if image.getpixel((x, y)) == c] for c in (RED, BLUE))
    assert (red, blue) == ([(2, 2)], [(8, 0)])
    assert re.findall(r'viewBox="([^"]*)"', found.true) == ["0 0 5 5", "5 0 5 5"]


def test_the_picture_of_a_kernel_has_its_pixels() -> None:
    kernel = torch.tensor([[1.0, 0.0, -1.0], [0.5, -0.5, 2.0]]) * 3
    image = Image.open(io.BytesIO(_svg.png(kernel / 6)))
    assert (image.format, image.size) == ("PNG", (3, 2))
    colors = torch.from_numpy(np.array(image.convert("RGB"))).int()
    # Full colour at the largest weight, 6: dark red and blue; zero is the lightest.
    expected = torch.from_numpy(mpl.colormaps["RdBu_r"]((kernel.numpy() + 6) / 12, bytes=True)[..., :3].copy()).int()
    assert_close(colors, expected, atol=4, rtol=0)
    assert colors[0, 1].tolist() == [0xF7, 0xF7, 0xF7]
    assert colors[1, 2].tolist() == [0x67, 0x00, 0x1F]


def test_weights_that_are_not_finite_are_white_in_the_picture() -> None:
    kernel = torch.tensor([[1.0, torch.nan, -1.0]])
    image = Image.open(io.BytesIO(_svg.png(kernel))).convert("RGB")
    assert image.getpixel((1, 0)) == (0xF7, 0xF7, 0xF7)


def test_without_jinja2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pages need jinja2; install it with: pip install 'nifconv\[report\]'"):
        surveyed().to_html(tmp_path / "page.html")
