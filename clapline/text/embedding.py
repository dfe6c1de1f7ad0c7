"""Captions as vectors for topics: TF-IDF with SVD, which needs no model, or a sentence encoder by id."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from clapline.errors import UserError

TFIDF = "tfidf"
_LATENT_DIMENSIONS = 64
_BATCH = 8


class CaptionEmbedder(Protocol):
    """Anything that turns captions into rows of equal length."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return `(n, dim)` float32 unit rows; a caption of which nothing is known gives a row of zeros."""
        ...


class TfidfSvd:
    """TF-IDF over words that carry meaning, folded to a few latent dimensions (latent semantic analysis).

    Attributes:
        vocabulary: the words, in the order of the columns.
        idf: inverse document frequency per word, `(words,)`.
        components: right singular vectors, `(dim, words)`, rounded to 5 decimals.
    """

    def __init__(self, vocabulary: Sequence[str], idf: np.ndarray, components: np.ndarray) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vocabulary = list(vocabulary)
        self.idf = idf
        self.components = components
        self._vectorizer = TfidfVectorizer(vocabulary=self.vocabulary, sublinear_tf=True, dtype=np.float64)
        self._vectorizer.idf_ = idf

    @classmethod
    def fit(cls, texts: Sequence[str], random_state: int) -> TfidfSvd:
        """Learn vocabulary, idf and latent dimensions (at most 64) from captions.

        Raises ValueError when no caption holds a word beyond English stop words.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True)
        weights = vectorizer.fit_transform(texts)
        words = list(vectorizer.get_feature_names_out())
        dimensions = min(_LATENT_DIMENSIONS, len(words), len(texts))
        svd = TruncatedSVD(dimensions, random_state=random_state).fit(weights)
        # The last bits of a decomposition hang on where arrays lie in memory: they are rounded away, so that equal
        # captions give equal topics in every run.
        return cls(words, np.round(vectorizer.idf_, 6), np.round(svd.components_, 5))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return `(n, dim)` float32 unit rows; zeros where a caption shares no word with the vocabulary."""
        return _unit_rows(self._vectorizer.transform(texts) @ self.components.T)


class SentenceEmbedder:
    """A sentence-transformers model, by id or folder. Loading it prints nothing.

    Raises UserError when the model is not to be had or its files cannot be read.
    """

    def __init__(self, model: str) -> None:
        from sentence_transformers import SentenceTransformer

        from clapline.model.lookup import find_model

        folder = find_model(model)
        try:
            with _silence():
                # On the CPU whatever the machine has: the same captions must give the same topics and similarities.
                self._model = SentenceTransformer(str(folder), device="cpu")
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"model {model!r}: {folder} holds no sentence encoder that can be read ({reason})"
            ) from None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return `(n, dim)` float32 unit rows; zeros for an empty caption.

        On one kind of processor a row depends on its own text only, to the last bit: texts are encoded in batches of
        one size and one number of tokens, by one thread, so that neither padding nor a batch's size nor the number of
        threads enters the sums.
        """
        known = [place for place, text in enumerate(texts) if text.strip()]
        alike: dict[int, list[int]] = defaultdict(list)
        for place, length in zip(known, self._lengths([texts[place] for place in known]), strict=True):
            alike[length].append(place)
        rows = np.zeros((len(texts), self._encoded(["."]).shape[1]), dtype=np.float32)
        for _, places in sorted(alike.items()):
            filled = places + places[:1] * (-len(places) % _BATCH)
            rows[places] = self._encoded([texts[place] for place in filled])[: len(places)]
        return _unit_rows(rows)

    def _encoded(self, texts: list[str]) -> np.ndarray:
        with _one_thread():
            return self._model.encode(texts, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)

    def _lengths(self, texts: list[str]) -> list[int]:
        if not texts:
            return []
        longest = self._model.max_seq_length
        found = self._model.tokenizer(texts, truncation=longest is not None, max_length=longest)["input_ids"]
        return [len(ids) for ids in found]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch sum with one thread for a while: with two the last bits are others."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep a library's bar ("Loading weights") off the terminal for a while."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _unit_rows(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    known = lengths > 1e-9
    return np.where(known, vectors / np.where(known, lengths, 1), 0).round(6).astype(np.float32)
