"""Which products of low precision can belong to a pair that counts: a bound that is proven, so nothing is lost.

A pass multiplies rows in low precision and only proposes. Let a and b be rows, â and b̂ what the pass multiplies (a and
b themselves in float32, or rounded to bfloat16), and w what it accumulates of â·b̂ before the result is rounded to v.
With Cauchy and Schwarz

    |a·b − w|  ≤  |a − â| |b|  +  |â| |b − b̂|  +  γ |â| |b̂|  +  τ  =:  E.

|a − â| is computed for each row (in float32 the difference is exact), the greatest |b|, |b − b̂| are taken over the
gallery's block. γ |â| |b̂| covers accumulation in float32: dim · 2^-24 for any order of summands; taken twice for a
pass in float32, and four times for bfloat16, where hardware may round or cut each product before it adds it. τ covers
denormal numbers that hardware takes for zero, and γ has room for the float64 sum, which errs by dim · 2^-53.

The last rounding, w to v, costs no margin, because rounding is monotone: where w ≥ x, v is at least the largest number
of v's format that is not above x, `down(x)`. So

  * a pair whose float32 similarity reaches t has a·b > before(t), hence v ≥ down(before(t) − E);
  * a v that reaches p came of a w > before(p), hence a·b > before(p) − E. Where k columns have v ≥ p, the k-th best
    similarity is at least that, rounded down to float32.

The k columns are had cheaply: the k greatest maxima of disjoint chunks are values of k different columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOAT32, BFLOAT16 = 1, 2**16  # distance of neighbouring numbers of the format, in float32's last places
_ROUNDINGS = {FLOAT32: 2, BFLOAT16: 4}


@dataclass(frozen=True)
class Precision:
    """For some rows, upper bounds of their lengths and of the lengths of what rounding took, both `(rows,)` float64."""

    lengths: np.ndarray
    lost: np.ndarray


def error(rows: Precision, gallery: Precision, dim: int, places: int) -> np.ndarray:
    """Return E for each row, `(rows,)` float64: how far its product with any gallery row may be from what is summed.

    `places` says the format of the pass, `FLOAT32` or `BFLOAT16`.
    """
    length, lost = gallery.lengths.max(initial=0.0), gallery.lost.max(initial=0.0)
    rounded = rows.lengths + rows.lost
    accumulated = _ROUNDINGS[places] * dim * 2.0**-24 * rounded * (length + lost)
    vanished = dim * 2.0**-120 * (1 + rounded) * (1 + length + lost)
    return rows.lost * length + rounded * lost + accumulated + vanished


def down(values: np.ndarray, places: int = FLOAT32) -> np.ndarray:
    """Return for each finite number or -inf the largest of the format that is not above it, as float32."""
    single = np.asarray(values).astype(np.float32)
    single = np.where(single > values, np.nextafter(single, np.float32(-np.inf)), single)
    bits = single.view(np.uint32)
    cut = bits & np.uint32(-places % 2**32)
    return np.where((single < 0) & (cut != bits), cut + np.uint32(places), cut).view(np.float32)


def before(values: np.ndarray, places: int = FLOAT32) -> np.ndarray:
    """Return for each number of the format (float32 array) the next smaller of it, as float32; -inf stays."""
    values = np.asarray(values, dtype=np.float32)
    bits = np.where(values == 0, np.float32(0), values).view(np.uint32)
    smaller = np.where(values > 0, bits - np.uint32(places), bits + np.uint32(places))
    smaller = np.where(values == 0, np.uint32(2**31 + places), smaller).view(np.float32)
    return np.where(np.isneginf(values), values, smaller)


def lower_limit(similarity: np.ndarray, margin: np.ndarray, places: int) -> np.ndarray:
    """Return the least product that a pair of at least this float32 similarity can have, `(rows,)` float32."""
    return down(before(similarity).astype(np.float64) - margin, places)


def kth_similarity(kth_product: np.ndarray, margin: np.ndarray, places: int) -> np.ndarray:
    """Return what a row's k-th best float32 similarity is not below, where k columns have products not below this."""
    return down(before(kth_product, places).astype(np.float64) - margin)
