"""Retrieval from a relevance table: any number of relevant items per query, ties counted pessimistically.

The ranks of the relevant items are found once, in tiles of queries and items; every measure is then a sum over ranks.
Cost: queries · gallery · dim multiplications in float64, and one comparison per gallery item and relevant item. Memory
holds one tile and the relevant pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clapline.errors import UserError
from clapline.metrics.pairs import pair_similarities
from clapline.metrics.similarity import Items, tiles


@dataclass(frozen=True)
class Relevance:
    """Which gallery items answer which query: query q has the items `items[starts[q]:starts[q + 1]]`."""

    starts: np.ndarray  # (queries + 1,) int64
    items: np.ndarray  # (pairs,) int64, ascending within a query
    gallery_size: int

    @classmethod
    def from_pairs(cls, queries: np.ndarray, items: np.ndarray, query_count: int, gallery_size: int) -> Relevance:
        """Build the table from (query, item) pairs in any order; a pair said twice counts once.

        Raises UserError when a query has no relevant item (a mean over queries would be undefined) or an id is out of
        range.
        """
        pairs = np.unique(np.stack([np.asarray(queries), np.asarray(items)], axis=1).astype(np.int64), axis=0)
        if len(pairs) and (pairs.min() < 0 or pairs[:, 0].max() >= query_count or pairs[:, 1].max() >= gallery_size):
            raise UserError("relevance table names a query or an item that does not exist")
        counts = np.bincount(pairs[:, 0], minlength=query_count)
        if query_count == 0 or (counts == 0).any():
            raise UserError(f"{int((counts == 0).sum())} of {query_count} queries have no relevant item")
        return cls(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), pairs[:, 1], gallery_size)

    @property
    def counts(self) -> np.ndarray:
        """Relevant items per query, `(queries,)`."""
        return np.diff(self.starts)

    def moved(self, places: np.ndarray) -> Relevance:
        """Return the table in which item i is `places[i]` instead; `places` is a permutation of the gallery.

        The items of a query are ascending again: with a drawn permutation this is the control of shuffled labels.
        """
        owner = np.repeat(np.arange(len(self.starts) - 1), self.counts)
        items = places[self.items]
        return Relevance(self.starts, items[np.lexsort((items, owner))], self.gallery_size)

    def subset(self, queries: np.ndarray) -> Relevance:
        """Return the table of the given queries, in the order given."""
        counts = self.counts[queries]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        place = np.arange(starts[-1]) - np.repeat(starts[:-1], counts) + np.repeat(self.starts[queries], counts)
        return Relevance(starts, self.items[place], self.gallery_size)


def relevant_ranks(queries: Items, gallery: Items, relevance: Relevance) -> np.ndarray:
    """Return the 1-based ranks of each query's relevant items, ascending, laid out like `relevance.items`.

    `queries` is `(n, dim)`, `gallery` `(m, dim)`; one of them may be clips without vectors, which score the other's
    rows, texts. Similarities of vectors are summed in float64 and rounded to float32, so that equal embeddings tie
    exactly. Among equal similarities every irrelevant item stands before every relevant one: with one relevant item its
    rank is 1 + greater + equal others.
    """
    if len(queries) != len(relevance.starts) - 1 or len(gallery) != relevance.gallery_size:
        raise UserError(
            f"{len(queries)} queries and {len(gallery)} items, but the relevance table is for "
            f"{len(relevance.starts) - 1} and {relevance.gallery_size}"
        )
    owner = np.repeat(np.arange(len(queries)), relevance.counts)
    vectors = [getattr(items, "vectors", items) for items in (queries, gallery)]
    if all(isinstance(items, np.ndarray) for items in vectors):
        values = pair_similarities(vectors[0], owner, vectors[1], relevance.items)
    else:
        values = np.empty(len(owner), dtype=np.float32)
        for rows, _, similarity in tiles(queries, gallery):
            span = slice(relevance.starts[rows.start], relevance.starts[rows.stop])
            values[span] = similarity[owner[span] - rows.start, relevance.items[span]]
    values = values[np.lexsort((-values, owner))]  # best first within each query
    order = np.arange(len(owner)) - relevance.starts[owner]
    before = np.zeros(len(owner), dtype=np.int64)
    for rows, columns, similarity in tiles(queries, gallery):
        _count_before(similarity, relevance, rows, columns, (owner, order, values), before)
    return before + order + 1


def _count_before(
    similarity: np.ndarray,
    relevance: Relevance,
    rows: slice,
    columns: slice,
    relevant: tuple[np.ndarray, np.ndarray, np.ndarray],
    before: np.ndarray,
) -> None:
    """Add to `before` how many irrelevant items of a tile are no worse than each relevant one of its queries."""
    span = slice(relevance.starts[rows.start], relevance.starts[rows.stop])
    owner, order, values = (array[span] for array in relevant)
    items, local = relevance.items[span], owner - rows.start
    here = (items >= columns.start) & (items < columns.stop)
    similarity[local[here], items[here] - columns.start] = -np.inf
    # A sum of booleans in a short type is several times as fast as counting them.
    kind = np.uint16 if similarity.shape[1] < 2**16 else np.uint32
    for place in range(order.max() + 1):  # the place-th best relevant item of all queries at once
        chosen = np.flatnonzero(order == place)
        asked = similarity if len(chosen) == len(similarity) else similarity[local[chosen]]
        no_worse = np.greater_equal(asked, values[chosen][:, None])
        before[span.start + chosen] += no_worse.view(np.uint8).sum(axis=1, dtype=kind)


def recall_at_k(ranks: np.ndarray, relevance: Relevance, k: int) -> np.ndarray:
    """Return R@k per query, `(queries,)`: relevant items in the top k over relevant items (DCASE)."""
    return np.add.reduceat((ranks <= k).astype(np.float64), relevance.starts[:-1]) / relevance.counts


def any_hit_at_k(ranks: np.ndarray, relevance: Relevance, k: int) -> np.ndarray:
    """Return 1 where any relevant item is in the top k, else 0 (LAION-CLAP's audio-to-text R@k), `(queries,)`."""
    return (best_ranks(ranks, relevance) <= k).astype(np.float64)


def average_precision_at_k(ranks: np.ndarray, relevance: Relevance, k: int) -> np.ndarray:
    """Return AP@k per query, `(queries,)`, in [0, 1].

    The precision at the rank of each relevant item within the top k, summed, over min(relevant items, k). With at most
    k relevant items that is DCASE's AP@10; with more, dividing by all of them would put 1 out of reach.
    """
    order = np.arange(len(ranks)) - np.repeat(relevance.starts[:-1], relevance.counts) + 1
    precision = np.where(ranks <= k, order / ranks, 0.0)
    return np.add.reduceat(precision, relevance.starts[:-1]) / np.minimum(relevance.counts, k)


def best_ranks(ranks: np.ndarray, relevance: Relevance) -> np.ndarray:
    """Return the rank of each query's best relevant item, `(queries,)` int64."""
    return ranks[relevance.starts[:-1]]


def reciprocal_rank_at_k(ranks: np.ndarray, relevance: Relevance, k: int) -> np.ndarray:
    """Return 1 / rank of the best relevant item where it is in the top k, else 0, `(queries,)`: its mean is MRR@k.

    AP@k of a query with one relevant item.
    """
    best = best_ranks(ranks, relevance)
    return np.where(best <= k, 1.0 / best, 0.0)
