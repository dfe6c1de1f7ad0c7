from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from clapline.chapter import Chapter, audio, figure, table, text, write_chapter
from clapline.storage import write_json
from stages.report.__main__ import main
from stages.report.chapters import STAGES

EVIL = "<script>alert('x')</script> & \"quotes\""
VOID = {"meta", "link", "img", "br", "hr", "input"}
METRICS = {
    "student": {"made": {"t2a": {"map10": 0.4, "r10": 0.5}}},
    "teacher": {"made": {"t2a": {"map10": 0.3, "r10": 0.55}}},
    "curate": {"precision": 0.61234},
}


class Page(HTMLParser):
    """Collect tags, ids and addresses, and refuse tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag

    def values(self, *names: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags for name in names if attrs.get(name)]


@pytest.fixture
def report_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps({"report": {"title": EVIL}}), encoding="utf-8")
    for stage in STAGES:
        folder = Path("reports") / stage
        folder.mkdir(parents=True)
        (folder / "a figure #1.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
        (folder / "examples").mkdir()
        (folder / "examples/clip.flac").write_bytes(b"fLaC")
        blocks = [
            text(EVIL),
            table(EVIL, ["name", EVIL], [[EVIL, 0.123456], ["none", None], ["count", 12345]]),
            figure(EVIL, "a figure #1.svg"),
            audio(EVIL, "examples/clip.flac"),
        ]
        write_chapter(folder, Chapter(f"{stage} {EVIL}", blocks))
    write_json("reports/metrics.json", METRICS)
    return Path("reports")


def page() -> Page:
    return Page(Path("reports/index.html").read_text(encoding="utf-8"))


def test_nothing_from_data_becomes_markup(report_folders):
    main()
    html = (report_folders / "index.html").read_text(encoding="utf-8")
    assert not [tag for tag, _ in Page(html).tags if tag == "script"]
    assert "&lt;script&gt;" in html


def test_every_address_resolves_and_none_leaves_the_folder(report_folders):
    main()
    found = page()
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    addresses = found.values("src", "href")
    assert len(addresses) > 2 * len(STAGES)
    for address in addresses:
        assert "//" not in address
        if address.startswith("#"):
            assert address[1:] in ids
        elif not address.startswith("data:"):
            assert (report_folders / unquote(address)).is_file(), address
    assert "http" not in (report_folders / "site/style.css").read_text(encoding="utf-8")
    assert "http" not in (report_folders / "index.html").read_text(encoding="utf-8")


def test_chapters_stand_in_order_with_players_and_statement(report_folders):
    main()
    found = page()
    sections = [attrs["id"] for tag, attrs in found.tags if tag == "section"]
    assert sections == ["headline", "pipeline", *STAGES, "parameters"]
    players = [attrs for tag, attrs in found.tags if tag == "audio"]
    assert len(players) == len(STAGES)
    assert all("controls" in attrs and attrs["preload"] == "none" for attrs in players)
    assert "synthesised" in (report_folders / "index.html").read_text(encoding="utf-8")


def interval(measure: str, estimate: float, low: float | None, high: float | None):
    gap = {"estimate": estimate, "low": low, "high": high, "p_value": 0.01}
    return {"dataset": "made", "part": "t2a", "measure": measure, "chance": 0.0125, "student_minus_teacher": gap}


def test_headline_shows_difference_and_verdict(report_folders, capsys):
    """The verdict is evaluate's, which corrects for all that it tells: an interval alone gives none."""
    write_json(
        report_folders / "evaluate/intervals.json",
        [interval("map10", 0.1, 0.05, 0.15) | {"verdict": "better"}, interval("r10", -0.05, -0.1, -0.02)],
    )
    main()
    html = (report_folders / "index.html").read_text(encoding="utf-8")
    for expected in ("+0.100", "−0.050", "+0.050 … +0.150", "0.612", "0.0125", "mAP@10"):
        assert expected in html
    verdicts = [part.split("</td>")[0] for part in html.split('<td class="verdict">')[1:]]
    assert sorted(verdicts) == ["better", "not tested"]
    (line,) = re.findall(r"^report: .+ mAP@10: (.+)$", capsys.readouterr().out, re.MULTILINE)
    assert line == "student 0.400, teacher 0.300 (better)"


def test_same_input_same_bytes_and_nothing_old_stays(report_folders):
    main()
    first = (report_folders / "index.html").read_bytes()
    (report_folders / "site/left over.svg").write_text("x", encoding="utf-8")
    main()
    assert (report_folders / "index.html").read_bytes() == first
    assert not (report_folders / "site/left over.svg").exists()


def test_folders_that_no_stage_owns_are_not_read(report_folders):
    (report_folders / "cost").mkdir()
    (report_folders / "cost/chapter.json").write_text("broken", encoding="utf-8")
    main()


def fails(capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("stage", ["catalogue", "topics"])
def test_a_missing_chapter_is_one_line(report_folders, capsys, stage):
    (report_folders / stage / "chapter.json").unlink()
    assert f"reports/{stage}/chapter.json" in fails(capsys)


def test_a_missing_figure_or_metrics_is_one_line(report_folders, capsys):
    (report_folders / "student/a figure #1.svg").unlink()
    assert "student/a figure #1.svg" in fails(capsys)
    (report_folders / "student/a figure #1.svg").write_text("x", encoding="utf-8")
    (report_folders / "metrics.json").unlink()
    assert "metrics.json" in fails(capsys)


def test_a_file_outside_the_chapter_is_refused(report_folders, capsys):
    write_chapter(report_folders / "student", Chapter("t", [figure("f", "../../params.yaml")]))
    assert "outside" in fails(capsys)


def test_broken_chapter_is_one_line(report_folders, capsys):
    (report_folders / "student/chapter.json").write_text("{", encoding="utf-8")
    assert "student/chapter.json is no chapter" in fails(capsys)
