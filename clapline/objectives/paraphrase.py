"""Paraphrase views (RobustCLAP): a caption said otherwise, at two levels, is a further view of the same sound.

Formula: L = Σₖ wₖ Lₖ over the levels, Lₖ(audio) = clap(A, Pₖ), Lₖ(text) = clap(T, Pₖ), Lₖ(both) = ½ clap(A, Pₖ) + ½
clap(T, Pₖ), with clap the contrast of the run (its form, one scale for all) and Pₖ the paraphrases of level k, one
per caption and step.

In words: a clip must know its caption again in other words, and the caption its rewording.

Use it: when queries come in other words than the training captions; level 1 changes the structure, level 2 the words
too. Needs a stage paraphrase that wrote these levels. Its contrast has hard targets, whatever `contrastive.targets`
says.

Relations: with Pₖ = T, mode audio gives the contrast once more per level. Levels of weight 0 are neither drawn nor
encoded.

Reference: Selvakumar et al., arXiv 2410.16505; which pairs stand inside is not published as code, so `pairs` is our
reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from torch import Tensor

Similarities = TypeVar("Similarities")


def paraphrase_views(
    audio_paraphrases: Sequence[Similarities],
    text_paraphrases: Sequence[Similarities],
    loss: Callable[[Similarities], Tensor],
    pairs: Literal["audio", "text", "both"] = "both",
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Return Σₖ wₖ Lₖ over the paraphrase levels, a scalar.

    Args:
        audio_paraphrases: per level, similarities of clips (rows) and paraphrases (columns) of a batch.
        text_paraphrases: per level, similarities of captions (rows) and paraphrases (columns).
        loss: clap, of such similarities.
        pairs: which view meets the paraphrase.
        weights: wₖ > 0 per level; None: 1 each.
    """
    views = {
        "audio": [audio_paraphrases],
        "text": [text_paraphrases],
        "both": [audio_paraphrases, text_paraphrases],
    }[pairs]
    terms = []
    for place, level in enumerate(zip(*views, strict=True)):
        weight = 1.0 if weights is None else weights[place]
        terms += [_times(weight, loss(similarities) / len(views)) for similarities in level]
    return sum(terms[1:], start=terms[0])


def _times(weight: float, loss: Tensor) -> Tensor:
    return loss if weight == 1.0 else weight * loss
