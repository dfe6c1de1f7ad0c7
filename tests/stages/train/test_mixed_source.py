"""Mixtures as a source of the student: their own clips and captions, negatives of each other, heard whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from clapline.audio.decode import flac_bytes
from clapline.audio.shards import ShardWriter
from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.storage import read_json
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from clapline.tables.pairs import PAIRS
from stages.train import student
from stages.train.batches import Drawn, Sampler
from stages.train.data import Source, TrainingData
from stages.train.positives import Positives
from stages.train.sources import check_mixtures, mixed_source
from tests.stages.train.conftest import MODEL, NAMES, clips_of

RATE = 8000


def mixtures(captions: list[str], duration_s: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "mix",
            "clip_id": [f"mix-{k:06d}" for k in range(len(captions))],
            "captions": [[caption] for caption in captions],
            "duration_s": duration_s,
        }
    )


def test_a_mixture_owns_its_caption() -> None:
    clips = mixtures(["a dog, then rain", "a dog, then a bell"])
    source = mixed_source(clips, {("mix", "mix-000000"): 7, ("mix", "mix-000001"): 8}, 0.5)
    assert (source.name, source.weight, list(source.clips)) == ("mixed", 0.5, [7, 8])
    assert source.owners == [[("mix", "mix-000000")], [("mix", "mix-000001")]]
    assert not source.synthetic


def test_mixtures_are_negatives_unless_they_say_the_same() -> None:
    texts = ["a dog, then rain", "a dog, then a bell", "a dog, then rain"]
    source = mixed_source(mixtures(texts), {("mix", f"mix-{k:06d}"): k for k in range(3)}, 1.0)
    owners = [owner for owned in source.owners for owner in owned]
    found = Positives([source]).of(Drawn("mixed", [0, 1, 2], texts, owners, {})).matrix()
    assert found.tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_a_batch_never_mixes_mixtures_with_their_parts_and_their_caption_is_its_own_paraphrase() -> None:
    own = Source("paired", 1.0, [0, 1], [["a dog"], ["rain"]], [[("d", "0")], [("d", "1")]])
    mixed = mixed_source(mixtures(["a dog, then rain"] * 2), {("mix", f"mix-{k:06d}"): 2 + k for k in range(2)}, 1.0)
    data = TrainingData(clips_of(4), [own, mixed], {1: {"a dog": ["barks"], "rain": ["it rains"]}}, synthetic_share=1.0)
    assert "a dog, then rain" in data.texts()
    sampler, seen = Sampler(data, 60, 4, 0, "student"), set()
    for step in range(60):
        drawn = sampler.draw(step)
        seen.add(drawn.source)
        assert {clip >= 2 for clip in drawn.clips} == {drawn.source == "mixed"}
        if drawn.source == "mixed":
            assert drawn.paraphrases[1] == drawn.captions
    assert seen == {"paired", "mixed"}


def test_mixtures_must_be_there_and_fit_what_the_model_hears() -> None:
    check_mixtures(mixtures(["a"], 4.0), 4.0)
    with pytest.raises(UserError, match=r"set mix\.clips above 0"):
        check_mixtures(mixtures([]), 4.0)
    with pytest.raises(UserError, match=r"last up to 4 s but the model hears 2 s; set mix.maximum_duration_s"):
        check_mixtures(mixtures(["a"], 4.0), 2.0)


def sound(kinds: list[int], seed: int) -> np.ndarray:
    time = np.arange(RATE // 2) / RATE
    tones = sum(np.sin(2 * np.pi * (200 + 350 * kind) * time) for kind in kinds)
    return (0.2 * tones + np.random.default_rng(seed).normal(0, 0.01, len(time))).astype(np.float32)


def rows_of(folder: str, dataset: str, captions: list[list[str]], sounds: list[np.ndarray], val: int = 0) -> list[dict]:
    shard = Path(folder) / "00000.tar"
    shard.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with ShardWriter(shard) as writer:
        for k, (texts, audio) in enumerate(zip(captions, sounds, strict=True)):
            place = writer.add(f"{dataset}{k}", flac_bytes(audio, RATE))
            empty = dict.fromkeys(["label", "fold", "description", "source_id", "licence"])
            where = {"shard": shard.as_posix(), "offset": place.offset, "nbytes": place.nbytes, "sha256": place.sha256}
            rows.append(
                {"dataset": dataset, "clip_id": f"{dataset}{k}", "split": "val" if k < val else "train", **where}
                | {"sample_rate_hz": RATE, "duration_s": len(audio) / RATE, "captions": texts}
                | {"caption_tree": [], "tags": [], **empty}
            )
    return rows


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that a student reads: eight sounds with captions, mixtures of neighbours, an untrained teacher."""
    monkeypatch.chdir(tmp_path)
    kinds = [k % 8 for k in range(24)]
    captions = [[f"a {NAMES[kind]} sounds"] for kind in kinds]
    paired = rows_of("data/clips/toy", "toy", captions, [sound([kind], k) for k, kind in enumerate(kinds)], val=8)
    told = [[f"a {NAMES[kind]} sounds while a {NAMES[(kind + 1) % 8]} sounds"] for kind in kinds[:12]]
    mixed = rows_of("data/mixed", "mix", told, [sound([k, (k + 1) % 8], k) for k in kinds[:12]])
    CLIPS.write("data/captioned/paired.parquet", CLIPS.frame(paired))
    CLIPS.write("data/mixed/clips.parquet", CLIPS.frame(mixed))
    CLIPS.write("data/roles/unpaired.parquet", CLIPS.frame())
    PAIRS.write("data/curated/pairs.parquet", PAIRS.frame())
    SYNTHETIC.write("data/captions/synthetic.parquet", SYNTHETIC.frame())
    written = {"model": "builtin", "prompt_version": "p", "attempts": 1, "similarity": 1.0, "similarity_measure": "l"}
    PARAPHRASES.write(
        "data/captions/paraphrases_train.parquet",
        PARAPHRASES.frame(
            [
                {"dataset": "toy", "clip_id": f"toy{k}", "caption_index": 0, "text": f"there is a {NAMES[kinds[k]]}"}
                | {**written, "level": level, "purpose": "train", "original": captions[k][0]}
                for k in range(8, 24)
                for level in (1, 2)
            ]
        ),
    )
    torch.manual_seed(0)
    Clap.new(MODEL, [texts[0] for texts in captions]).save(Path("models/teacher"), "card")
    set_student(tmp_path, {"paired": 1.0, "mixed": 1.0})
    return tmp_path


def set_student(folder: Path, sources: dict[str, float], **more: object) -> None:
    objective = {"contrastive": {"targets": "soft"}, "paraphrase": {"weight": 1.0}}
    section = {"objective": objective, "sources": sources, "steps": 6, "validate_every_steps": 3, "batch_size": 6}
    values = {"seed": 0, "student": {**section, **more}, "machine": {"device": "cpu", "progress": False}}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.parametrize("init", ["teacher", "scratch"])
def test_a_student_trains_on_mixtures_with_soft_targets_and_paraphrases(workplace: Path, init: str) -> None:
    set_student(workplace, {"paired": 1.0, "mixed": 1.0}, init=init)
    student.main()
    blocks = read_json("reports/student/chapter.json")["blocks"]
    drawn = next(block["rows"] for block in blocks if block["kind"] == "table")
    assert ["mixed", 1.0, 12, 12] in drawn
    assert "12 mixtures of two clips (weight 1)" in blocks[0]["caption"]
    curve = pd.read_csv("reports/student/curve.tsv", sep="\t")
    assert np.isfinite(curve.loss).all()


def test_mixtures_alone_are_enough_and_weight_0_leaves_them_out(workplace: Path) -> None:
    set_student(workplace, {"paired": 0.0, "mixed": 1.0})
    student.main()
    alone = Path("models/student/model.safetensors").read_bytes()
    set_student(workplace, {"paired": 1.0, "mixed": 0.0})
    student.main()
    without = Path("models/student/model.safetensors").read_bytes()
    assert alone != without
    CLIPS.write("data/mixed/clips.parquet", CLIPS.frame())
    student.main()
    assert Path("models/student/model.safetensors").read_bytes() == without


def test_a_weight_without_mixtures_is_said_in_one_line(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CLIPS.write("data/mixed/clips.parquet", CLIPS.frame())
    with pytest.raises(SystemExit) as stopped:
        student.main()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "student.sources.mixed" in message
