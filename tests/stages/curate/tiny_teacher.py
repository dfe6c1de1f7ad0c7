"""A small real teacher with clips and captions on disk, and the door embed run on them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from clapline.audio.decode import flac_bytes
from clapline.audio.shards import ShardWriter
from clapline.embeddings import read_embeddings
from clapline.model.clap import Clap
from clapline.params.model import Model
from clapline.tables.clips import CLIPS, without_answers

RATE_HZ = 8000
SOUNDS = ("dog", "rain", "siren", "bell", "saw", "clock")
MODEL = {
    "features": {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": RATE_HZ, "maximum_hz": 3500.0},
    "audio": {"channels": [8, 16]},
    "text": {"width": 32, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16},
    "head": {"dimension": 16},
}


def clip_table(folder: Path, dataset: str, captions: list[list[str]]) -> pd.DataFrame:
    """Write a clip for each list of captions into a shard of the workspace `folder`; return their table."""
    (folder / "data/clips" / dataset).mkdir(parents=True, exist_ok=True)
    rows = []
    with ShardWriter(folder / "data/clips" / dataset / "00000.tar") as writer:
        for number, texts in enumerate(captions):
            samples = np.random.default_rng(number).normal(size=1500 + 100 * (number % 40)) * 0.1
            samples *= np.sin(np.arange(len(samples)) * (0.05 + 0.01 * (number % 97)))
            clip_id = f"{dataset}-{number:05d}"
            at = writer.add(clip_id, flac_bytes(samples.astype(np.float32), RATE_HZ))
            rows.append(
                dict.fromkeys(CLIPS.schema.names)
                | {"dataset": dataset, "clip_id": clip_id, "split": "pool", "nbytes": at.nbytes, "offset": at.offset}
                | {"shard": f"data/clips/{dataset}/{at.shard}", "sha256": at.sha256, "sample_rate_hz": RATE_HZ}
                | {"duration_s": len(samples) / RATE_HZ, "captions": texts, "caption_tree": [], "tags": []}
            )
    return CLIPS.frame(rows)


def save_teacher(folder: Path, seed: int = 0, **model: Any) -> None:
    torch.manual_seed(seed)
    teacher = Clap.new(Model.model_validate(MODEL | model), [f"the {name} sounds" for name in SOUNDS])
    shutil.rmtree(folder / "models/teacher", ignore_errors=True)
    teacher.save(folder / "models/teacher", "a tiny one")


def written_workspace(folder: Path, clips: int = 23, captions: int = 31) -> Path:
    """Make a workspace for the door: clips of two datasets, captions of which many are equal, a teacher."""
    folder.mkdir()
    pools = [clip_table(folder, "b", [[]] * (clips // 2)), clip_table(folder, "a", [[]] * (clips - clips // 2))]
    CLIPS.write(folder / "data/roles/unpaired.parquet", without_answers(pd.concat(pools, ignore_index=True)))
    texts = [f"a {SOUNDS[number % 5]} and {'a long ' * (number % 2)}noise" for number in range(captions)]
    told = [texts[2 * clip : 2 * clip + 1 + clip % 3] for clip in range(captions // 2)]
    CLIPS.write(folder / "data/captioned/text.parquet", clip_table(folder, "told", [*told, ["noise"], []]))
    save_teacher(folder)
    write_params(folder)
    return folder


def write_params(folder: Path, machine: dict[str, Any] | None = None, **embed: Any) -> None:
    sections = {"machine": {"device": "cpu", "progress": False, **(machine or {})}, "embed": embed}
    (folder / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")


def outputs(folder: Path = Path()) -> dict[str, bytes]:
    """Return the bytes of every file that the door wrote."""
    files = sorted((folder / "data/embeddings").rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


def embeddings(side: str, folder: Path = Path()) -> np.ndarray:
    return read_embeddings(folder / "data/embeddings", side).matrix()
