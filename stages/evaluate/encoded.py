"""What one model makes of everything the benchmarks ask about; each clip and each text encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from clapline.errors import UserError
from clapline.metrics.sanity import check_embeddings, check_variances
from clapline.metrics.scores import Score, Side, ensemble, total_variance
from clapline.metrics.similarity import Gallery
from stages.evaluate.benchmarks import Hierarchy, Retrieval, ZeroShot
from stages.evaluate.understanding import Twins

ROOT = ""  # the most abstract text, where a traversal ends


@dataclass(frozen=True)
class Suites:
    """All benchmarks of a run. `by_captions` has the retrieval benchmarks of the protocols that count otherwise."""

    retrieval: list[Retrieval]
    zero_shot: list[ZeroShot]
    hierarchy: list[Hierarchy]
    twins: list[Twins] = field(default_factory=list)
    by_captions: dict[str, list[Retrieval]] = field(default_factory=dict)

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
        for twins in self.twins:
            texts.update(twins.words)
        for labelled in self.zero_shot:
            texts.update(*labelled.sentences, *labelled.templates.values())
        for hierarchy in self.hierarchy:
            texts.update(hierarchy.captions)
        return sorted(texts)


@dataclass(frozen=True)
class Encoded:
    """Clips and texts of one model, found by clip and by text.

    `log_variances` holds those of clips and texts, `(clips, dim)` and `(texts, dim)`, where the model's embeddings are
    Gaussians; an ensemble has none.
    """

    name: str
    audio: Side
    text: Side
    root: np.ndarray
    clip_rows: dict[tuple[str, str], int]
    text_rows: dict[str, int]
    log_variances: tuple[np.ndarray, np.ndarray] | None = None
    members: tuple[Encoded, ...] = ()  # of an ensemble

    def rows_of(self, clips: pd.DataFrame) -> list[int]:
        """Return where the clips of a data frame are. Raises UserError when one was not encoded."""
        keys = list(zip(clips["dataset"], clips["clip_id"], strict=True))
        strange = [key for key in keys if key not in self.clip_rows]
        if strange:
            raise UserError(
                f"{self.name}: {len(strange)} clips were not encoded, such as {strange[0]}; ids do not match"
            )
        return [self.clip_rows[key] for key in keys]

    def rows_of_texts(self, texts: Sequence[str]) -> list[int]:
        """Return where texts are. Raises UserError when one was not encoded."""
        strange = [text for text in texts if text not in self.text_rows]
        if strange:
            raise UserError(f"{self.name}: {len(strange)} texts were not encoded, such as {strange[0]!r}")
        return [self.text_rows[text] for text in texts]

    def of_clips(self, clips: pd.DataFrame) -> Side:
        """Return the clips of a data frame, in its order."""
        return self.audio.take(self.rows_of(clips))

    def of_texts(self, texts: Sequence[str]) -> Side:
        """Return the embeddings of texts, in their order."""
        return self.text.take(self.rows_of_texts(texts))


def encode(
    name: str,
    suites: Suites,
    encode_clips: Callable[[pd.DataFrame], Gallery],
    encode_texts: Callable[[list[str]], tuple[np.ndarray, np.ndarray | None]],
    score: Score = "distance",
) -> Encoded:
    """Encode all clips and texts with the two functions of a model. Raises UserError on unusable embeddings.

    `encode_texts` gives unit embeddings and, of Gaussians, their log variances, as `Clap.encode_text_gaussians` does.
    """
    clips, texts = suites.clips(), suites.texts()
    audio = encode_clips(clips)
    audio.check(f"{name}: clips", len(clips))
    with_root, log_variance = encode_texts([ROOT, *texts])
    text = check_embeddings(f"{name}: texts", with_root[1:], len(texts))
    own = getattr(audio, "log_variance", None)
    gaussian = own is not None and log_variance is not None
    variances = (own, check_variances(f"{name}: texts", log_variance[1:])) if gaussian else None
    widths: list[np.ndarray | None] = [None, None]
    if variances and score == "distance":
        totals = [total_variance(width) for width in variances]
        # About their mean, which changes no order: beside a large one float32 would lose what separates two.
        widths = [total - total.mean() for total in totals]
    keys = zip(clips["dataset"], clips["clip_id"], strict=True)
    return Encoded(
        name,
        Side(audio, widths[0]),
        Side(text, widths[1]),
        _root(with_root[0], text),
        {key: row for row, key in enumerate(keys)},
        {words: row for row, words in enumerate(texts)},
        variances,
    )


def together(name: str, members: Sequence[Encoded]) -> Encoded:
    """Return an ensemble, which scores by the mean of its members' similarities. All have encoded the same."""
    first = members[0]
    if len(members) == 1:
        return Encoded(name, first.audio, first.text, first.root, first.clip_rows, first.text_rows, first.log_variances)
    audio, text = ensemble([member.audio for member in members], [member.text for member in members])
    root = np.concatenate([member.root for member in members]) / np.sqrt(len(members))
    known = first.clip_rows, first.text_rows
    return Encoded(name, audio, text, root.astype(np.float32), *known, members=tuple(members))


def _root(empty: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Return where traversals end: the embedding of the empty text.

    A tower that knows no start token may leave the empty text without a direction; then the mean of all texts, the root
    that MERU gives to models without one.
    """
    if np.isfinite(empty).all() and np.linalg.norm(empty) > 0.5:
        return empty
    mean = text.astype(np.float64).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
