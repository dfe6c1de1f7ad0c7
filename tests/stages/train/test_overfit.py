"""Every audio encoder beside the small text encoder, and every text encoder beside the small audio encoder, learns 32
pairs by heart: R@1 = 1 in both directions. Architectures at random weights, as no hub is needed for them."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs
from clapline.params.model import Model
from stages.train.checkpoints import Checkpoint
from stages.train.data import Source, TrainingData
from tests.stages.train.conftest import cached
from tests.stages.train.tiny import tiny_trainer

PAIRS = 32
SUBJECTS = ("dog", "bell", "engine", "bird")
ACTIONS = ("far away", "twice", "in a hall", "loudly", "under rain", "near a road", "at night", "for long")
CAPTIONS = [f"a {subject} sounds {action}" for subject, action in product(SUBJECTS, ACTIONS)]

VIT = {"width": 32, "depth": 2, "heads": 2}
HEARD = {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0}
AUDIO = {
    "cnn": (
        {"channels": [8, 16, 32]},
        {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
    ),
    "cnn with text-aware pooling": (
        {"channels": [8, 16, 32], "pooling": "tap", "tap": {"dimension": 32}},
        HEARD,
    ),
    "htsat": (
        {
            "kind": "htsat",
            "config": {
                "spec_size": 64,
                "patch_embeds_hidden_size": 16,
                "depths": [2, 2],
                "num_attention_heads": [2, 2],
                "window_size": 4,
                "attention_probs_dropout_prob": 0.0,
                "drop_path_rate": 0.0,
            },
        },
        {"kind": "clap", "mel_bands": 16, "duration_s": 2.0},
    ),
    "ast": (
        {
            "kind": "ast",
            "config": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
        },
        {"kind": "ast", "mel_bands": 48, "duration_s": 1.28},
    ),
    "passt": ({"kind": "passt", "config": VIT, "patchout_frames": 1}, {"kind": "passt", "duration_s": 1.28}),
    "passt, a state for each segment": (
        {"kind": "passt", "config": VIT, "states": "segment"},
        {"kind": "passt", "duration_s": 2.56, "segment_s": 1.28},
    ),
    "atst with text-aware pooling": (
        {"kind": "atst", "config": VIT, "pooling": "tap", "tap": {"dimension": 32, "dropout": 0.0}},
        {"kind": "atst", "duration_s": 0.64},
    ),
    "cnn14": (
        {"kind": "cnn14", "config": {"channels": [4, 8, 16, 32], "block_dropout": 0.0, "dropout": 0.0}},
        {"kind": "clap", "duration_s": 1.0},
    ),
    "convnextv2": (
        {
            "kind": "vision",
            "architecture": "convnextv2",
            "config": {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]},
        },
        {"kind": "passt", "mel_bands": 64, "duration_s": 1.28},
    ),
}
WIDTH = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
TEXT = {
    "roberta": ({**WIDTH}, "first"),
    "bert": ({**WIDTH}, "pooler"),
    "mpnet": ({**WIDTH}, "mean"),
    "gpt2": ({"n_embd": 32, "n_layer": 1, "n_head": 2}, "last"),
}


def recall_at_1(clap: Clap, features: torch.Tensor) -> tuple[float, float]:
    """Return R@1 of captions over clips, and of clips over captions."""
    with torch.no_grad():
        heard = clap.hear(AudioInputs(torch.ones(len(features)), features=features))
        cosines = clap.cosines(torch.from_numpy(clap.encode_texts(CAPTIONS)), heard)
    places = torch.arange(PAIRS)
    return (
        float((cosines.argmax(dim=1) == places).float().mean()),
        float((cosines.argmax(dim=0) == places).float().mean()),
    )


def learn_by_heart(audio: dict, features: dict, text: dict, steps: int = 120) -> tuple[float, float]:
    torch.manual_seed(0)
    small = {"width": 32, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16, "dropout": 0.0}
    settings = Model.model_validate(
        {
            "features": features,
            "audio": audio,
            "text": text or small,
            "head": {"dimension": 32, "dropout": 0.0},
        }
    )
    clap = Clap.new(settings, CAPTIONS)
    front_end = clap.front_end
    # Each clip: a chord of its own and a little noise, of as many segments as are heard.
    shape = (PAIRS, front_end.segments, front_end.bands, front_end.frames)
    spectra = torch.randn(PAIRS, 1, front_end.bands, 1) + 0.3 * torch.randn(shape)
    if hasattr(clap.audio, "set_scale"):
        clap.audio.set_scale(0.0, 1.0)
    data = TrainingData(
        cached(spectra.half()),
        [Source("paired", 1.0, range(PAIRS), [[text] for text in CAPTIONS], [[("toy", text)] for text in CAPTIONS])],
    )
    changes = {
        "steps": steps,
        "validate_every_steps": steps,
        "batch_size": PAIRS,
        "choose": "last",
        "weight_decay": 0.0,
        "augmentation": {},
        "learning_rates": {"audio": 3.0e-3},
    }
    with Checkpoint("student", 0) as checkpoint:
        tiny_trainer(clap, data, None, changes).run(checkpoint)
    return recall_at_1(clap, spectra.half().float())


@pytest.mark.slow
@pytest.mark.parametrize("name", AUDIO)
def test_audio_encoder_learns_32_pairs(name):
    assert learn_by_heart(*AUDIO[name], {}) == (1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXT)
def test_text_encoder_learns_32_pairs(name):
    config, pooling = TEXT[name]
    text = {"kind": "architecture", "architecture": name, "config": config, "pooling": pooling}
    text |= {"maximum_tokens": 16, "dropout": 0.0, "vocabulary": 200}
    assert learn_by_heart(*AUDIO["cnn"], text, steps=300) == (1.0, 1.0)
