"""Validation: text-to-audio mAP@10 on the validation clips, which alone chooses the kept weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor

from clapline.metrics.retrieval import Relevance, average_precision_at_k, relevant_ranks
from clapline.model.clap import Clap
from clapline.model.encode import encode_features


class Validation:
    """The validation clips' features and captions; equal captions are one query, relevant to all their clips."""

    def __init__(self, clips: pd.DataFrame, features: Tensor) -> None:
        self.features = features
        self.captions = sorted({caption for captions in clips.captions for caption in captions})
        places = {caption: place for place, caption in enumerate(self.captions)}
        pairs = [(places[caption], row) for row, captions in enumerate(clips.captions) for caption in captions]
        queries, items = np.array(pairs).T
        self.relevance = Relevance.from_pairs(queries, items, len(self.captions), len(clips))

    def map10(self, clap: Clap) -> float:
        """Return text-to-audio mAP@10 in [0, 1]."""
        audio = encode_features(clap, self.features)
        text = clap.encode_texts(self.captions)
        if not (np.isfinite(audio).all() and np.isfinite(text).all()):
            return float("nan")
        return float(average_precision_at_k(relevant_ranks(text, audio, self.relevance), self.relevance, 10).mean())
