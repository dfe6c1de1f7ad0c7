from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clapline.chapter import read_chapter
from clapline.storage import read_json
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from clapline.text.embedding import TfidfSvd
from clapline.text.topics import Topics, centroids_of
from stages.analyse.curated_shares import dealt
from stages.analyse.curated_topics import main

REPORT = Path("reports/curated_topics")


def saved_topics(words: list[str]) -> None:
    """Save a topic for each word, fitted to the original captions."""
    texts = list(CLIPS.read("data/captioned/paired.parquet")["captions"].explode())
    embedder = TfidfSvd.fit(texts, 0)
    own = np.array([next((k for k, word in enumerate(words) if word in text), -1) for text in texts])
    centroids, radii = centroids_of(embedder.encode(texts), own, len(words))
    Topics("tfidf", [[word] for word in words], centroids, radii, embedder).save("reports/topics/model")


def pair(clip: str, text_clip: int, index: int, text: str):
    return {
        "dataset": "pool",
        "clip_id": clip,
        "text_dataset": "made",
        "text_clip_id": f"{text_clip:04d}",
        "caption_index": index,
        "text": text,
        "similarity": 0.5,
        "strategy": "du",
    }


def choose(*numbers: int, times: int = 1) -> None:
    """Write curated pairs: the first caption of each of these clips, so many times."""
    captions = dict(CLIPS.read("data/captioned/paired.parquet")[["clip_id", "captions"]].itertuples(index=False))
    rows = [pair(f"{n:04d}-{k}", n, 0, captions[f"{n:04d}"][0]) for n in numbers for k in range(times)]
    PAIRS.write("data/curated/pairs.parquet", PAIRS.frame(rows))


def test_a_one_sided_choice_is_seen_and_counted(caption_tables):
    caption_tables(90)
    saved_topics(["dog", "rain", "bell"])
    choose(*range(0, 90, 6), times=3)  # the dogs
    main()
    summary = read_json(REPORT / "summary.json")
    assert summary["curated"]["captions"] == summary["curated"]["clips"] == 45
    assert summary["curated"]["most_used_caption"] >= 3
    assert summary["curated"]["topics"] == 1
    assert summary["curated"]["in_none"] < summary["original"]["in_none"]
    assert summary["curated"]["pairs_of_original_clips"] == 0
    assert summary["drift"]["topics_with_more"] == 1
    assert summary["drift"]["topics_without_curated"] == 2
    rows = pd.read_csv(REPORT / "topics.tsv", sep="\t").set_index("topic")
    assert list(rows.index) == [0, 1, 2, -1]
    assert rows.loc[0, "share_curated"] > 0.9
    assert rows["curated_pairs"].sum() == 45
    assert rows["original_captions"].sum() == summary["original"]["captions"] == 180
    assert {block.kind for block in read_chapter(REPORT).blocks} == {"text", "figure", "table"}
    first = {path.name: path.read_bytes() for path in REPORT.iterdir()}
    main()
    assert {path.name: path.read_bytes() for path in REPORT.iterdir()} == first


def test_no_pair_or_no_topic_is_a_sentence(caption_tables):
    caption_tables(30)
    saved_topics(["dog", "rain"])
    choose()
    main()
    assert [block.kind for block in read_chapter(REPORT).blocks] == ["text"]
    assert "no pair" in read_chapter(REPORT).blocks[0].caption
    assert read_json(REPORT / "summary.json")["curated"]["captions"] == 0
    choose(1, 2)
    Topics(
        "tfidf",
        [],
        np.zeros((0, 1), np.float32),
        np.zeros(0, np.float32),
        TfidfSvd.fit(["a dog barks", "rain falls"], 0),
    ).save("reports/topics/model")
    main()
    assert [block.kind for block in read_chapter(REPORT).blocks] == ["text"]
    assert "No topic" in read_chapter(REPORT).blocks[0].caption


def test_captions_of_another_dataset_are_compared_too(caption_tables):
    caption_tables(30)
    saved_topics(["dog", "rain"])
    rows = [pair(f"{n:04d}", 900 + n, 0, "zebra quagga") | {"text_dataset": "far"} for n in range(50)]
    PAIRS.write("data/curated/pairs.parquet", PAIRS.frame(rows))
    main()
    summary = read_json(REPORT / "summary.json")
    assert summary["curated"]["in_none"] == 50
    assert summary["curated"]["distinct_captions"] == 1
    assert summary["drift"]["jensen_shannon_distance"] is None
    assert "no caption in any topic" in read_chapter(REPORT).blocks[1].caption


def test_blind_choices_keep_the_uneven_uses_and_the_shares():
    original = pd.DataFrame(
        {
            "dataset": "made",
            "clip_id": [f"{n:03d}" for n in range(100) for _ in range(5)],
            "text": [f"{n} {k}" for n in range(100) for k in range(5)],
            "topic": [n % 4 - (n % 4 == 3) * 4 for n in range(100) for _ in range(5)],
        }
    )
    curated = original.iloc[np.repeat([0, 1, 20, 40], [50, 10, 5, 5])]
    chance = dealt(original, curated, 3, np.random.default_rng(0))
    assert chance.shape == (999, 4)
    assert (chance.sum(axis=1) == 70).all()
    assert (chance.max(axis=1) >= 60).all()  # the 60 uses of one clip stay together
    assert chance.mean(axis=0) / 70 == pytest.approx([0.25] * 4, abs=0.04)
