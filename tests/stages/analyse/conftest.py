from __future__ import annotations

import pytest

from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS

SOUNDS = ("dog barks", "rain falls", "bell rings", "engine idles", "bird sings", "door creaks")


def clip_row(number: int, captions: list[str], dataset: str = "made"):
    return dict.fromkeys(CLIPS.schema.names) | {
        "dataset": dataset,
        "clip_id": f"{number:04d}",
        "split": "train",
        "shard": "",
        "offset": 0,
        "nbytes": 0,
        "sha256": "",
        "sample_rate_hz": 16000,
        "duration_s": 1.0,
        "captions": captions,
        "caption_tree": [],
        "tags": [],
    }


def written_row(number: int, index: int, text: str, dataset: str = "made"):
    return {
        "dataset": dataset,
        "clip_id": f"{number:04d}",
        "caption_index": index,
        "text": text,
        "model": "m",
        "prompt_version": "1",
        "attempts": 1,
        "similarity": 0.5,
        "similarity_measure": "words",
    }


def synthetic_row(number: int, index: int, text: str, kind: str = "new", language: str = "en"):
    return written_row(number, index, text) | {"kind": kind, "language": language}


def paraphrase_row(number: int, index: int, level: int, text: str, dataset: str = "made"):
    return written_row(number, index, text, dataset) | {"level": level, "purpose": "train", "original": "o"}


@pytest.fixture
def caption_tables(tmp_path, monkeypatch):
    """Return a function that writes the three tables and params into an empty working folder."""

    def write(clips: int, params: str = "") -> None:
        (tmp_path / "params.yaml").write_text(
            "seed: 3\nrichness: {mtld_threshold: 0.72}\n"
            "topics: {embedding: tfidf, maximum_captions: 200, minimum_topic_size: 8, neighbours: 10,"
            " shown_topics: 4}\n"
            f"{params}",
            encoding="utf-8",
        )
        places = ("in a yard", "near the road", "inside a hall", "at night")
        texts = [
            (f"a {SOUNDS[i % 6]} {places[i % 4]}", f"{SOUNDS[i % 6]} softly {places[(i + 1) % 4]}")
            for i in range(clips)
        ]
        CLIPS.write("data/captioned/paired.parquet", CLIPS.frame([clip_row(i, list(t)) for i, t in enumerate(texts)]))
        PARAPHRASES.write(
            "data/captions/paraphrases_train.parquet",
            PARAPHRASES.frame(
                [
                    paraphrase_row(i, j, level, f"{'one' if level == 1 else 'some'} {text}")
                    for i, pair in enumerate(texts)
                    for j, text in enumerate(pair)
                    for level in (1, 2)
                ]
            ),
        )
        SYNTHETIC.write(
            "data/captions/synthetic.parquet",
            SYNTHETIC.frame([synthetic_row(i, 0, f"amidst echoes {pair[0]}") for i, pair in enumerate(texts)]),
        )

    monkeypatch.chdir(tmp_path)
    return write
