"""What curation chooses from: embeddings with the rows that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from clapline.embeddings import read_embeddings
from clapline.errors import UserError
from clapline.search import Rows
from stages.curate.thresholds import evenly_spaced

_SAMPLE_ROWS = 2000


@dataclass(frozen=True)
class Pool:
    """Embeddings of clips `(n, dim)`, which may lie on disk, and of captions `(m, dim)`, with their rows."""

    audio: Rows
    text: np.ndarray
    audio_rows: pd.DataFrame
    text_rows: pd.DataFrame


def read_pool(folder: Path | str) -> Pool:
    """Read what embed wrote. Raises UserError when it is missing, damaged, or clips and captions do not fit."""
    audio, text = read_embeddings(folder, "audio"), read_embeddings(folder, "text")
    if len(audio) and audio.shape[1] != text.shape[1]:
        raise UserError(f"{folder}: clips have {audio.shape[1]} dimensions, captions {text.shape[1]}; run embed again")
    return Pool(audio, text.matrix(), audio.ids().to_pandas(), text.ids().to_pandas())


def sampled_similarities(audio: Rows, text: np.ndarray) -> np.ndarray:
    """Return the products of at most 2,000 evenly spaced clips with 2,000 evenly spaced captions, flat."""
    rows = np.concatenate([audio[row : row + 1] for row in evenly_spaced(len(audio), _SAMPLE_ROWS).tolist()])
    columns = text[evenly_spaced(len(text), _SAMPLE_ROWS)]
    return (rows.astype(np.float64) @ columns.astype(np.float64).T).astype(np.float32).ravel()
