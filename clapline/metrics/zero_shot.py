"""Zero-shot classification: each clip takes the class whose prompt is nearest."""

from __future__ import annotations

import numpy as np

from clapline.errors import UserError
from clapline.metrics.similarity import Items, similarities

_CLIPS_AT_ONCE = 4096


def class_embeddings(prompted: np.ndarray) -> np.ndarray:
    """Average unit embeddings of several prompts: `(prompts, classes, dim)` → unit rows `(classes, dim)`."""
    mean = prompted.astype(np.float64).mean(axis=0)
    lengths = np.linalg.norm(mean, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        raise UserError("zero-shot: the prompts of a class cancel each other; use other prompts")
    return (mean / lengths).astype(np.float32)


def classify(audio: Items, classes: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `(predicted, correct)`: int64 class indices and float64 zeros and ones, both `(clips,)`.

    `audio` is `(clips, dim)`, or clips without vectors; `classes` `(classes, dim)`, `truth` the right class index of
    each clip. A clip is correct only when its class is nearer than every other; among equals the prediction is a wrong
    class where there is one.
    """
    predicted, correct = np.empty(len(audio), dtype=np.int64), np.empty(len(audio))
    scores = similarities(audio, classes)
    for start in range(0, len(audio), _CLIPS_AT_ONCE):
        stop = min(start + _CLIPS_AT_ONCE, len(audio))
        others, right = scores(start, stop).copy(), truth[start:stop]
        rows = np.arange(stop - start)
        own = others[rows, right]
        others[rows, right] = -np.inf
        nearer = own > others.max(axis=1)
        predicted[start:stop] = np.where(nearer, right, others.argmax(axis=1))
        correct[start:stop] = nearer
    return predicted, correct


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts `(classes, classes)`; rows are the truth."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)
