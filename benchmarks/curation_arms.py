"""The arms of benchmarks/curation.py: settings, losses, strategies with their sources, guards, caption pools."""

from __future__ import annotations

import dataclasses
from typing import Any

STEPS, LEARNING_RATE = 300, 1.0e-3  # of a student
MASKED = 0.7  # captions this near are no negatives of each other, as in recipes/urban.yaml


@dataclasses.dataclass(frozen=True)
class Setting:
    """How much is paired, what is unpaired, which labels DS and ADS aim at and how near, and the teacher's steps."""

    share: float
    unpaired: tuple[str, ...]
    labels: str
    sigma_text_text: float  # as published for this label set
    teacher_steps: int


SETTINGS = {
    "full": Setting(0.92, ("urbansound8k",), "urbansound8k", 0.6, 2600),
    "low": Setting(0.14, ("esc50",), "esc50", 0.7, 800),
    "low_urban": Setting(0.14, ("urbansound8k",), "urbansound8k", 0.6, 800),
}
LOSSES: dict[str, dict[str, Any]] = {
    "hard": {"contrastive": {"targets": "hard"}},
    "soft": {"contrastive": {"targets": "soft", "soft": "raw", "beta": 0.3}},
    "masked": {"contrastive": {"targets": "hard", "ignore_similar_captions_above": MASKED}},
}
SIGMA_AUDIO_TEXT = 0.65
# Weights of the original pairs, of those near a label, and of new ones: half of the batches are new ones, as published.
SOURCES = {
    "control": {"paired": 1.0, "curated": 0.0, "domain": 0.0},
    "ds": {"paired": 0.0, "curated": 0.0, "domain": 1.0},
    "ads": {"paired": 0.0, "curated": 1.0, "domain": 1.0},
}
OTHERS = {"paired": 1.0, "curated": 1.0, "domain": 0.0}
# ESC-50's names of sounds that UrbanSound8K calls otherwise.
SAME = {"dog": "dog bark", "engine": "engine idling"}
GUARDS: dict[str, dict[str, Any]] = {
    "none": {},
    "z_score": {"calibration": "z_score"},
    "csls": {"calibration": "csls"},
    "5 mutual neighbours": {"mutual_neighbours": 5},
    "10 mutual neighbours": {"mutual_neighbours": 10},
    "3 captions per clip": {"maximum_captions_per_clip": 3},
    "10 clips per caption": {"maximum_clips_per_caption": 10},
    "near-duplicates 0.95": {"near_duplicate_cosine": 0.95},
}
QUANTILES = (0.985, 0.99, 0.993, 0.995, 0.997)
# Students one after the other, each the teacher of the next.
ROUNDS = {"control_2": 2, "du_2": 2, "du_named_2": 2}
# Strategy by name: what differs from the published form with the thresholds above. None: no curated pairs.
CURATED: dict[str, dict[str, Any] | None] = {
    "control": None,
    "du": {"strategy": "du"},
    "ds": {"strategy": "ds"},
    "ads": {"strategy": "ads"},
    "top_k": {"strategy": "top_k"},
    "du_csls": {"strategy": "du", "calibration": "csls", "quantile_audio_text": 0.985},
    # Other caption pools: the target's labels in two sentences; AudioCaps' training captions, 5,000 of them.
    "du_named": {"strategy": "du", "captions": "named", "quantile_audio_text": 0.985},
    "du_named_z": {"strategy": "du", "captions": "named", "quantile_audio_text": 0.985, "calibration": "z_score"},
    # Two rounds: the student of the first curates for the second; beside a control of as many steps.
    "control_2": None,
    "du_2": {"strategy": "du"},
    "du_named_2": {"strategy": "du", "captions": "named", "quantile_audio_text": 0.985},
    "du_audiocaps": {"strategy": "du", "captions": "audiocaps", "quantile_audio_text": 0.9995},
}
