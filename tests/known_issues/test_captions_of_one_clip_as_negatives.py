"""Trap 7: captions of one clip that meet in a batch are positives for one loss and negatives for the others."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from clapline.objectives.compose import EmbeddedBatch, Learned, objective
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.params.objective import Contrastive, Objective

FORMS = get_args(Contrastive.model_fields["form"].annotation)
CLIPS = torch.tensor([0, 0, 0, 1, 1, 2])
SAME = CLIPS[:, None] == CLIPS
LEARNED = Learned(torch.tensor(4.0, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64))


def slopes(form: str, cosines: Tensor, positives: Tensor, part: str, factors: bool = False) -> Tensor:
    """Return the gradient of the loss on each cosine: where it is above 0, a step pushes the two apart."""
    leaf = cosines.clone().requires_grad_()
    columns = torch.eye(len(leaf), dtype=leaf.dtype)
    scores = Scores(rows=leaf, columns=columns) if factors else Scores(leaf)
    settings = {
        "contrastive": {"form": form, "weight": float(part == "contrastive"), "margin": 1.0, "omega": 2.0},
        "paraphrase": {"weight": float(part == "paraphrase"), "levels": [1], "pairs": "audio"},
    }
    other = Scores(torch.zeros_like(cosines))
    batch = EmbeddedBatch(
        scores if part == "contrastive" else other,
        PositivePairs.from_matrix(positives),
        audio_paraphrases=[scores],
        text_paraphrases=[other],
    )
    total = objective(Objective.model_validate(settings), batch, LEARNED).total
    return torch.autograd.grad(total, leaf)[0]


def alike(seed: int | None, *means: float) -> Tensor:
    """Return cosines that are equal between the captions of one clip; others as drawn, or (None) all 0."""
    drawn = torch.zeros(6, 6, dtype=torch.float64)
    if seed is not None:
        drawn.uniform_(-1, 1, generator=torch.Generator().manual_seed(seed))
    return drawn.where(~SAME, torch.tensor(means, dtype=torch.float64)[CLIPS][:, None].expand(-1, 6))


def test_every_form_is_known_here():
    assert {"softmax", "sigmoid", "probabilistic", "prior", "triplet_sum"} <= set(FORMS)
    assert len(FORMS) >= 7


@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("part", ["contrastive", "paraphrase"])
@pytest.mark.parametrize("form", FORMS)
def test_a_caption_of_the_same_clip_is_never_pushed_away(form: str, part: str, factors: bool):
    # The prior is of the whole batch: where it tells captions of one clip apart, its softmax evens them out again.
    for seed in [None] if form == "prior" else [None, *range(5)]:
        for means in ((0.3, 0.1, 0.2), (0.6, 0.5, 0.7), (0.3, 0.1, -0.2)):
            found = slopes(form, alike(seed, *means), SAME, part, factors)
            assert (found[SAME] <= 1e-12).all()
            assert found[SAME].sum() < 0


@pytest.mark.parametrize("form", FORMS)
def test_the_diagonal_alone_would_push_it_away(form: str):
    """The trap itself: with only their own caption as a positive, some caption of the same clip is pushed."""
    off = SAME & ~torch.eye(6, dtype=torch.bool)
    assert (slopes(form, alike(None, 0.6, 0.5, 0.7), torch.eye(6, dtype=torch.bool), "contrastive")[off] > 0).any()


@pytest.mark.parametrize("form", ["softmax", "sigmoid", "probabilistic", "triplet_sum", "triplet_max"])
def test_a_row_as_a_whole_is_drawn_to_its_positives(form: str):
    """At any cosines: softmax may even out the captions of one clip, but takes nothing from all of them together."""
    for seed in range(5):
        drawn = 2 * torch.rand(6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
        for clip in range(3):
            mine = (CLIPS[:, None] == clip) & (clip == CLIPS)
            assert slopes(form, drawn, SAME, "contrastive")[mine].sum() <= 1e-12
