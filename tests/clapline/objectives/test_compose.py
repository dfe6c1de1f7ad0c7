from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clapline.objectives.compose import EmbeddedBatch, objective
from clapline.objectives.contrastive import contrastive
from clapline.objectives.sigmoid import sigmoid
from clapline.params.objective import Objective


def unit(rows: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def batch(**changes) -> EmbeddedBatch:
    values = {
        "audio_text": unit(4, 0) @ unit(4, 1).T,
        "positives": torch.eye(4, dtype=torch.bool),
        "audio_paraphrases": [unit(4, 0) @ unit(4, seed).T for seed in (2, 3)],
        "text_paraphrases": [unit(4, 1) @ unit(4, seed).T for seed in (2, 3)],
    }
    return EmbeddedBatch(**(values | changes))


SCALE = torch.tensor(5.0)


def test_parts_add_up_to_the_weighted_sum():
    settings = Objective.model_validate({"contrastive": {"weight": 0.5}, "paraphrase": {"weight": 2.0}})
    total, parts = objective(settings, batch(), SCALE)
    torch.testing.assert_close(total, 0.5 * parts["contrastive"] + 2.0 * parts["paraphrase"])


def test_weight_zero_is_not_computed():
    class Untouchable(list):
        def __iter__(self):
            raise AssertionError("a part of weight 0 was computed")

    total, parts = objective(Objective(), batch(audio_paraphrases=Untouchable([unit(4, 4)])), SCALE)
    assert set(parts) == {"contrastive"}
    torch.testing.assert_close(total, contrastive(unit(4, 0), unit(4, 1), 5.0, torch.eye(4)))


def test_positives_share_the_mass_of_a_row():
    everything = torch.ones(4, 4, dtype=torch.bool)
    total, _ = objective(Objective(), batch(positives=everything), SCALE)
    torch.testing.assert_close(total, contrastive(unit(4, 0), unit(4, 1), 5.0, torch.full((4, 4), 0.25)))


def test_soft_targets_need_a_teacher():
    settings = Objective.model_validate({"contrastive": {"targets": "soft"}})
    with pytest.raises(ValueError, match="teacher"):
        objective(settings, batch(), SCALE)
    total, _ = objective(settings, batch(teacher_audio=unit(4, 5), teacher_text=unit(4, 6)), SCALE)
    assert torch.isfinite(total)


def test_sigmoid_form_for_captions_and_paraphrases():
    settings = Objective.model_validate({"contrastive": {"form": "sigmoid"}, "paraphrase": {"weight": 1.0}})
    bias = torch.tensor(-2.0)
    total, parts = objective(settings, batch(), SCALE, bias)
    positives = torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(parts["contrastive"], sigmoid(batch().audio_text, SCALE, bias, positives))
    torch.testing.assert_close(total, parts["contrastive"] + parts["paraphrase"])
    with pytest.raises(ValueError, match=r"model\.temperature\.bias"):
        objective(settings, batch(), SCALE)
