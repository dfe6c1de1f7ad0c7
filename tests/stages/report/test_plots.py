"""Plots to move about in, and the facts of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clapline.chapter import Chapter, figure, plot, write_chapter
from clapline.storage import write_json
from stages.report.__main__ import main
from stages.report.chapters import STAGES
from stages.report.facts import parameters, versions
from tests.stages.report.test_report import METRICS, Page

FIGURE = {"data": [{"x": [1], "y": [2], "text": ["</script><b>&"], "type": "scatter"}], "layout": {"height": 300}}


@pytest.fixture
def with_plot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {
        "seed": 3,
        "report": {},
        "machine": {"workers": 7},
        "roles": {"text": [{"dataset": "a", "share": [0, 1]}]},
    }
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")
    for stage in STAGES:
        folder = Path("reports") / stage
        folder.mkdir(parents=True)
        (folder / "map.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
        blocks = [figure("a map", "map.svg")]
        if stage == "topics":
            (folder / "map.json").write_text(json.dumps(FIGURE), encoding="utf-8")
            blocks = [plot("a map to move about in", "map.json", "map.svg")]
        write_chapter(folder, Chapter(stage, blocks))
    write_json("reports/metrics.json", METRICS)
    return Path("reports")


def test_a_plot_is_a_script_beside_the_page_with_its_still(with_plot):
    main()
    page = Page((with_plot / "index.html").read_text(encoding="utf-8"))
    scripts = [attrs["src"] for tag, attrs in page.tags if tag == "script"]
    assert scripts == ["site/plotly.min.js", "site/topics/map.json.js", "site/plots.js"]
    assert all((with_plot / script).is_file() for script in scripts)
    assert "site/topics/map.svg" in page.values("src")
    assert "topics/map.json" in page.values("data-figure")
    text = (with_plot / scripts[1]).read_text(encoding="utf-8")
    assert "<" not in text  # nothing in a caption ends the script
    kept = json.loads(text.split(" = ", 1)[1].rstrip(";\n"))
    assert kept == FIGURE
    assert not [script for script in scripts if "://" in script]


def test_a_page_without_plots_carries_no_script(with_plot):
    write_chapter(with_plot / "topics", Chapter("topics", [figure("a map", "map.svg")]))
    main()
    assert not [tag for tag, _ in Page((with_plot / "index.html").read_text(encoding="utf-8")).tags if tag == "script"]
    assert not list((with_plot / "site").glob("*.js"))


@pytest.mark.parametrize(
    ("content", "said"),
    [("not json", "is no plotly figure"), ('{"data": []}', "is no plotly figure"), (None, "no such file")],
)
def test_bad_plots_are_refused(with_plot, capsys, content, said):
    if content is None:
        (with_plot / "topics/map.json").unlink()
    else:
        (with_plot / "topics/map.json").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit):
        main()
    words = capsys.readouterr().err
    assert said in words
    assert words.count("\n") == 1


def test_a_plot_outside_its_folder_is_refused(with_plot, capsys):
    write_chapter(with_plot / "topics", Chapter("topics", [plot("a map", "../../params.yaml", "map.svg")]))
    with pytest.raises(SystemExit):
        main()
    assert "lies outside the chapter's folder" in capsys.readouterr().err


def test_parameters_are_told_without_the_machines(with_plot):
    main()
    html = (with_plot / "index.html").read_text(encoding="utf-8")
    assert "text.0.share" in html
    assert "workers" not in html
    before = (with_plot / "index.html").read_bytes()
    main()
    assert (with_plot / "index.html").read_bytes() == before


def test_parameters_by_section():
    params = {"seed": 3, "a": {"b": {"c": None, "d": [1.0, True]}, "e": {}, "f": []}, "machine": {"x": 1}}
    assert parameters(params) == [
        ("seed", [("", "3")]),
        ("a", [("b.c", "null"), ("b.d", "1.0, true"), ("e", "none"), ("f", "none")]),
    ]


def test_versions_are_those_that_are_installed():
    found = dict(versions())
    assert {"Python", "torch", "dvc", "clapline"} <= set(found)
    assert found["torch"].split(".")[0] == "2"
