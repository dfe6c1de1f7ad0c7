"""What a strategy chooses of a pool: new pairs, original pairs near a label, and the captions that it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from clapline.errors import UserError
from clapline.params.curate import Curate
from clapline.search import Engine, highest_similarity, similarities
from clapline.tables.pairs import PAIRS
from stages.curate.found import Found, first_of_each
from stages.curate.pool import Pool, sampled_similarities
from stages.curate.strategies import Matches, matches, nearest_label


@dataclass(frozen=True)
class Chosen:
    """What a strategy chose of a pool."""

    new: Matches  # of unpaired clips and captions
    similarity: np.ndarray  # cosines of the new pairs
    original: np.ndarray  # caption rows kept as their own clip's pair (DS)
    label_similarity: np.ndarray | None  # m_j of every caption row; None without labels
    candidates: np.ndarray  # caption rows that could meet a clip
    domain: np.ndarray | None  # caption rows that DS would keep, whatever the strategy; None without labels


class Watch(Protocol):
    """Looks at the new pairs before the guards."""

    def know(self, near_labels: np.ndarray | None) -> None:
        """Take J, the caption rows near a label, before the first pair; None: there are no labels."""

    def add(self, found: Found) -> None:
        """Take a block of pairs."""


def choose(
    pool: Pool,
    settings: Curate,
    labels: np.ndarray | None,
    paired: set[tuple[str, str]],
    engine: Engine | None = None,
    watch: Watch | None = None,
) -> Chosen:
    """Apply the strategy.

    Args:
        pool: the embeddings and their rows.
        settings: strategy, thresholds, guards.
        labels: embedded prompts `(labels, dim)`; None: there are none, which DU and top_k do not mind.
        paired: the clips that training may pair.
        engine: what searches; None: exactly, on the CPU.
        watch: looks at every new pair before the guards.

    Without unpaired clips there are no new pairs.

    Raises:
        UserError: a threshold selects nothing of what there is, or the guards keep nothing of it.
    """
    engine = engine or Engine()
    candidates = first_of_each(pool.text_rows["text"].tolist())
    near = kept = domain = None
    original = np.empty(0, dtype=np.int64)
    if labels is not None:
        near = nearest_label(pool.text, labels)
        kept = near >= np.float32(settings.sigma_text_text)
        domain = np.flatnonzero(kept & _of_clips(pool, paired))
    if settings.strategy in ("ds", "ads"):
        if near is None or kept is None or domain is None:
            raise ValueError(f"strategy {settings.strategy} needs labels")
        original = _some(domain, settings, near, kept)
        candidates = candidates[kept[candidates]]
    if watch is not None:
        watch.know(None if kept is None else np.flatnonzero(kept))
    new = Matches(Found.none(), None)
    if settings.strategy != "ds" and len(pool.audio):
        new = matches(pool.audio, pool.text, candidates, settings, engine, watch and watch.add)
        if not new.steps["found"]:
            raise UserError(_nothing_found(new, settings))
        if not len(new.found):
            kept_by = ", ".join(f"{name}: {pairs:,}" for name, pairs in new.steps.items())
            raise UserError(f"curate: the guards keep no pair ({kept_by}); loosen them")
    cosines = similarities(pool.audio, pool.text, new.found.clip, new.found.caption)
    return Chosen(new, cosines, original, near, candidates, domain)


def _of_clips(pool: Pool, clips: set[tuple[str, str]]) -> np.ndarray:
    """Return which caption rows belong to one of the clips."""
    keys = zip(pool.text_rows["dataset"], pool.text_rows["clip_id"], strict=True)
    return np.fromiter((key in clips for key in keys), dtype=bool, count=len(pool.text_rows))


def _some(domain: np.ndarray, settings: Curate, near: np.ndarray, kept: np.ndarray) -> np.ndarray:
    if not kept.any():
        raise UserError(_nothing("curate.sigma_text_text", settings.sigma_text_text, near.max(), near))
    if not len(domain):
        raise UserError(
            f"curate.strategy = {settings.strategy!r}: {int(kept.sum())} captions are near a label, but none "
            "belongs to a training clip of role paired; let role text name the paired dataset, or take strategy du"
        )
    return domain


def _nothing_found(new: Matches, settings: Curate) -> str:
    if settings.strategy == "top_k" or settings.quantile_audio_text is not None:
        return f"curate: the search ({settings.search}) finds no pair at all; take search: exact"
    highest = highest_similarity(new.rows.audio, new.rows.text)
    sample = sampled_similarities(new.rows.audio, new.rows.text)
    return _nothing("curate.sigma_audio_text", settings.sigma_audio_text, highest, sample)


def _nothing(key: str, value: float, highest: float, similarities: np.ndarray) -> str:
    quantile = float(np.quantile(similarities, 0.999))
    return (
        f"{key} = {value} selects nothing: the highest similarity seen is {float(highest):.4f}, "
        f"and 1 in 1,000 pairs reaches {quantile:.4f}; lower the threshold"
    )


def pair_table(pool: Pool, chosen: Chosen, strategy: str) -> pd.DataFrame:
    """Return the chosen pairs with the columns of `tables.pairs`; original pairs carry m_j as their similarity."""
    new = chosen.new.found
    parts: Sequence[tuple[pd.DataFrame, np.ndarray, np.ndarray, str]] = [
        (pool.audio_rows.iloc[new.clip], new.caption, chosen.similarity, strategy)
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
