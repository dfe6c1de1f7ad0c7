"""What a random order of the gallery would reach on average: the yardstick beside every retrieval measure."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from clapline.metrics.retrieval import Relevance


def chance_recall(relevance: Relevance, k: int) -> float:
    """Return the R@k that a random order has on average."""
    return min(k, relevance.gallery_size) / relevance.gallery_size


def chance_any_hit(relevance: Relevance, k: int) -> float:
    """Return the any-hit R@k that a random order has on average: 1 − C(m − r, k) / C(m, k), mean over queries."""
    m, r = relevance.gallery_size, relevance.counts
    possible = m - r >= k
    rest = np.where(possible, m - r, k)
    log_miss = gammaln(rest + 1) - gammaln(rest - k + 1) - (gammaln(m + 1) - gammaln(max(m - k, 0) + 1))
    return float(np.mean(1 - np.where(possible, np.exp(log_miss), 0.0)))


def chance_average_precision(relevance: Relevance, k: int) -> float:
    """Return the AP@k that a random order has on average, mean over queries.

    A relevant item stands at rank i with probability r / m, and then i − 1 places before it hold (r − 1) / (m − 1)
    relevant items each.
    """
    m, r = relevance.gallery_size, relevance.counts[:, None].astype(np.float64)
    i = np.arange(1, min(k, m) + 1)[None, :]
    at_rank = r / m * (1 + (i - 1) * (r - 1) / max(m - 1, 1)) / i
    return float(np.mean(at_rank.sum(axis=1) / np.minimum(relevance.counts, k)))


def chance_reciprocal_rank(relevance: Relevance, k: int) -> float:
    """Return the MRR@k that a random order has on average."""
    hits = [0.0] + [chance_any_hit(relevance, i) for i in range(1, min(k, relevance.gallery_size) + 1)]
    return float(sum((hits[i] - hits[i - 1]) / i for i in range(1, len(hits))))


def chance_median_rank(relevance: Relevance) -> float:
    """Return the rank within which a random order has the best relevant item of half of the queries."""
    low, high = 1, relevance.gallery_size
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chance_any_hit(relevance, middle) >= 0.5 else (middle + 1, high)
    return float(low)
