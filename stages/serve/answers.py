"""What the page is told: nearest clips, nearest captions, and what other words move, as values for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from clapline.randomness import generator
from clapline.tables.clips import credit
from stages.serve.gallery import Embedded, Gallery
from stages.serve.model import ServedModel
from stages.serve.search import moved, order, percentile, scores

EXAMPLES = 5
MAXIMUM_PARAPHRASES = 8

Answer = dict[str, Any]


class Answers:
    """A model over a gallery, with the paraphrases that are known of the gallery's captions."""

    def __init__(self, model: ServedModel, gallery: Gallery, embedded: Embedded, paraphrases: pd.DataFrame) -> None:
        self.model, self.gallery, self._embedded = model, gallery, embedded
        self._rows = list(gallery.clips.itertuples(index=False))
        self._paraphrases = known_paraphrases(paraphrases, gallery)

    @property
    def has_paraphrases(self) -> bool:
        """Whether any caption of the gallery has a paraphrase."""
        return bool(self._paraphrases)

    def clip(self, row: int) -> Any | None:
        """Return a row of the clip table; None where there is no such row."""
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def examples(self, seed: int) -> list[str]:
        """Return five captions, or fewer, drawn by the seed; where some have paraphrases, of those."""
        texts = self.gallery.texts
        chosen = [text for text in texts if _plain(text) in self._paraphrases] or texts
        places = generator(seed, "search", "examples").permutation(len(chosen))[:EXAMPLES]
        return [chosen[place] for place in places]

    def search(self, query: str, count: int) -> Answer:
        """Return the clips nearest to a sentence."""
        asked = self.model.read([query])
        similarities = scores(asked, self._embedded.clips)[0]
        widths = self._embedded.clips.total_variance
        results = [
            {
                **self._shown(row),
                "rank": rank,
                "similarity": round(float(similarities[row]), 4),
                **_width(widths, row, widths),
            }
            for rank, row in enumerate(order(similarities)[:count].tolist(), start=1)
        ]
        return {
            "query": query,
            "clips": len(self.gallery),
            **_width(asked.total_variance, 0, self._embedded.texts.total_variance),
            "results": results,
        }

    def captions(self, samples: np.ndarray, count: int) -> Answer:
        """Return the captions nearest to a recording, mono at the rate that the model's clips are prepared at."""
        heard = self.model.hear(samples)
        similarities = scores(heard, self._embedded.texts)[0] if self.gallery.texts else np.empty(0, np.float32)
        texts, widths = self._embedded.texts, self._embedded.clips.total_variance
        captions = []
        for rank, place in enumerate(order(similarities)[:count].tolist(), start=1):
            text = self.gallery.texts[place]
            rows = self.gallery.rows_by_text[text]
            captions.append(
                {
                    "text": text,
                    "rank": rank,
                    "similarity": round(float(similarities[place]), 4),
                    "clips": len(rows),
                    "clip": self._shown(rows[0]),
                    **_width(texts.total_variance, place, texts.total_variance),
                }
            )
        return {
            "duration_s": round(len(samples) / self.model.features.prepared_rate_hz, 3),
            "texts": len(self.gallery.texts),
            **_width(heard.total_variance, 0, widths),
            "captions": captions,
        }

    def paraphrases(self, query: str, count: int) -> Answer:
        """Return what the stored paraphrases of a sentence move; none where it is no caption of the gallery."""
        known = self._paraphrases.get(_plain(query), [])[:MAXIMUM_PARAPHRASES]
        told: list[Answer] = []
        if known:
            own = set(self._own(query))
            before, *others = scores(self.model.read([query, *(one["text"] for one in known)]), self._embedded.clips)
            told = [
                {
                    **one,
                    "moved": [
                        {**self._shown(step.row), "before": step.before, "after": step.after, "own": step.own}
                        for step in moved(before, after, count, own)
                    ],
                }
                for one, after in zip(known, others, strict=True)
            ]
        return {"query": query, "clips": len(self.gallery), "paraphrases": told}

    def _own(self, query: str) -> list[int]:
        wanted = _plain(query)
        return [row for text, rows in self.gallery.rows_by_text.items() if _plain(text) == wanted for row in rows]

    def _shown(self, row: int) -> Answer:
        clip = self._rows[row]
        return {
            "row": row,
            "clip_id": clip.clip_id,
            "dataset": clip.dataset,
            "captions": list(clip.captions),
            "label": clip.label if isinstance(clip.label, str) else None,
            "duration_s": round(float(clip.duration_s), 3),
            "credit": credit(clip).strip(" []"),
            "audio": f"/clip/{row}",
        }


def known_paraphrases(paraphrases: pd.DataFrame, gallery: Gallery) -> dict[str, list[Answer]]:
    """Return the test paraphrases of the gallery's captions by plain caption, by level, each text once."""
    clips = set(zip(gallery.clips["dataset"], gallery.clips["clip_id"], strict=True))
    texts = {_plain(text) for text in gallery.texts}
    found: dict[str, list[Answer]] = {}
    tests = paraphrases[paraphrases["purpose"] == "test"].sort_values("level", kind="stable")
    for row in tests.itertuples(index=False):
        if (row.dataset, row.clip_id) not in clips or _plain(row.original) not in texts:
            continue
        one = {"text": row.text, "level": int(row.level), "model": row.model}
        known = found.setdefault(_plain(row.original), [])
        if one not in known:
            known.append(one)
    return found


def _plain(text: str) -> str:
    """Return a sentence as it is looked up: without case, outer spaces and the full stop."""
    return " ".join(text.split()).rstrip(".").casefold()


def _width(widths: np.ndarray | None, place: int, among: np.ndarray | None) -> Answer:
    """Return a Gaussian's total variance and its percentile among others; nothing of points."""
    if widths is None or among is None:
        return {}
    return {"variance": float(f"{widths[place]:.4g}"), "percentile": percentile(float(widths[place]), among)}
