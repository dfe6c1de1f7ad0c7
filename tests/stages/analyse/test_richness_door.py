from __future__ import annotations

from pathlib import Path

import pytest

from clapline.chapter import read_chapter
from clapline.storage import read_json
from clapline.tables.clips import CLIPS
from stages.analyse.richness import main


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_writes_the_same_bytes_twice(caption_tables):
    caption_tables(12)
    main()
    first = bytes_of(Path("reports/richness"))
    main()
    assert bytes_of(Path("reports/richness")) == first
    pictures = {"mtld.svg", "mtld_density.svg", "words_per_caption.svg", "distinguishing_words.svg"}
    pictures |= {f"words_{source}.png" for source in ("original", "paraphrase_1", "paraphrase_2", "synthetic")}
    tables = {"richness.tsv", "comparisons.tsv", "distinguishing_words.tsv"}
    assert set(first) == {"summary.json", "chapter.json"} | tables | pictures
    summary = read_json("reports/richness/summary.json")
    assert [row["source"] for row in summary["sources"]] == ["original", "paraphrase 1", "paraphrase 2", "synthetic"]
    assert [(row["source"], row["level"]) for row in summary["comparisons"]] == [
        (source, level) for source in ("paraphrase 1", "paraphrase 2", "synthetic") for level in ("caption", "clip")
    ]
    for name in tables:
        assert len({len(line.split("\t")) for line in first[name].decode().splitlines()}) == 1
    shown = {block.file for block in read_chapter("reports/richness").blocks if block.file}
    assert shown == pictures


def test_one_clip_is_enough(caption_tables):
    caption_tables(1)
    main()
    assert read_json("reports/richness/summary.json")["sources"][0]["clips"] == 1


def test_no_clips_is_one_line(caption_tables, capsys):
    caption_tables(0)
    assert len(CLIPS.read("data/captioned/paired.parquet")) == 0
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "no captions" in capsys.readouterr().err
