"""The wall before any measure: embeddings that cannot be ranked stop the run with one line."""

from __future__ import annotations

import numpy as np

from clapline.errors import UserError


def check_embeddings(name: str, embeddings: np.ndarray, rows: int) -> np.ndarray:
    """Return `embeddings` `(rows, dim)`.

    Raises UserError on another number of rows, NaN, rows whose length is not 1, or rows that are all alike.
    """
    if embeddings.ndim != 2 or len(embeddings) != rows:
        raise UserError(f"{name}: embeddings of shape {embeddings.shape} for {rows} items; ids and rows do not match")
    if rows == 0:
        raise UserError(f"{name}: there is nothing to evaluate")
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise UserError(f"{name}: {int(bad.sum())} of {rows} embeddings hold NaN or inf; the model is broken")
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    if np.abs(lengths - 1).max() > 1e-3:
        raise UserError(f"{name}: embeddings have lengths {lengths.min():.3g} to {lengths.max():.3g}; they must be 1")
    if rows > 1 and np.abs(embeddings - embeddings[0]).max() < 1e-6:
        raise UserError(f"{name}: all {rows} embeddings are equal; the model has collapsed")
    return embeddings


def check_variances(name: str, log_variance: np.ndarray) -> np.ndarray:
    """Return the log variances `(rows, dim)` of Gaussians. Raises UserError on NaN or inf, also of the variances."""
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(np.exp(log_variance.astype(np.float64))).all(axis=1)
    if bad.any():
        raise UserError(f"{name}: the variances of {int(bad.sum())} of {len(bad)} embeddings hold NaN or inf")
    return log_variance
