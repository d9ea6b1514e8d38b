"""How the page behaves in a browser."""

import html
import json
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import footprint
from nifconv.footprint import LayerFootprint, Survey
from nifconv.frequency import offsets
from tests.footprint.surveys import EVIL, surveyed

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")


def many(count: int, side: int = 15, *, stages: int = 1, null: bool = False) -> Survey:
    """Layers of noise, which hardly compresses, under envelopes of many widths; figures have a row for each stage."""
    size = (side, side)
    distance = offsets(size).norm(dim=-1).float()
    taps = [torch.randn(8, 1, *size) * torch.exp(-distance / (1 + i * 7 % 31)) for i in range(count)]
    layers = [
        LayerFootprint(f"stage{i % 9}.block{i}", "Conv2d", size, taps[i], stage=f"stage{i % stages}")
        for i in range(count)
    ]
    if null:  # one for all, since what counts is that the page has its numbers
        statistics = {measure.name: torch.rand(20).double() for measure in footprint.MEASURES}
        band = torch.rand(3, len(layers[0].windows)).sort(0).values.double()
        layers = [replace(layer, null=footprint.NullDistribution(20, statistics, band)) for layer in layers]
    return Survey(tuple(layers), (), {"null": 20 if null else 0})


def in_browser(page: Path, folder: Path, script: str = "", options: Sequence[str] = ()) -> tuple[str, str]:
    """The document after `script` ran in it, and what the console said."""
    if script:
        page = page.rename(page.with_suffix(".scripted.html"))
        text = page.read_text()
        page.write_text(text.replace("</body>", f"<script>{{{script}}}</script></body>"))
    common = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command = [
        "chromium",
        *common,
        *options,
        f"--user-data-dir={folder}/profile",
        "--enable-logging=stderr",
        "--dump-dom",
    ]
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
    survey = many(200, side=31, stages=9, null=True)
    survey.to_html(tmp_path / "page.html")
    written = time.perf_counter() - start
    assert (tmp_path / "page.html").stat().st_size < 3e6
    script = """
      document.title = "loaded in " + performance.timing.domInteractive + " " + performance.timing.responseEnd;
    """
    document, console = in_browser(tmp_path / "page.html", tmp_path, script)
    assert console == ""
    assert document.count('<details class="box layer"') == 200
    interactive, received = map(int, re.search(r"loaded in (\d+) (\d+)", document).groups())
    # Not a benchmark: a page that draws every layer at once takes minutes to write and many seconds to open.
    assert written < 240
    assert interactive - received < 20_000


@pytest.fixture(scope="module")
def epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three surveys, of which the middle one has a name that tries to break out."""
    path = tmp_path_factory.mktemp("page") / "epochs.html"
    surveys = {name: surveyed(null=null) for name, null in (("before", 2), (EVIL, 0), ("after", 0))}
    fields = footprint.effective_receptive_field(nn.Conv2d(1, 4, 5, padding=2), torch.randn(1, 1, 12, 12))
    footprint.compare(surveys).to_html(path, fields=dict.fromkeys(surveys, fields))
    return path


@needs_chromium
def test_a_slider_chooses_the_other_side_of_a_comparison(epochs: Path, tmp_path: Path) -> None:
    script = """
      const slider = document.getElementById("slider"), table = document.getElementById("overview");
      const read = () => ({
        heads: [...table.tHead.rows[0].cells].slice(2, 6).map((cell) => cell.textContent.trim().replace(/ [↕↑↓]$/, "")),
        cells: [...table.tBodies[0].rows].map((row) => [...row.cells].slice(2, 5).map((cell) => cell.textContent)),
        says: slider.getAttribute("aria-valuetext"), shown: document.getElementById("side").textContent,
        sides: ["0", "1", "2"].filter((side) => document.querySelector(`[data-side="${side}"]:not([hidden])`)),
        seen: [...document.querySelectorAll("figure[data-side]")].filter((e) => e.checkVisibility()).length});
      slider.focus();
      const states = [[document.activeElement === slider, slider.type], read()];
      for (const value of [1, 0]) {
        slider.value = value; slider.dispatchEvent(new Event("input")); states.push(read());
      }
      const chosen = document.getElementById("measure");
      slider.value = 2; chosen.selectedIndex = 2; chosen.dispatchEvent(new Event("change")); states.push(read());
      document.body.replaceChildren(JSON.stringify(states).replaceAll("<", "&lt;"));
    """
    document, console = in_browser(copied(epochs, tmp_path), tmp_path, script)
    assert console == ""
    assert "taken" not in re.search(r"<title>(.*)</title>", document)[1]
    text = html.unescape(html.unescape(re.search(r"<body>(.*)</body>", document, re.DOTALL)[1]))
    focus, last, middle, first, radius = json.loads(text)
    assert focus == [True, "range"]  # which arrow keys move
    for state, name in ((last, "after"), (middle, EVIL), (first, "before"), (radius, "after")):
        assert state["says"] == state["shown"] == name
        assert state["heads"] == ["before", name, "change", f"z, {name}"]
    assert [state["sides"] for state in (last, middle, first)] == [["0", "2"], ["0", "1"], ["0"]]
    assert last["seen"] == middle["seen"] > first["seen"] > 0
    layers = many_layers(epochs)
    for row, sides in enumerate(layers):
        assert last["cells"][row] == [sides[0][1][1], sides[2][1][1], sides[2][1][3]]  # size 90 %
        assert radius["cells"][row] == [sides[0][2][1], sides[2][2][1], sides[2][2][3]]
        change = float(sides[2][2][0]) - float(sides[0][2][0])
        assert float(radius["cells"][row][2]) == pytest.approx(change, abs=0.006)
    assert first["cells"][0][2] == ""


@needs_chromium
def test_everything_has_a_name_and_is_reached_by_keyboard(epochs: Path, tmp_path: Path) -> None:
    script = """
      const all = (what) => [...document.querySelectorAll(what)], faults = [];
      const fault = (elements, name) => elements.forEach((e) => faults.push(name + ": " + e.outerHTML.slice(0, 90)));
      const ids = all("[id]").map((e) => e.id), missing = (id) => !document.getElementById(id);
      fault(all("[id]").filter((e) => ids.filter((id) => id === e.id).length > 1), "id twice");
      fault(all("a[href^='#']").filter((e) => missing(e.hash.slice(1))), "broken link");
      fault(all("[aria-labelledby]").filter((e) => missing(e.getAttribute("aria-labelledby"))), "no label");
      fault(all("img, [role=img]").filter((e) => !(e.alt || e.getAttribute("aria-label"))), "picture without text");
      fault(all("table").filter((e) => !e.caption || !e.caption.textContent.trim()), "table without caption");
      fault(all("th").filter((e) => !e.scope), "heading without scope");
      fault(all("input, select").filter((e) => !e.labels.length), "control without label");
      fault(all(".scroll").filter((e) => e.tabIndex !== 0 || !e.getAttribute("role")), "scrolls by mouse alone");
      fault(all("section").filter((e) => !e.hasAttribute("aria-labelledby")), "section without a name");
      fault(all("[title]"), "text in a tooltip alone");
      const levels = all("h1, h2, h3, h4").map((e) => Number(e.tagName[1]));
      fault(all("h1, h2, h3, h4").filter((e, i) => i && levels[i] > levels[i - 1] + 1), "level left out");
      const counts = ["header", "nav[aria-label]", "main", "footer", "h1"].map((e) => all(e).length);
      location.hash = "#layer-0";
      addEventListener("hashchange", () => {
        const layer = document.getElementById("layer-0");
        counts.push(layer.open, document.activeElement === layer.firstElementChild);
        document.body.replaceChildren(JSON.stringify([counts, faults]).replaceAll("<", "("));
      });
    """
    document, console = in_browser(copied(epochs, tmp_path), tmp_path, script)
    assert console == ""
    found = json.loads(html.unescape(re.search(r"<body>(.*)</body>", document, re.DOTALL)[1]))
    assert found == [[1, 1, 1, 1, 1, True, True], []]


@needs_chromium
def test_a_phone_scrolls_in_one_direction_and_text_has_contrast_in_the_dark(epochs: Path, tmp_path: Path) -> None:
    # A window cannot be as narrow as a phone; a frame can, and its document has that width.
    frame = html.escape(epochs.read_text(), quote=True)
    (tmp_path / "frame.html").write_text(f"""<body><iframe srcdoc="{frame}" style="width:360px; height:700px"></iframe>
    <script>addEventListener("load", () => {{
      const page = document.querySelector("iframe").contentDocument, view = page.defaultView;
      page.querySelectorAll("details").forEach((layer) => {{ layer.open = true; }});
      const linear = (c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
      const light = (color) => color.match(/[\\d.]+/g).slice(0, 3)
        .reduce((sum, c, i) => sum + linear(c / 255) * [.2126, .7152, .0722][i], 0);
      const contrast = (a, b) => (Math.max(light(a), light(b)) + .05) / (Math.min(light(a), light(b)) + .05);
      const style = (what) => view.getComputedStyle(page.querySelector(what));
      const between = (ink, ground) => contrast(style(ink).color, style(ground).backgroundColor);
      const pairs = [["body", "body"], [".soft", "body"], [".warning", ".warning"],
        ...["body", ".soft", "main a", "th", "figcaption"].map((what) => [what, ".box"])];
      const least = Math.min(...pairs.map(([ink, ground]) => between(ink, ground)));
      const width = page.documentElement.scrollWidth;
      document.body.replaceChildren(JSON.stringify([width, light(style("body").backgroundColor), least]));
    }});</script></body>""")
    for options, dark in (([], False), (["--blink-settings=preferredColorScheme=0"], True)):
        document, console = in_browser(tmp_path / "frame.html", tmp_path, options=options)
        assert console == ""
        width, brightness, contrast = json.loads(re.search(r"<body>(.*)</body>", document, re.DOTALL)[1])
        assert width <= 360
        assert (brightness < 0.1) == dark
        assert contrast >= 4.5  # WCAG 2, level AA


def copied(page: Path, folder: Path) -> Path:
    return Path(shutil.copy(page, folder / "page.html"))


def many_layers(page: Path) -> list[Any]:
    """The numbers of a comparison, as the page has them for its script."""
    return json.loads(re.search(r'id="sides-data">(.*)</script>', page.read_text())[1])["layers"]
