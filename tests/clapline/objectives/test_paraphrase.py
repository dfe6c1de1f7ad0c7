"""Paraphrase views: methods/paraphrase_and_curation.md D 3 to 7."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.contrastive import contrastive, contrastive_of_cosines
from clapline.objectives.paraphrase import paraphrase_views as views_of_cosines
from tests.clapline.objectives.losses import unit

EYE = torch.eye(2, dtype=torch.float64)


def clap(first: Tensor, second: Tensor, scale: float = 5.0) -> Tensor:
    return contrastive(first, second, scale, torch.eye(len(first)))


def views(
    audio: Tensor,
    text: Tensor,
    paraphrases: list[Tensor],
    pairs: str = "both",
    weights: list[float] | None = None,
    scale: float = 5.0,
) -> Tensor:
    """Of embeddings, with the softmax form."""
    return views_of_cosines(
        [audio @ paraphrase.T for paraphrase in paraphrases],
        [text @ paraphrase.T for paraphrase in paraphrases],
        lambda cosines: contrastive_of_cosines(cosines, scale, torch.eye(len(cosines))),
        pairs,
        weights,
    )


@pytest.mark.parametrize("pairs", ["audio", "text", "both"])
def test_golden_sum_over_two_levels(pairs: str):
    """D 6: A = T = I₂, one paraphrase equal, one swapped."""
    total = clap(EYE, EYE, 1.0) + views(EYE, EYE, [EYE, EYE.flip(0)], pairs, scale=1.0)
    assert total.item() == pytest.approx(1.939785, abs=1e-6)


@pytest.mark.parametrize("weights", [None, [1.0, 1.0], [0.5, 2.0]])
def test_paraphrases_equal_to_the_captions(weights: list[float] | None):
    """D 3: of the weights linearly; audio repeats clap(A, T), text gives clap(T, T), both the mean."""
    audio, text = unit(5, 8, 0), unit(5, 8, 1)
    at, tt = clap(audio, text), clap(text, text)
    total = sum(weights or [1.0, 1.0])
    for pairs, expected in {"audio": at, "text": tt, "both": (at + tt) / 2}.items():
        torch.testing.assert_close(views(audio, text, [text, text], pairs, weights), total * expected)


def test_a_weight_of_nothing():
    """D 4: with w₁ = w₂ = 0 the rest is left, and the gradient of the paraphrases is exactly 0."""
    audio, text = unit(4, 8, 0), unit(4, 8, 1)
    paraphrases = [unit(4, 8, seed).requires_grad_() for seed in (2, 3)]
    total = clap(audio, text) + views(audio, text, paraphrases, weights=[0.0, 0.0])
    torch.testing.assert_close(total, clap(audio, text), rtol=0, atol=0)
    for gradient in torch.autograd.grad(total, paraphrases):
        assert not gradient.any()
    half = views(audio, text, paraphrases, weights=[0.0, 1.0])
    first, second = torch.autograd.grad(half, paraphrases)
    assert not first.any()
    assert second.any()


def test_levels_may_be_swapped_with_their_weights():
    """D 4: (P₁, w₁) and (P₂, w₂) change places; the weights alone may not."""
    audio, text, first, second = (unit(5, 8, seed) for seed in range(4))
    loss = views(audio, text, [first, second], weights=[0.3, 2.0])
    torch.testing.assert_close(views(audio, text, [second, first], weights=[2.0, 0.3]), loss)
    assert not torch.isclose(views(audio, text, [first, second], weights=[2.0, 0.3]), loss)


def test_rows_belong_together():
    """D 5: a joint permutation changes nothing, one of the paraphrases alone does."""
    audio, text, first, second = (unit(5, 8, seed) for seed in range(4))
    loss = views(audio, text, [first, second])
    order = torch.tensor([1, 2, 3, 4, 0])
    joint = views(audio[order], text[order], [first[order], second[order]])
    torch.testing.assert_close(joint, loss)
    assert not torch.isclose(views(audio, text, [first[order], second]), loss)
    same = unit(1, 8, 4).expand(5, -1)
    torch.testing.assert_close(views(audio, text, [same[order]]), views(audio, text, [same]))


def recall(audio: Tensor, paraphrases: Tensor) -> float:
    """Return R@1 of paraphrases that look for their clip."""
    return float((paraphrases @ audio.T).argmax(dim=1).eq(torch.arange(len(audio))).double().mean())


@pytest.mark.parametrize("pairs", ["audio", "text", "both"])
def test_a_step_raises_the_recall_of_paraphrases(pairs: str):
    """D 7: four pairs whose paraphrases lie nearer to a wrong clip; one step along -grad."""
    eye = torch.eye(4, dtype=torch.float64)
    angle = math.radians(47)  # from the right one towards the next
    raw = (math.cos(angle) * eye + math.sin(angle) * eye.roll(1, 1)).requires_grad_()

    def loss(raw: Tensor) -> Tensor:
        return clap(eye, eye) + views(eye, eye, [functional.normalize(raw, dim=1)], pairs)

    before = loss(raw)
    (gradient,) = torch.autograd.grad(before, raw)
    after = raw.detach() - 0.5 * gradient
    assert loss(after) < before
    assert recall(eye, raw.detach()) == 0.0
    assert recall(eye, after) == 1.0
