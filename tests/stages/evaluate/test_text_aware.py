"""The door evaluate with models whose clips are frames that each caption pools for itself."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from clapline.chapter import read_chapter
from clapline.model.gallery import FrameGallery
from clapline.model.text_aware import TextAwarePooling
from clapline.params.audio_encoder import TextAwarePooling as Settings
from clapline.tables.clips import CLIPS
from clapline.tables.per_query import PER_QUERY
from tests.stages.evaluate.conftest import StandIn, embedding

POSITIONS = 3


def evaluate() -> None:
    importlib.import_module("stages.evaluate.__main__").main()


def gallery_of_clips(clap, clips, machine=None, description="") -> FrameGallery:
    """Each sound of a clip is a frame; the pooling looks for frames like the caption."""
    frames = torch.zeros(len(clips), POSITIONS, 12)
    mask = torch.zeros(len(clips), POSITIONS, dtype=torch.bool)
    for row, clip_id in enumerate(clips["clip_id"]):
        for position, sound in enumerate(clip_id.split("-")):
            frames[row, position] = torch.from_numpy(embedding(f"{sound} {clip_id}", clap.noise))
            mask[row, position] = True
    pooling = TextAwarePooling(12, Settings(dimension=12, dropout=0.1))
    for layer in (pooling.query, pooling.key, pooling.value, pooling.output):
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return FrameGallery(frames.half(), mask, pooling, "cpu")


@pytest.fixture
def text_aware_workspace(stressed_workspace, monkeypatch):
    monkeypatch.setattr(importlib.import_module("clapline.model.encode"), "gallery_of_clips", gallery_of_clips)
    return stressed_workspace


def hashes() -> dict[str, str]:
    files = sorted(path for path in Path("reports").rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_suite_goes_through_and_again_with_the_same_bytes(text_aware_workspace):
    evaluate()
    metrics = json.loads(Path("reports/metrics.json").read_text(encoding="utf-8"))
    student, teacher = metrics["student"]["toy"], metrics["teacher"]["toy"]
    assert {"t2a", "a2t", "t2a_level1", "t2a_level2", "zero_shot", "traversal", "t2a_stress_de"} <= set(student)
    assert student["zero_shot"]["accuracy"] > teacher["zero_shot"]["accuracy"] > 1 / 6
    assert student["t2a"]["map10"] > teacher["t2a"]["map10"] > 0.15
    assert student["a2t"]["map10"] > 0.3
    assert student["traversal"]["precision"] > 0
    chapter = read_chapter("reports/evaluate")
    assert sum(block.kind == "audio" for block in chapter.blocks) >= 4
    before = hashes()
    evaluate()
    assert hashes() == before


def test_ranks_in_both_directions_are_those_of_the_frames_scores(text_aware_workspace):
    evaluate()
    rows = PER_QUERY.read("reports/evaluate/per_query.parquet")
    clips = CLIPS.read("data/captioned/retrieval.parquet")
    captions = sorted({text for texts in clips["captions"] for text in texts})
    student = StandIn("student")
    scores = gallery_of_clips(student, clips).cosines(student.encode_texts(captions))
    held = np.array([[caption in texts for texts in clips["captions"]] for caption in captions])
    for part, matrix, relevant in (("t2a", scores, held), ("a2t", scores.T, held.T)):
        own = rows[(rows.part == part) & (rows.model == "student")].set_index("query")["best_rank"]
        names = captions if part == "t2a" else clips["clip_id"].tolist()
        for row, name in enumerate(names):
            best = matrix[row][relevant[row]].max()
            assert own[name] == 1 + (matrix[row][~relevant[row]] >= best).sum()


def test_broken_frames_are_refused_in_one_line(text_aware_workspace, capsys, monkeypatch):
    encode = importlib.import_module("clapline.model.encode")

    def broken(*inputs, **named):
        gallery = gallery_of_clips(*inputs, **named)
        gallery.frames[2, 0, 0] = torch.inf
        return gallery

    monkeypatch.setattr(encode, "gallery_of_clips", broken)
    with pytest.raises(SystemExit) as stop:
        evaluate()
    assert stop.value.code == 2
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    assert "teacher: clips: the frames of 1 of" in words
