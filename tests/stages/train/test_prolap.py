"""ProLAP end to end on a toy world (methods/prolap.md T19): what tells less is wider, and the hierarchy makes it so.

Clips hold some of eight sounds, each in a stretch of its own; captions name some of a clip's sounds. That longer
captions get less variance is measured on the default data, by benchmarks/families.py: this world is too small for it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.metrics.retrieval import Relevance, recall_at_k, relevant_ranks
from clapline.model.clap import Clap
from clapline.model.extend import add_masks
from clapline.model.inputs import AudioInputs, Embeddings
from clapline.model.masking import nested_masks
from clapline.objectives.gaussian import trace
from clapline.params.model import Model
from clapline.params.training import Training
from stages.train.checkpoints import Checkpoint
from stages.train.clip_inputs import CachedFeatures
from stages.train.data import Source, TrainingData
from stages.train.start import fit_objective
from tests.stages.train.conftest import NAMES
from tests.stages.train.tiny import tiny_trainer

STRETCHES = 8  # of a clip, each with one sound or none
MODEL = Model.model_validate(
    {
        "features": {"duration_s": 3.0, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
        "audio": {"channels": [8, 16, 16]},
        "text": {"width": 32, "layers": 1, "attention_heads": 2, "vocabulary": 200, "maximum_tokens": 16},
        "head": {"dimension": 16, "dropout": 0.0},
    }
)
PROLAP = {
    "contrastive": {"form": "probabilistic"},
    "inclusion": {"weight": 5.0e-7},
    "hierarchy": {"weight": 5.0e-3, "share": 0.25},
    "bottleneck": {"weight": 1.0e-5},
}


def world(clips: int, seed: int) -> tuple[torch.Tensor, list[list[str]]]:
    """Return features `(clips, 1, 16, frames)` and for each clip captions that name one, some and all of its sounds."""
    frames = Clap.new(MODEL, ["a"]).front_end.frames
    random = np.random.default_rng(seed)
    features = random.normal(-6, 0.5, (clips, 16, frames))
    captions = []
    for row in range(clips):
        sounds = random.permutation(8)[: random.integers(3, 6)]
        places = random.permutation(STRETCHES)[: len(sounds)]
        for sound, place in zip(sounds, places, strict=True):
            stretch = slice(place * frames // STRETCHES, (place + 1) * frames // STRETCHES)
            features[row, 2 * sound : 2 * sound + 2, stretch] += 5.0
        named = [NAMES[sound] for sound in sounds]
        captions.append([" ".join(f"a {name}" for name in named[:count]) for count in sorted({1, 2, len(named)})])
    return torch.from_numpy(features).float().unsqueeze(1), captions


def trained(objective: dict, gaussian: bool, seed: int) -> Clap:
    features, captions = world(160, seed)
    keys = [[("toy", str(row))] * len(texts) for row, texts in enumerate(captions)]
    source = Source("paired", 1.0, list(range(160)), captions, keys)
    data = TrainingData(CachedFeatures(features, torch.ones(160)), [source])
    changes = {
        "steps": 150, "batch_size": 32, "objective": objective, "gaussian_heads": gaussian, "augmentation": {},
        "validate_every_steps": 150, "learning_rates": {"audio": 3.0e-3, "text": 3.0e-3, "logits": 1.0e-2},
    }  # fmt: skip
    torch.manual_seed(seed)
    clap = Clap.new(MODEL, data.texts())
    clap.audio.set_scale(-5.5, 1.5)
    clap = fit_objective("student", clap, Training.model_validate(changes), -5.5, seed)
    run = tiny_trainer(clap, data, None, changes, seed=seed, fill=-5.5)
    with Checkpoint("student", repr(objective), seed) as checkpoint:
        run.run(checkpoint)
    return clap


@torch.inference_mode()
def measured(clap: Clap, seed: int) -> dict[str, float]:
    features, captions = world(120, seed + 1000)
    audio = AudioInputs(valid=torch.ones(120), features=features)
    embedded = clap.hear(audio)
    queries = sorted({text for texts in captions for text in texts})
    places = {text: place for place, text in enumerate(queries)}
    pairs = [(places[texts[-1]], row) for row, texts in enumerate(captions)]  # captions that name all there is
    asked = sorted({query for query, _ in pairs})
    relevance = Relevance.from_pairs(
        np.searchsorted(asked, [query for query, _ in pairs]), np.arange(120), len(asked), 120
    )
    vectors = clap.encode_texts(queries)
    ranks = relevant_ranks(vectors[asked], embedded.mean.numpy(), relevance)
    found = {"r10": float(recall_at_k(ranks, relevance, 10).mean())}
    if clap.settings.head.distribution != "gaussian":
        return found
    torch.manual_seed(0)
    add_masks(clap, -5.5)  # to the control, which learned no stand-ins
    random = torch.Generator().manual_seed(seed)
    seen = clap.valid_units(audio)
    masked = nested_masks(seen, torch.rand(1, *seen.shape, generator=random), [0.25], 1)[1]
    found["audio"] = wider(clap.embed_masked_audio(audio, masked), embedded)
    texts = clap.text.prepare(queries)
    words = texts["attention_mask"].bool() & ~clap.text.special_tokens(texts)
    masked = nested_masks(words, torch.rand(1, *words.shape, generator=random), [0.25], 0)[1]
    found["text"] = wider(clap.embed_masked_text(texts, masked), clap.embed_text(texts))
    return found


def wider(masked: Embeddings, whole: Embeddings) -> float:
    return float((trace(masked.log_variance) > trace(whole.log_variance)).float().mean())


@pytest.mark.slow
def test_what_tells_less_is_wider_and_the_hierarchy_makes_it_so():
    """T19: masked clips and captions wider in nine cases of ten; the control less so; retrieval as with points."""
    seeds = (0, 1)
    found = {
        name: [measured(trained(objective, gaussian, seed), seed) for seed in seeds]
        for name, objective, gaussian in (
            ("prolap", PROLAP, True),
            ("control", PROLAP | {"hierarchy": {"weight": 0.0}}, True),
            ("points", {"contrastive": {"form": "sigmoid"}}, False),
        )
    }
    mean = {name: {key: np.mean([one[key] for one in runs]) for key in runs[0]} for name, runs in found.items()}
    for side in ("audio", "text"):
        assert all(one[side] >= 0.9 for one in found["prolap"]), found
        assert mean["prolap"][side] > mean["control"][side], found
    assert mean["prolap"]["r10"] >= mean["points"]["r10"] - 0.02, found
    assert mean["points"]["r10"] > 2 * 10 / 120, found  # there was something to learn
