"""Paraphrases as further views of a caption (RobustCLAP, arXiv 2410.16505; the pairs inside are our reading)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from clapline.objectives.contrastive import contrastive


def paraphrase_views(
    audio: Tensor,
    text: Tensor,
    paraphrases: Sequence[Tensor],
    scale: Tensor | float,
    targets: Tensor,
    pairs: Literal["audio", "text", "both"] = "both",
    ignored: Tensor | None = None,
) -> Tensor:
    """Return Σₖ Lₖ over the paraphrase levels, a scalar.

    Lₖ(audio) = clap(A, Pₖ); Lₖ(text) = clap(T, Pₖ); Lₖ(both) = ½ clap(A, Pₖ) + ½ clap(T, Pₖ), where clap is the
    symmetric contrastive loss with one scale for all. With Pₖ = T, mode audio gives clap(A, T) per level.

    Args:
        audio: unit embeddings `(batch, dimension)`.
        text: unit embeddings of the captions, `(batch, dimension)`.
        paraphrases: one tensor `(batch, dimension)` per level.
        scale: 1 / temperature.
        targets: `(batch, batch)` rows that sum to 1.
        pairs: which view meets the paraphrase.
        ignored: `(batch, batch)` boolean, as in `contrastive`.
    """
    views = {"audio": [audio], "text": [text], "both": [audio, text]}[pairs]
    total = audio.new_zeros(())
    for paraphrase in paraphrases:
        for view in views:
            total = total + contrastive(view, paraphrase, scale, targets, ignored=ignored) / len(views)
    return total
