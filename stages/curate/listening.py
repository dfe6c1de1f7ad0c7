"""Pairs to listen to: random ones of those that were kept, and of the clips that got none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clapline.audio.listening import listening_copy
from clapline.audio.shards import ShardReader
from clapline.params.curate import Curate
from clapline.randomness import generator
from clapline.search import top_k
from clapline.tables.clips import CLIPS, credit
from stages.curate.choose import Chosen
from stages.curate.pool import Pool

Tags = Mapping[tuple[str, str], list[str]]


@dataclass(frozen=True)
class Listening:
    """A pair to listen to: the copied file, its words and what the truth says."""

    file: str
    words: str


def copied_examples(
    folder: Path, pool: Pool, chosen: Chosen, settings: Curate, tags: Tags, seed: int
) -> tuple[list[Listening], list[Listening]]:
    """Copy clips into the folder: of random kept pairs, most similar first, and of random clips without a pair.

    A clip without a pair stands with its nearest candidate caption.
    """
    new, count = chosen.new.found, settings.examples
    if not count or not len(new):
        return [], []
    drawn = generator(seed, "curate", "kept").permutation(len(new))[:count]
    drawn = drawn[np.argsort(-new.score[drawn], kind="stable")]
    without = np.setdiff1d(np.arange(len(pool.audio_rows)), new.clip)
    left = np.sort(generator(seed, "curate", "rejected").permutation(without)[:count])
    clips = _Clips(folder, pool, tags, np.concatenate([new.clip[drawn], left]))
    kept = [
        clips.copied(f"kept_{number:02d}.flac", new.clip[pair], new.caption[pair], f"{new.score[pair]:.3f}")
        for number, pair in enumerate(drawn, start=1)
    ]
    if not len(left):
        return kept, []
    rows = chosen.new.rows
    asked = np.concatenate([rows.audio[row : row + 1] for row in left.tolist()])
    caption, score = top_k(asked, rows.text, 1)
    rejected = [
        clips.copied(
            f"rejected_{number:02d}.flac", clip, chosen.candidates[caption[place, 0]], f"{score[place, 0]:.3f} at most"
        )
        for number, (place, clip) in enumerate(enumerate(left.tolist()), start=1)
    ]
    return kept, rejected


class _Clips:
    """Copies clips of the pool, and says of each what it was given and what is really heard."""

    def __init__(self, folder: Path, pool: Pool, tags: Tags, wanted: np.ndarray) -> None:
        self.folder, self.pool, self.tags, self.reader = folder, pool, tags, ShardReader()
        keys = pool.audio_rows.iloc[np.unique(wanted)][["dataset", "clip_id"]]
        clips = CLIPS.read("data/roles/unpaired.parquet").merge(keys)  # the few that are copied
        self.sources: dict[tuple[str, str], Any] = {
            (row.dataset, row.clip_id): row for row in clips.itertuples(index=False)
        }

    def copied(self, file: str, clip: int, caption: int, score: str) -> Listening:
        key = tuple(self.pool.audio_rows.iloc[clip][["dataset", "clip_id"]])
        text = self.pool.text_rows["text"].iloc[caption]
        source = self.sources[key]
        (self.folder / file).write_bytes(listening_copy(self.reader.read_bytes(source)))
        heard = ", ".join(self.tags.get(key, [])) or "unknown"
        return Listening(file, f"“{text}” (score {score}; really heard: {heard}){credit(source)}")
