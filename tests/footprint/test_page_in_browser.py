"""How the page behaves in a browser."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from nifconv import footprint
from nifconv.footprint import LayerFootprint, Survey
from nifconv.frequency import offsets
from tests.footprint.surveys import EVIL, surveyed

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")


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
