"""A small benchmark on disk and two stand-in models: the student hears better than the teacher."""

from __future__ import annotations

import io
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from clapline.audio.shards import ShardWriter
from clapline.model.gallery import VectorGallery
from clapline.tables.captions import PARAPHRASES, STRESS
from clapline.tables.clips import CLIPS
from clapline.tables.judgements import JUDGEMENTS
from stages.evaluate import cost  # before its models are stood in for

SOUNDS = ("bell", "dog", "horn", "rain", "siren", "train")
NOISE = {"teacher": 0.6, "student": 0.15}


def embedding(words: str, noise: float) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(words.encode()))
    row = np.array([words.count(name) for name in SOUNDS] + [0.2] * 6) + noise * rng.normal(size=12)
    return (row / np.linalg.norm(row)).astype(np.float32)


class StandIn:
    """Duck-typed Clap."""

    def __init__(self, name: str) -> None:
        self.noise = NOISE[name]

    @classmethod
    def from_pretrained(cls, folder):
        return cls(Path(folder).name)

    def to(self, device):
        return self

    def encode_texts(self, texts):
        return np.stack([embedding(text, self.noise / 4) for text in texts])

    def encode_text_gaussians(self, texts):
        return self.encode_texts(texts), None


def gallery_of_clips(clap, clips, machine, description):
    assert not clips.duplicated(["dataset", "clip_id"]).any()
    return VectorGallery(np.stack([embedding(clip_id, clap.noise) for clip_id in clips["clip_id"]]))


def clip_row(writer: ShardWriter, clip_id: str, **more) -> dict:
    data = io.BytesIO()
    soundfile.write(
        data, np.random.default_rng(zlib.crc32(clip_id.encode())).normal(size=800) * 0.1, 16000, format="FLAC"
    )
    place = writer.add(clip_id, data.getvalue())
    return {
        "dataset": "toy", "clip_id": clip_id, "split": "test", "shard": f"shards/{place.shard}",
        "offset": place.offset, "nbytes": place.nbytes, "sha256": place.sha256, "sample_rate_hz": 16000,
        "duration_s": 0.05, "captions": [], "caption_tree": [], "tags": [], "label": None,
        "fold": None, "description": None, "source_id": None, "licence": None, **more,
    }  # fmt: skip


def retrieval_rows(writer: ShardWriter) -> list[dict]:
    rows = []
    for first in SOUNDS:
        for second in SOUNDS:
            if first != second:
                captions = [
                    f"a {first} then a {second}",
                    f"{first} and {second} are heard",
                    f"{min(first, second)} first",
                ]
                tree = [first, f"a {first} sound", f"a {first} with {second}", f"a {first} then a {second} outside"]
                rows.append(clip_row(writer, f"{first}-{second}", captions=captions, caption_tree=tree))
    return rows


def paraphrase_rows(rows: list[dict]) -> pd.DataFrame:
    written = [
        {
            "dataset": "toy", "clip_id": row["clip_id"], "caption_index": index, "text": f"level {level}: {text}",
            "model": "builtin", "prompt_version": "1", "attempts": 1, "similarity": 0.9,
            "similarity_measure": "jaccard",
            "level": level, "purpose": "test", "original": text,
        }
        for row in rows
        for index, text in enumerate(row["captions"])
        for level in (1, 2)
        if not (level == 2 and index == 1)  # dropped: the query has no level-2 paraphrase
    ]  # fmt: skip
    return PARAPHRASES.frame(written)


def stress_rows(rows: list[dict]) -> pd.DataFrame:
    written = [
        {
            "dataset": "toy", "clip_id": row["clip_id"], "caption_index": index, "text": f"{kind} {language}: {text}",
            "model": "rule", "prompt_version": f"{kind}-1", "attempts": 1, "similarity": 0.9,
            "similarity_measure": "lexical", "kind": kind, "language": language, "original": text,
        }
        for row in rows
        for index, text in enumerate(row["captions"])
        for kind, language in (("typos", "en"), ("keywords", "en"), ("translation", "de"))
        if not (kind == "typos" and index == 1)  # dropped: no letter of the query could slip
    ]  # fmt: skip
    return STRESS.frame(written)


@pytest.fixture
def evaluate_workspace(tmp_path, monkeypatch):
    """Chdir into a folder with benchmarks, params and stand-in models; return it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").mkdir()
    with ShardWriter(tmp_path / "shards/00000.tar") as writer:
        rows = retrieval_rows(writer)
        labelled = [clip_row(writer, f"{name}-{name}-{i}", label=name.title()) for name in SOUNDS for i in range(6)]
        labelled.append(clip_row(writer, "unlabelled"))
    CLIPS.write("data/captioned/retrieval.parquet", CLIPS.frame(rows))
    CLIPS.write("data/roles/hierarchy.parquet", CLIPS.frame(rows))
    CLIPS.write("data/roles/zero_shot.parquet", CLIPS.frame(labelled))
    PARAPHRASES.write("data/captions/paraphrases_test.parquet", paraphrase_rows(rows))
    STRESS.write("data/captions/stress.parquet", STRESS.frame())
    JUDGEMENTS.write("data/roles/judgements.parquet", JUDGEMENTS.frame())
    contents = {
        "clap": {"Clap": StandIn},
        "encode": {"gallery_of_clips": gallery_of_clips},
        "device": {"choose_device": lambda name: name},
    }
    for name, content in contents.items():
        module = types.ModuleType(f"clapline.model.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, f"clapline.model.{name}", module)
    monkeypatch.setattr(cost, "cost_of", lambda clap, clip, caption: {"asked": [clip.clip_id, caption]})
    params = {
        "seed": 1,
        "machine": {"progress": False},
        "evaluate": {"prompts": ["this is a sound of {label}"], "bootstrap_resamples": 200, "examples": 4},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return tmp_path


@pytest.fixture
def stressed_workspace(evaluate_workspace):
    """The same with a stress set of two English kinds and one further language."""
    rows = CLIPS.read("data/captioned/retrieval.parquet").to_dict("records")
    STRESS.write("data/captions/stress.parquet", stress_rows(rows))
    return evaluate_workspace
