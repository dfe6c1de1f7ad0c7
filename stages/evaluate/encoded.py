"""What one model makes of everything the benchmarks ask about; each clip and each text encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clapline.metrics.sanity import check_embeddings
from clapline.metrics.similarity import Gallery
from stages.evaluate.benchmarks import Hierarchy, Retrieval, ZeroShot

ROOT = ""  # the most abstract text, where a traversal ends


@dataclass(frozen=True)
class Suites:
    """All benchmarks of a run."""

    retrieval: list[Retrieval]
    zero_shot: list[ZeroShot]
    hierarchy: list[Hierarchy]

    def clips(self) -> pd.DataFrame:
        """Return every clip asked about, once, by dataset and id.

        The tags of clips that are to be classified or traversed are left out: there they may say what is asked.
        """
        untagged = [benchmark.clips for benchmark in (*self.zero_shot, *self.hierarchy)]
        untagged = [frame.assign(tags=[[] for _ in range(len(frame))]) for frame in untagged]
        frames = [*untagged, *(benchmark.clips for benchmark in self.retrieval)]
        distinct = pd.concat(frames, ignore_index=True).drop_duplicates(["dataset", "clip_id"])
        return distinct.sort_values(["dataset", "clip_id"], kind="stable").reset_index(drop=True)

    def texts(self) -> list[str]:
        """Return every text asked with, once, sorted."""
        texts: set[str] = set()
        for benchmark in self.retrieval:
            texts.update(benchmark.captions, *(variant.words for variant in benchmark.variants))
        for labelled in self.zero_shot:
            texts.update(*labelled.sentences)
        for hierarchy in self.hierarchy:
            texts.update(hierarchy.captions)
        return sorted(texts)


@dataclass(frozen=True)
class Encoded:
    """Clips and unit text embeddings of one model, found by clip and by text."""

    name: str
    audio: Gallery
    text: np.ndarray
    root: np.ndarray
    clip_rows: dict[tuple[str, str], int]
    text_rows: dict[str, int]

    def of_clips(self, clips: pd.DataFrame) -> Gallery:
        """Return the clips of a data frame, in its order."""
        return self.audio.take([self.clip_rows[key] for key in zip(clips["dataset"], clips["clip_id"], strict=True)])

    def of_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts, `(texts, dim)`."""
        return self.text[[self.text_rows[text] for text in texts]]


def encode(
    name: str,
    suites: Suites,
    encode_clips: Callable[[pd.DataFrame], Gallery],
    encode_texts: Callable[[list[str]], np.ndarray],
) -> Encoded:
    """Encode all clips and texts with the two functions of a model. Raises UserError on unusable embeddings."""
    clips, texts = suites.clips(), suites.texts()
    audio = encode_clips(clips)
    audio.check(f"{name}: clips", len(clips))
    with_root = encode_texts([ROOT, *texts])
    text = check_embeddings(f"{name}: texts", with_root[1:], len(texts))
    keys = zip(clips["dataset"], clips["clip_id"], strict=True)
    return Encoded(
        name,
        audio,
        text,
        _root(with_root[0], text),
        {key: row for row, key in enumerate(keys)},
        {words: row for row, words in enumerate(texts)},
    )


def _root(empty: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Return where traversals end: the embedding of the empty text.

    A tower that knows no start token may leave the empty text without a direction; then the mean of all texts, the root
    that MERU gives to models without one.
    """
    if np.isfinite(empty).all() and np.linalg.norm(empty) > 0.5:
        return empty
    mean = text.astype(np.float64).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
