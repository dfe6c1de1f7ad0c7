"""The report and the comparison in a real browser, from disk: no error, no request elsewhere, players, map, print."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clapline.chapter import Chapter, audio, figure, plot, table, text, write_chapter
from clapline.storage import write_json
from stages.report.__main__ import main
from stages.report.chapters import STAGES
from tests.browser import DESKTOP, PHONE, needs_chromium, watched_page
from tests.stages.report.test_compare import call, run_folder

pytestmark = needs_chromium
SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 20'><rect width='40' height='20' fill='teal'/></svg>"
POINTS = 3000


def sound() -> bytes:
    data = io.BytesIO()
    wave = 0.2 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    soundfile.write(data, wave.astype(np.float32), 16000, format="FLAC")
    return data.getvalue()


def map_figure() -> dict:
    rng = np.random.default_rng(0)
    words = [f"caption {row}" for row in range(100)]
    places = rng.normal(size=(POINTS // 100, 2, 100)).round(3).tolist()
    traces = [
        {"type": "scatter", "mode": "markers", "name": f"topic {topic}", "x": x, "y": y, "text": words}
        for topic, (x, y) in enumerate(places)
    ]
    return {"data": traces, "layout": {"hovermode": "closest", "showlegend": False}}


@pytest.fixture
def report(tmp_path, monkeypatch) -> Path:
    """A report with every kind of block, wide tables among them; return the page's address."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps({"seed": 0, "report": {"title": "A run"}}), encoding="utf-8")
    for stage in STAGES:
        folder = Path("reports") / stage
        folder.mkdir(parents=True)
        (folder / "a.svg").write_text(SVG, encoding="utf-8")
        (folder / "a.flac").write_bytes(sound())
        (folder / "map.json").write_text(json.dumps(map_figure()), encoding="utf-8")
        wide = table("a wide table", [f"column {place}" for place in range(14)], [[0.5] * 14] * 3)
        blocks = [text("Words."), wide, figure("a figure", "a.svg"), audio("a clip", "a.flac")]
        if stage == "topics":
            blocks.append(plot("a map", "map.json", "a.svg"))
        write_chapter(folder, Chapter(f"The {stage}", blocks))
    both = {"toy": {"t2a": {"map10": 0.4}}}
    write_json("reports/metrics.json", {"student": both, "teacher": both})
    main()
    return tmp_path / "reports/index.html"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_from_disk(report, size, scheme):
    with watched_page(size, scheme) as watched:
        page = watched.page
        page.goto(report.as_uri())
        assert page.title() == "A run"
        # Tables scroll in themselves: the page never scrolls sideways.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        headline = page.locator("[aria-label='Student and teacher']")
        assert size == PHONE or headline.evaluate("table => table.scrollWidth <= table.clientWidth")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"}[scheme]
        watched.wait_for("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        page.evaluate("document.querySelector('audio').play()")
        watched.wait_for("document.querySelector('audio').currentTime > 0.1")
        assert page.evaluate("Math.abs(document.querySelector('audio').duration - 1) < 0.01")
        assert watched.errors == []
        assert watched.asked_elsewhere() == []


def test_the_map_is_drawn_when_it_is_seen_and_answers(report):
    with watched_page() as watched:
        page = watched.page
        page.goto(report.as_uri())
        assert page.locator(".moving[data-drawn]").count() == 0
        assert page.locator(".plot img").is_visible()
        page.locator("#topics .plot").scroll_into_view_if_needed()
        watched.wait_for("document.querySelectorAll('.moving[data-drawn]').length === 1")
        assert not page.locator(".plot img").is_visible()
        assert page.locator(".moving .scatterlayer .trace").count() == POINTS // 100
        place = page.locator(".moving .scatterlayer .point").nth(POINTS // 2).bounding_box()
        page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2, steps=3)
        watched.wait_for("document.querySelector('.hovertext')?.textContent.includes('caption ')")
        page.emulate_media(color_scheme="dark")
        watched.wait_for("document.querySelector('.moving').layout.paper_bgcolor === '#14181f'")
        assert watched.errors == []
        assert watched.asked_elsewhere() == []


def test_in_print_the_still_stands_for_the_map_and_players_go(report):
    with watched_page() as watched:
        page = watched.page
        page.goto(report.as_uri())
        page.locator("#topics .plot").scroll_into_view_if_needed()
        watched.wait_for("document.querySelectorAll('.moving[data-drawn]').length === 1")
        page.emulate_media(media="print")
        assert page.locator(".plot img").is_visible()
        assert not page.locator(".moving").is_visible()
        assert not page.locator("audio").first.is_visible()
        assert not page.locator("nav").is_visible()


def test_without_scripts_nothing_is_missing(report):
    with watched_page(java_script_enabled=False) as watched:
        watched.page.goto(report.as_uri())
        assert watched.page.locator(".plot img").is_visible()


def test_the_comparison_sorts_by_a_click(tmp_path, monkeypatch):
    folders = [run_folder(tmp_path / name, value) for name, value in (("b", 0.5), ("a", 0.9), ("c", 0.2))]
    call(*map(str, folders), "--out", str(tmp_path / "out"), monkeypatch=monkeypatch)
    with watched_page(PHONE) as watched:
        page = watched.page
        page.goto((tmp_path / "out/index.html").as_uri())

        def order() -> list[str]:
            return [Path(name).name for name in page.locator("#student tbody th").all_inner_texts()]

        assert order() == ["b", "a", "c"]
        column = page.locator("#student thead button").filter(has_text="mAP@10")
        column.click()
        assert order() == ["c", "b", "a"]
        column.click()
        assert order() == ["a", "b", "c"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert watched.errors == []
        assert watched.asked_elsewhere() == []
