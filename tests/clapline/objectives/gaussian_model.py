"""A small Gaussian model with masks, and a batch for it."""

from __future__ import annotations

import torch

from clapline import Clap
from clapline.objectives.positives import PositivePairs
from clapline.params.objective import Hierarchy
from stages.train.batch import Batch
from stages.train.masks import MaskDraws
from tests.clapline.model.masked_models import CAPTIONS, HEARD, clips_of, model_of

PAIRS = len(CAPTIONS)


def gaussian_model() -> Clap:
    """Return a model whose uncertainty heads tell inputs apart."""
    made = model_of(
        {"channels": [4, 8]},
        {**HEARD, "short": "zero"},
        head={"dimension": 8, "distribution": "gaussian", "initial_log_variance": -3.0},
        temperature={"initial": 0.1, "bias": -2.0},
    )
    for name, parameter in made.named_parameters():
        if "variance" in name and parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return made


def batch_of(clap: Clap, settings: Hierarchy | None = None, m: int = 0) -> Batch:
    """Return three pairs, masked where there are settings."""
    masked = None
    if settings is not None:
        tokens = clap.settings.text.maximum_tokens
        masked = MaskDraws(settings, clap.mask_units, tokens, PAIRS, 0, 1, 0, "student").of(m)
    return Batch(
        step=m,
        audio=clips_of(clap, 1.0, 0.4, 0.9),
        text=clap.text.prepare(CAPTIONS),
        views=1,
        pairs=PAIRS,
        positives=PositivePairs.identity(PAIRS),
        masked=masked,
    )
