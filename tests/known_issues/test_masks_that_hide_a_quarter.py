"""Trap 18: ProLIP's code keeps int(N · 0.75) patches, the same of a whole batch, where the paper hides 75 %."""

from __future__ import annotations

import torch

from clapline.model.masking import nested_masks
from clapline.params.objective import Hierarchy
from stages.train.masks import MaskDraws

PAIRS, UNITS, TOKENS = 400, 32, 20


def masks(what: str, minimum: int = 0) -> list[torch.Tensor]:
    settings = Hierarchy(share=1.0)
    drawn = MaskDraws(settings, UNITS, TOKENS, PAIRS, 0, 1, 0, "student").of(0)
    draws = drawn.audio_draws if what == "audio" else drawn.text_draws
    levels = settings.audio_levels if what == "audio" else settings.text_levels
    return nested_masks(torch.ones(draws.shape[1:], dtype=torch.bool), draws, settings.kept(levels), minimum)


def test_three_quarters_are_hidden_at_each_level():
    """By the defaults, through the draws of training: 1, 1/4, 1/16, 1/64 stay, within four standard errors."""
    assert Hierarchy().hidden == [0.75]
    for what, count in (("audio", 2), ("text", 3)):
        found = masks(what)
        assert len(found) == count + 1
        for level, mask in enumerate(found):
            share = 0.25**level
            error = (share * (1 - share) / mask.numel()) ** 0.5
            assert abs(mask.double().mean().item() - share) <= 4 * error
            assert abs(mask.double().mean().item() - 0.75) > 0.2


def test_every_input_has_masks_of_its_own():
    """Not one set of places for a whole batch."""
    for what in ("audio", "text"):
        first = masks(what)[1]
        assert len({tuple(row.tolist()) for row in first}) > 0.8 * PAIRS
        counts = first.sum(dim=1)
        assert counts.min() < counts.max()  # drawn unit by unit, not a fixed number of them
