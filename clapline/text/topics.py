"""Fitted topics that outlive their fit: words and centroids per topic, and the embedding that places new captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from clapline.storage import atomic_path, read_json, write_json
from clapline.text.embedding import TFIDF, CaptionEmbedder, SentenceEmbedder, TfidfSvd

OUTLIER = -1
_AT_ONCE = 16384
_SLACK = 1e-5  # a caption on the very radius, where the last bits of a sum must not decide
_INSIDE = 0.95  # share of a topic's captions that its radius takes in


class NoEmbedding:
    """What stands for an embedding where no caption holds a word that one could be learnt from."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return `(n, 1)` zeros."""
        return np.zeros((len(texts), 1), np.float32)


@dataclass(frozen=True)
class Topics:
    """Topics 0 … k-1, largest first.

    Attributes:
        embedding: `tfidf` or the id of a sentence encoder.
        words: the words that tell each topic from the others, most telling first.
        centroids: unit mean of each topic's caption vectors, `(k, dim)` float32.
        radii: the cosine to its centroid that 95 % of a topic's own captions reach, `(k,)` float32.
        embedder: what turns captions into vectors.
    """

    embedding: str
    words: list[list[str]]
    centroids: np.ndarray
    radii: np.ndarray
    embedder: CaptionEmbedder

    def assign(self, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest topic of each caption, `(n,)` int, and its cosine, `(n,)` float32.

        A caption that lies farther from that centroid than 95 % of the topic's own did is an outlier, -1.
        """
        found = np.full(len(captions), OUTLIER)
        best = np.zeros(len(captions), np.float32)
        if not len(self.centroids):
            return found, best
        for start in range(0, len(captions), _AT_ONCE):
            cosines = self.embedder.encode(captions[start : start + _AT_ONCE]) @ self.centroids.T
            part = slice(start, start + len(cosines))
            nearest = cosines.argmax(axis=1)
            best[part] = cosines[np.arange(len(nearest)), nearest]
            found[part] = np.where(best[part] >= self.radii[nearest] - _SLACK, nearest, OUTLIER)
        return found, best

    def save(self, folder: Path | str) -> None:
        """Write `topics.json` and `topics.safetensors` into the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"centroids": self.centroids, "radii": self.radii}
        description: dict[str, object] = {"embedding": self.embedding, "words": self.words}
        if isinstance(self.embedder, TfidfSvd):
            description["vocabulary"] = self.embedder.vocabulary
            arrays |= {"idf": self.embedder.idf, "components": self.embedder.components}
        write_json(folder / "topics.json", description)
        contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        with atomic_path(folder / "topics.safetensors") as temporary:
            temporary.write_bytes(save(contiguous))

    @classmethod
    def load(cls, folder: Path | str) -> Topics:
        """Read saved topics back."""
        folder = Path(folder)
        description = read_json(folder / "topics.json")
        arrays = load_file(folder / "topics.safetensors")
        embedder: CaptionEmbedder
        if not description["words"]:
            embedder = NoEmbedding()
        elif description["embedding"] == TFIDF:
            embedder = TfidfSvd(description["vocabulary"], arrays["idf"], arrays["components"])
        else:
            embedder = SentenceEmbedder(description["embedding"])
        return cls(description["embedding"], description["words"], arrays["centroids"], arrays["radii"], embedder)


def centroids_of(vectors: np.ndarray, topics: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit centroids `(count, dim)` and radii `(count,)` of unit rows `(n, dim)` in topics `(n,)`."""
    centroids = np.zeros((count, vectors.shape[1]), np.float32)
    radii = np.zeros(count, np.float32)
    for topic in range(count):
        members = vectors[topics == topic]
        mean = members.mean(axis=0)
        centroids[topic] = mean / max(float(np.linalg.norm(mean)), 1e-9)
        radii[topic] = np.quantile(members @ centroids[topic], 1 - _INSIDE, method="lower")
    return centroids, radii
