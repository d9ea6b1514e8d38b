"""The page: what it holds, what it must not do, and how it behaves in a browser."""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, footprint
from nifconv.footprint import LayerFootprint, Survey
from nifconv.footprint.page import _svg
from nifconv.frequency import offsets

EVIL = '<script>document.title="taken"</script>"\'&$x$'
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")


def evil_model() -> nn.Module:
    model = nn.Sequential()
    model._modules[EVIL] = nn.Conv2d(1, 4, 5)
    model._modules["</details><img src=x onerror=alert(1)>"] = FrequencyConv2d(4, 4, groups=4)
    model._modules["idle"] = nn.Identity()
    return model


def surveyed(null: int = 0) -> Survey:
    return footprint.survey(evil_model(), torch.randn(1, 1, 12, 12), null=null)


def many(count: int) -> Survey:
    distance = offsets((15, 15)).norm(dim=-1).float()
    taps = [torch.randn(8, 1, 15, 15) * torch.exp(-distance / (1 + i * 7 % 31)) for i in range(count)]
    layers = [
        LayerFootprint(f"stage{i % 9}.block{i}", "Conv2d", (15, 15), taps[i], stage=f"stage{i % 9}")
        for i in range(count)
    ]
    return Survey(tuple(layers), (), {"null": 0})


def in_browser(page: Path, folder: Path, script: str = "") -> tuple[str, str]:
    """The document after `script` ran in it, and what the console said."""
    if script:
        page = page.rename(page.with_suffix(".scripted.html"))
        text = page.read_text()
        page.write_text(text.replace("</body>", f"<script>{{{script}}}</script></body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command = ["chromium", *options, f"--user-data-dir={folder}/profile", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run([*command, page.resolve().as_uri()], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


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
    assert "is not learned reach if re-initialised layers have it too" in page


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
    assert "<h2>Layers</h2>" in (tmp_path / "page.html").read_text()


def test_receptive_fields_are_shown(tmp_path: Path) -> None:
    conv, x = nn.Conv2d(1, 1, 3, padding=1), torch.randn(1, 1, 12, 12)
    fields = footprint.effective_receptive_field(conv, x, sizes=[8, 12])
    footprint.survey(conv, x).to_html(tmp_path / "page.html", fields=fields)
    page = (tmp_path / "page.html").read_text()
    assert "<td>8 x 8</td>" in page
    assert "<td>12 x 12</td>" in page


def test_the_picture_of_a_kernel_has_its_pixels() -> None:
    kernel = torch.tensor([[1.0, 0.0, -1.0], [0.5, -0.5, 2.0]]) * 3
    image = Image.open(io.BytesIO(_svg.png(kernel)))
    assert (image.format, image.size) == ("PNG", (3, 2))
    colors = torch.from_numpy(np.array(image.convert("RGB"))).int()
    # Full colour at the largest weight, 6: dark red and blue; zero is the lightest.
    expected = torch.from_numpy(mpl.colormaps["RdBu_r"]((kernel.numpy() + 6) / 12, bytes=True)[..., :3].copy()).int()
    assert_close(colors, expected, atol=3, rtol=0)
    assert colors[0, 1].tolist() == [0xF7, 0xF7, 0xF7]
    assert colors[1, 2].tolist() == [0x67, 0x00, 0x1F]


def test_weights_that_are_not_finite_are_white_in_the_picture() -> None:
    kernel = torch.tensor([[1.0, torch.nan, -1.0]])
    image = Image.open(io.BytesIO(_svg.png(kernel))).convert("RGB")
    assert image.getpixel((1, 0)) == (0xF7, 0xF7, 0xF7)


@needs_chromium
def test_the_page_opens_without_errors_and_evil_names_do_no_harm(tmp_path: Path) -> None:
    surveyed(null=2).to_html(tmp_path / "page.html", title="harmless")
    document, console = in_browser(tmp_path / "page.html", tmp_path)
    assert console == ""
    assert "<title>harmless</title>" in document
    assert document.count('<details class="box layer"') == 2


@needs_chromium
def test_a_click_sorts_and_a_second_one_turns_it_round(tmp_path: Path) -> None:
    survey = many(30)
    survey.to_html(tmp_path / "page.html")
    script = """
      const heads = [...document.querySelectorAll("#overview thead th")];
      const read = (name) => {
        const at = heads.findIndex((head) => head.textContent.startsWith(name));
        const click = () => heads[at].querySelector("button").click();
        const column = () => [...document.querySelectorAll("#overview tbody tr")].map((row) =>
          row.cells[at].dataset.v === undefined ? row.cells[at].textContent : Number(row.cells[at].dataset.v));
        click(); const first = column(); const up = heads[at].getAttribute("aria-sort");
        click(); return [up, first, heads[at].getAttribute("aria-sort"), column()];
      };
      const search = document.getElementById("filter");
      search.value = "BLOCK7"; search.dispatchEvent(new Event("input"));
      const left = [...document.querySelectorAll("#overview tbody tr")].filter((row) => !row.hidden).length;
      document.body.replaceChildren(JSON.stringify([read("layer"), read("rms radius"), left]));
    """
    document, console = in_browser(tmp_path / "page.html", tmp_path, script)
    assert console == ""
    by_name, by_radius, left = json.loads(re.search(r"<body>(.*)</body>", document, re.DOTALL)[1])
    expected = sorted((layer.name for layer in survey.layers), key=lambda n: [int(d) for d in re.findall(r"\d+", n)])
    assert by_name == ["ascending", expected, "descending", expected[::-1]]
    up, rising, down, falling = by_radius
    assert (up, down) == ("ascending", "descending")
    assert rising == sorted(rising)
    assert len(set(rising)) > 20
    assert falling == rising[::-1]
    assert left == 1


@needs_chromium
def test_two_hundred_layers_stay_small_and_open_at_once(tmp_path: Path) -> None:
    start = time.perf_counter()
    many(200).to_html(tmp_path / "page.html")
    written = time.perf_counter() - start
    assert (tmp_path / "page.html").stat().st_size < 10e6
    script = """
      document.title = "loaded in " + performance.timing.domInteractive + " " + performance.timing.responseEnd;
    """
    document, console = in_browser(tmp_path / "page.html", tmp_path, script)
    assert console == ""
    assert document.count('<details class="box layer"') == 200
    interactive, received = map(int, re.search(r"loaded in (\d+) (\d+)", document).groups())
    # Not a benchmark: a page that draws every layer at once takes minutes to write and many seconds to open.
    assert written < 120
    assert interactive - received < 20_000


@needs_chromium
def test_a_comparison_shows_both_in_every_table(tmp_path: Path) -> None:
    before, after = surveyed(null=2), surveyed()
    both = footprint.compare({"before": before, EVIL: after})
    both.to_html(tmp_path / "page.html")
    document, console = in_browser(tmp_path / "page.html", tmp_path)
    assert console == ""
    assert document.count("<tr><td data-v") + document.count("<tr>\n<td data-v") == 4
    assert document.count('<details class="box layer"') == 2
    assert "taken" not in re.search(r"<title>(.*)</title>", document)[1]


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


def test_without_jinja2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pages need jinja2; install it with: pip install 'nifconv\[report\]'"):
        surveyed().to_html(tmp_path / "page.html")


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
