"""The model that answers: sentences and recordings as sides of a comparison, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch

from clapline.audio.decode import resample
from clapline.metrics.scores import Side
from clapline.model.clap import Clap
from clapline.model.encode import gallery_of_inputs, with_tags
from clapline.model.front_ends.window import fit
from clapline.model.inputs import AudioInputs
from clapline.params.features import Features
from stages.serve.gallery import side


class ServedModel:
    """A model in evaluation mode, asked by many threads: each question waits for the one before."""

    def __init__(self, clap: Clap) -> None:
        self._clap = clap.eval()
        self._lock = threading.Lock()

    @property
    def features(self) -> Features:
        """What the model hears of a clip; `prepared_rate_hz` is the rate to decode at."""
        return self._clap.settings.features

    @property
    def gaussian(self) -> bool:
        """Whether embeddings have variances."""
        return self._clap.settings.head.distribution == "gaussian"

    def read(self, sentences: Sequence[str]) -> Side:
        """Return sentences as queries."""
        with self._lock:
            return side(*self._clap.encode_text_gaussians(sentences))

    def hear(self, samples: np.ndarray) -> Side:
        """Return a recording, mono at `features.prepared_rate_hz`, as a query."""
        features = self.features
        heard, valid = fit(resample(samples, features.prepared_rate_hz, features.sample_rate_hz), features)
        inputs = AudioInputs(
            valid=torch.tensor([valid], dtype=torch.float32), waveforms=torch.from_numpy(heard.copy())[None]
        )
        with self._lock:
            clips = gallery_of_inputs(self._clap, [with_tags(self._clap, inputs, [[]])])
        return side(clips, getattr(clips, "log_variance", None))
