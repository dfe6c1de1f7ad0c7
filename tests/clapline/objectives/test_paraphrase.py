"""Paraphrase views: methods/paraphrase_and_curation.md D 3 to 7."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clapline.objectives.contrastive import contrastive, contrastive_of_cosines
from clapline.objectives.paraphrase import paraphrase_views as views_of_cosines

EYE = torch.eye(2)


def unit(rows: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def clap(first: torch.Tensor, second: torch.Tensor, scale: float = 5.0) -> torch.Tensor:
    return contrastive(first, second, scale, torch.eye(len(first)))


def paraphrase_views(audio, text, paraphrases, scale, targets, pairs="both"):
    """Of embeddings, with the softmax form."""
    return views_of_cosines(
        [audio @ paraphrase.T for paraphrase in paraphrases],
        [text @ paraphrase.T for paraphrase in paraphrases],
        lambda cosines: contrastive_of_cosines(cosines, scale, targets),
        pairs,
    )


def test_golden_sum_over_two_levels():
    both = [EYE, EYE.flip(0)]
    base = clap(EYE, EYE, 1.0)
    for pairs in ("audio", "both"):
        total = base + paraphrase_views(EYE, EYE, both, 1.0, EYE, pairs)
        assert total.item() == pytest.approx(1.939785, abs=1e-5)


def test_paraphrases_equal_to_the_captions():
    audio, text, targets = unit(5, 0), unit(5, 1), torch.eye(5)
    at, tt = clap(audio, text), clap(text, text)
    for pairs, expected in {"audio": 2 * at, "text": 2 * tt, "both": at + tt}.items():
        torch.testing.assert_close(paraphrase_views(audio, text, [text, text], 5.0, targets, pairs), expected)


def test_levels_may_be_swapped_but_rows_may_not():
    audio, text, first, second = (unit(5, seed) for seed in range(4))
    loss = paraphrase_views(audio, text, [first, second], 5.0, torch.eye(5))
    torch.testing.assert_close(paraphrase_views(audio, text, [second, first], 5.0, torch.eye(5)), loss)
    order = torch.tensor([1, 2, 3, 4, 0])
    joint = paraphrase_views(audio[order], text[order], [first[order], second[order]], 5.0, torch.eye(5))
    torch.testing.assert_close(joint, loss)
    assert not torch.isclose(paraphrase_views(audio, text, [first[order], second], 5.0, torch.eye(5)), loss)


def test_gradient_reaches_the_paraphrases():
    paraphrase = unit(4, 2).requires_grad_()
    paraphrase_views(unit(4, 0), unit(4, 1), [paraphrase], 5.0, torch.eye(4)).backward()
    assert paraphrase.grad.abs().sum() > 0
