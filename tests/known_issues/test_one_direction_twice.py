"""Trap 20: transformers' ClapModel computes the direction from text to audio twice and the other one never."""

from __future__ import annotations

import torch
from torch.nn import functional

from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.targets import HardTargets


def tiny() -> torch.nn.Module:
    from transformers import ClapConfig, ClapModel

    text = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 16,
    }
    audio = {
        "spec_size": 64,
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "window_size": 4,
        "num_mel_bins": 16,
        "hidden_size": 16,
        "enable_fusion": False,
    }
    torch.manual_seed(0)
    made = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=8)).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        for scale in (made.logit_scale_a, made.logit_scale_t):
            scale.fill_(1.0)
    return made


@torch.no_grad()
def test_theirs_is_one_direction_and_ours_both():
    ids = torch.arange(2, 22).view(4, 5)
    features = torch.randn(4, 1, 64, 16, generator=torch.Generator().manual_seed(1))
    out = tiny()(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        input_features=features,
        is_longer=torch.zeros(4, 1, dtype=torch.bool),
        return_loss=True,
    )
    logits, places = out.logits_per_text, torch.arange(4)  # texts in rows
    captions_seek = functional.cross_entropy(logits, places)
    clips_seek = functional.cross_entropy(logits.T, places)
    assert abs(captions_seek - clips_seek) > 1e-3
    torch.testing.assert_close(out.logits_per_audio, logits.T)
    # The trap. Where this fails, transformers has mended it, and the note about it may go.
    torch.testing.assert_close(out.loss, captions_seek)

    targets = HardTargets(PositivePairs.identity(4))
    for matrix in (logits, logits.T):
        torch.testing.assert_close(softmax_contrast(Scores(matrix), 1.0, targets), (captions_seek + clips_seek) / 2)
