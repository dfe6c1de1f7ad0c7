"""Validation: text-to-audio mAP@10 on the validation clips, which alone chooses the kept weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from clapline.metrics.retrieval import Relevance, average_precision_at_k, relevant_ranks
from clapline.metrics.similarity import Gallery
from clapline.model.clap import Clap
from clapline.model.encode import encode_batch, gallery_of_inputs, with_tags
from clapline.model.inputs import AudioInputs
from stages.train.clip_inputs import ClipInputs


class Validation:
    """The validation clips and their captions; equal captions are one query, relevant to all their clips.

    Args:
        clips: rows of a clip table with split val.
        inputs: what the audio encoder gets of each row, the same each time: no crop is drawn.
    """

    def __init__(self, clips: pd.DataFrame, inputs: ClipInputs) -> None:
        self.inputs = inputs
        self.tags: list[Sequence[str]] = list(clips.tags) if "tags" in clips else [()] * len(clips)
        self.captions = sorted({caption for captions in clips.captions for caption in captions})
        places = {caption: place for place, caption in enumerate(self.captions)}
        pairs = [(places[caption], row) for row, captions in enumerate(clips.captions) for caption in captions]
        queries, items = np.array(pairs).T
        self.relevance = Relevance.from_pairs(queries, items, len(self.captions), len(clips))

    def map10(self, clap: Clap) -> float:
        """Return text-to-audio mAP@10 in [0, 1]; NaN when the model's embeddings are no numbers."""
        gallery = gallery_of_inputs(clap, self._batches(clap))
        text = clap.encode_texts(self.captions)
        # A model that gives all clips one embedding is scored all the same (ties count against it): it may recover.
        if not (np.isfinite(text).all() and _finite(gallery)):
            return float("nan")
        return float(average_precision_at_k(relevant_ranks(text, gallery, self.relevance), self.relevance, 10).mean())

    def _batches(self, clap: Clap) -> Iterator[AudioInputs]:
        size = encode_batch(clap.front_end)
        for start in range(0, len(self.tags), size):
            rows = range(start, min(start + size, len(self.tags)))
            yield with_tags(clap, self.inputs.inputs(rows, 0), [self.tags[row] for row in rows])


def _finite(gallery: Gallery) -> bool:
    vectors = getattr(gallery, "vectors", None)
    if vectors is not None:
        return bool(np.isfinite(vectors).all())
    return bool(gallery.frames[gallery.mask].isfinite().all())
