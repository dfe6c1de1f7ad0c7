"""Scores of pairs that allow for what a caption, or a clip, usually reaches: a caption near everything is a hub.

Each is an inner product of the embeddings with two or three more columns, so that the same exact search finds pairs by
any of them. c(i, j) is the cosine of clip i and caption j.

    none      c(i, j)
    z_score   (c(i, j) - μ_j) / s_j, where μ_j and s_j are mean and deviation of caption j's cosines with all clips
    csls      2 c(i, j) - r(i) - r(j), where r is the mean cosine with the k nearest of the other side
              (Conneau et al., arXiv 1710.04087)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clapline.params.curate import Curate
from clapline.search import Engine, Rows, top_k

_ROWS_AT_ONCE = 65_536
_LEAST_DEVIATION = 1e-4  # of cosines; up to it a caption's cosines are all alike and tell nothing: its scores are 0


@dataclass(frozen=True)
class Scored:
    """Rows of clips `(n, dim)` and captions `(m, dim)` whose inner products are the scores."""

    audio: Rows
    text: np.ndarray


class Extended:
    """Rows with a factor and further columns, made when they are asked for: memory does not grow with the rows."""

    def __init__(self, rows: Rows, factor: float, columns: np.ndarray) -> None:
        self.rows, self.factor, self.columns = rows, np.float32(factor), columns.astype(np.float32)
        self.shape = (rows.shape[0], rows.shape[1] + columns.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice) -> np.ndarray:
        return np.concatenate([self.factor * np.asarray(self.rows[key], np.float32), self.columns[key]], axis=1)


def scored(audio: Rows, text: np.ndarray, settings: Curate, engine: Engine) -> Scored:
    """Return rows whose inner products are the scores that `settings.calibration` names."""
    if settings.calibration == "none" or not len(audio) or not len(text):
        return Scored(audio, text)
    if settings.calibration == "z_score":
        mean, deviation = background(audio, text)
        slope = np.where(deviation > _LEAST_DEVIATION, 1 / np.maximum(deviation, _LEAST_DEVIATION), 0.0)
        text = np.concatenate([text * slope[:, None], -(mean * slope)[:, None]], axis=1)
        return Scored(Extended(audio, 1.0, np.ones((len(audio), 1))), text.astype(np.float32))
    # Exactly, whatever searches for pairs: an inexact engine is then judged by the same scores.
    exact = Engine(device=engine.device)
    of_clips = neighbourhood(audio, text, settings.calibration_neighbours, exact)
    of_captions = neighbourhood(text, audio, settings.calibration_neighbours, exact)
    columns = np.stack([-of_clips, np.ones(len(audio))], axis=1)
    text = np.concatenate([text, np.ones((len(text), 1)), -of_captions[:, None]], axis=1)
    return Scored(Extended(audio, 2.0, columns), text.astype(np.float32))


def background(audio: Rows, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each caption's cosines with all clips, `(m,)` float64 each.

    From the clips' mean and second moments alone: one pass over the clips, no cosine is computed.
    """
    dim = audio.shape[1]
    total, moments = np.zeros(dim), np.zeros((dim, dim))
    for start in range(0, len(audio), _ROWS_AT_ONCE):
        rows = np.asarray(audio[start : start + _ROWS_AT_ONCE], np.float64)
        total += rows.sum(axis=0)
        moments += rows.T @ rows
    centre = total / len(audio)
    covariance = moments / len(audio) - np.outer(centre, centre)
    wide = text.astype(np.float64)
    variance = np.einsum("md,md->m", wide @ covariance, wide)
    return wide @ centre, np.sqrt(np.maximum(variance, 0.0))


def neighbourhood(rows: Rows, others: Rows, neighbours: int, engine: Engine) -> np.ndarray:
    """Return each row's mean cosine with its nearest `others`, `(rows,)` float64."""
    return top_k(rows, others, neighbours, engine=engine)[1].mean(axis=1, dtype=np.float64)
