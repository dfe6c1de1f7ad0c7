"""What curation chooses from: embeddings with their rows, and what DS needs beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from clapline.errors import UserError
from clapline.params.curate import Curate
from clapline.search import highest_similarity
from clapline.tables.embeddings import AUDIO_ROWS, TEXT_ROWS
from clapline.tables.pairs import PAIRS
from stages.curate.strategies import Found, first_of_each, guarded, near_pairs, nearest_label

_SAMPLE_ROWS = 2000


@dataclass(frozen=True)
class Pool:
    """Embeddings `(n, dim)` and `(m, dim)` with the rows they stand for."""

    audio: np.ndarray
    text: np.ndarray
    audio_rows: pd.DataFrame
    text_rows: pd.DataFrame


@dataclass(frozen=True)
class Chosen:
    """What a strategy chose: pairs with unpaired clips, original pairs near a label, and the captions it looked at."""

    new: Found  # of unpaired clips and captions
    original: np.ndarray  # caption rows kept as their own clip's pair (DS)
    label_similarity: np.ndarray | None  # m_j of every caption row, for DS and ADS
    candidates: np.ndarray  # caption rows that could meet a clip
    before_guards: int


def read_pool(folder: Path | str) -> Pool:
    """Read what embed wrote. Raises UserError when matrices and rows do not match."""
    folder = Path(folder)
    if not (folder / "embeddings.safetensors").exists():
        raise UserError(f"{folder}/embeddings.safetensors: no such file; run the stage embed")
    matrices = load_file(folder / "embeddings.safetensors")
    pool = Pool(
        matrices["audio"],
        matrices["text"],
        AUDIO_ROWS.read(folder / "audio.parquet"),
        TEXT_ROWS.read(folder / "text.parquet"),
    )
    if len(pool.audio) != len(pool.audio_rows) or len(pool.text) != len(pool.text_rows):
        raise UserError(f"{folder}: embeddings and their rows differ in number; run the stage embed again")
    return pool


def choose(pool: Pool, settings: Curate, labels: np.ndarray | None, paired: set[tuple[str, str]]) -> Chosen:
    """Apply the strategy. `labels` are the embedded prompts `(labels, dim)`; `paired` the clips training may pair.

    Without unpaired clips there are no pairs to choose: DU gives none, ADS what DS gives. Raises UserError when a
    threshold selects nothing of what there is.
    """
    distinct = first_of_each(pool.text_rows["text"].tolist())
    near, original, candidates = None, np.empty(0, dtype=np.int64), distinct
    if settings.strategy != "du":
        near = nearest_label(pool.text, labels)
        kept = near >= np.float32(settings.sigma_text_text)
        if not kept.any():
            raise UserError(_nothing("curate.sigma_text_text", settings.sigma_text_text, near.max(), near))
        keys = zip(pool.text_rows["dataset"], pool.text_rows["clip_id"], strict=True)
        original = np.flatnonzero(kept & np.fromiter((key in paired for key in keys), dtype=bool, count=len(kept)))
        if not len(original):
            raise UserError(
                f"curate.strategy = {settings.strategy!r}: {int(kept.sum())} captions are near a label, but none "
                "belongs to a training clip of role paired; let role text name the paired dataset, or take strategy du"
            )
        candidates = distinct[kept[distinct]]
    new = Found(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    if settings.strategy != "ds":
        new = near_pairs(pool.audio, pool.text, candidates, settings.sigma_audio_text)
        if not len(new) and len(pool.audio):
            raise UserError(
                _nothing(
                    "curate.sigma_audio_text",
                    settings.sigma_audio_text,
                    highest_similarity(pool.audio, pool.text[candidates]),
                    sampled_similarities(pool.audio, pool.text[candidates]),
                )
            )
    before = len(new)
    new = guarded(new, settings.maximum_captions_per_clip, settings.maximum_clips_per_caption)
    return Chosen(new, original, near, candidates, before)


def sampled_similarities(audio: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Return the similarities of at most 2,000 evenly spaced clips with 2,000 evenly spaced captions, flat."""
    rows, columns = audio[_spread(len(audio))], text[_spread(len(text))]
    return (rows.astype(np.float64) @ columns.astype(np.float64).T).astype(np.float32).ravel()


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, _SAMPLE_ROWS)).round().astype(np.int64))


def _nothing(key: str, value: float, highest: float, similarities: np.ndarray) -> str:
    quantile = float(np.quantile(similarities, 0.999))
    return (
        f"{key} = {value} selects nothing: the highest similarity seen is {float(highest):.4f}, "
        f"and 1 in 1,000 pairs reaches {quantile:.4f}; lower the threshold"
    )


def pair_table(pool: Pool, chosen: Chosen, strategy: str) -> pd.DataFrame:
    """Return the chosen pairs with the columns of `tables.pairs`; original pairs carry m_j as their similarity."""
    parts: Sequence[tuple[pd.DataFrame, np.ndarray, np.ndarray, str]] = [
        (pool.audio_rows.iloc[chosen.new.clip], chosen.new.caption, chosen.new.similarity, strategy)
    ]
    if len(chosen.original):
        owners = pool.text_rows.iloc[chosen.original]
        parts = [*parts, (owners, chosen.original, chosen.label_similarity[chosen.original], "ds")]
    if not any(len(captions) for _, captions, _, _ in parts):
        return PAIRS.frame()
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "dataset": clips["dataset"].to_numpy(),
                    "clip_id": clips["clip_id"].to_numpy(),
                    "text_dataset": pool.text_rows["dataset"].to_numpy()[captions],
                    "text_clip_id": pool.text_rows["clip_id"].to_numpy()[captions],
                    "caption_index": pool.text_rows["caption_index"].to_numpy()[captions],
                    "text": pool.text_rows["text"].to_numpy()[captions],
                    "similarity": similarity.astype(np.float64),
                    "strategy": name,
                }
            )
            for clips, captions, similarity, name in parts
            if len(captions)
        ],
        ignore_index=True,
    )
