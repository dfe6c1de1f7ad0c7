from __future__ import annotations

import csv

import pytest

from clapline.storage import mirror
from stages.analyse.compare_captions import main

SOUNDS = ("dog barks", "rain falls", "bell rings", "engine idles", "bird sings", "door creaks")
PICTURES = {
    "mtld.svg",
    "mtld_density.svg",
    "words_per_caption.svg",
    "distinguishing_words.svg",
    "words_human.png",
    "words_generated.png",
}
TABLES = {"richness.tsv", "comparisons.tsv", "distinguishing_words.tsv"}


@pytest.fixture
def both(tmp_path):
    path = tmp_path / "both.csv"
    lines = [f"{place}.wav,a {sound} nearby,a {sound},amidst echoes {sound}" for place, sound in enumerate(SOUNDS)]
    path.write_text("\n".join(["file_name,caption_1,caption_2,caption_3", *lines]) + "\n", encoding="utf-8")
    return path


def run(path, out, human="1-2", generated="3"):
    sides = ["--human", path, "--human-columns", human, "--generated", path, "--generated-columns", generated]
    main([str(word) for word in [*sides, "--out", out]])


def test_figures_and_tables_the_same_twice(both, tmp_path, capsys):
    out = tmp_path / "deep/out"
    run(both, out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(first) == PICTURES | TABLES
    printed = capsys.readouterr().out
    assert "| captions | 12 | 6 |" in printed
    assert "| per caption | 6 | 6 |" in printed  # one caption of each clip on both sides
    assert "A12" in printed
    assert "Caution: MTLD" in printed
    assert "More in generated captions (z): amidst" in printed or "More in generated captions (z): echoes" in printed
    (out / "mine.txt").write_text("kept")
    run(both, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first | {"mine.txt": b"kept"}


def test_files_that_share_no_clip(both, tmp_path, capsys):
    other = tmp_path / "other.csv"
    other.write_text("clip_id,text\nz,rain falls\nz,wind blows\n", encoding="utf-8")
    main(["--human", str(both), "--generated", str(other), "--out", str(tmp_path / "out")])
    assert "6 clips with 1 others, as the files share none" in capsys.readouterr().out


def test_mistakes_are_one_line(both, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run(both, tmp_path / "out", generated="3-4")
    assert stop.value.code == 2
    assert "no column caption_4" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run(both, both)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: --out")
    with pytest.raises(SystemExit) as stop:
        main(["--human", str(both), "--generated", str(both), "--out", str(tmp_path), "--mtld-threshold", "1"])
    assert stop.value.code == 2
    assert "between 0 and 1" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run(both, tmp_path, human="2-1")
    assert "such as 6-10" in capsys.readouterr().err


def test_the_thesis_on_clotho(tmp_path):
    folder = mirror()
    path = folder and folder / "clotho/clotho_captions_development_plus_phi_generated.csv"
    if path is None or not path.is_file():
        pytest.skip("CLAPLINE_MIRROR names no folder with Clotho's captions and phi-4's")
    run(path, tmp_path, "1-5", "6-10")
    caption, clip = csv.DictReader((tmp_path / "comparisons.tsv").read_text().splitlines(), delimiter="\t")
    # Per caption people's come out the more varied, by a hair; per clip phi-4's do, by far.
    assert float(caption["a12"]) == pytest.approx(0.5355, abs=5e-5)
    assert float(caption["ks"]) == pytest.approx(0.2005, abs=5e-5)
    assert float(caption["mean_original"]) == pytest.approx(22.10, abs=0.005)
    assert float(clip["mean_source"]) == pytest.approx(68.98, abs=0.005)
    assert float(clip["a12"]) == pytest.approx(0.0605, abs=5e-5)
    words = csv.DictReader((tmp_path / "distinguishing_words.tsv").read_text().splitlines(), delimiter="\t")
    assert {"amidst", "rhythmic", "gentle", "distant", "echoes", "softly"} <= {
        row["word"] for row in words if float(row["z"]) > 0
    }
