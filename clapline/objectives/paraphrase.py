"""Paraphrases as further views of a caption (RobustCLAP, arXiv 2410.16505; the pairs inside are our reading)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor


def paraphrase_views(
    audio_paraphrases: Sequence[Tensor],
    text_paraphrases: Sequence[Tensor],
    loss: Callable[[Tensor], Tensor],
    pairs: Literal["audio", "text", "both"] = "both",
) -> Tensor:
    """Return Σₖ Lₖ over the paraphrase levels, a scalar.

    Lₖ(audio) = clap(A, Pₖ); Lₖ(text) = clap(T, Pₖ); Lₖ(both) = ½ clap(A, Pₖ) + ½ clap(T, Pₖ), where clap is the
    contrastive loss of the run with one scale for all. With Pₖ = T, mode audio gives clap(A, T) per level.

    Args:
        audio_paraphrases: per level, cosines of clips (rows) and paraphrases (columns), `(batch, batch)`.
        text_paraphrases: per level, cosines of captions (rows) and paraphrases (columns), `(batch, batch)`.
        loss: clap, of cosines `(batch, batch)`.
        pairs: which view meets the paraphrase.
    """
    views = {
        "audio": [audio_paraphrases],
        "text": [text_paraphrases],
        "both": [audio_paraphrases, text_paraphrases],
    }[pairs]
    terms = [loss(cosines) / len(views) for level in zip(*views, strict=True) for cosines in level]
    return sum(terms[1:], start=terms[0])
