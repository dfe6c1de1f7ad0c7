"""What a run hears of its clips: features in memory, clips streamed from their shards, or a frozen encoder's states."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from clapline.audio.shards import ShardReader
from clapline.loaded_code import source_key
from clapline.model.clap import Clap
from clapline.model.encode import audio_inputs, check_sample_rate, clip_features
from clapline.model.frozen_audio import FrozenStates, frozen_states, weights_key
from clapline.params.machine import Machine
from clapline.params.training import Training
from clapline.randomness import generator
from stages.train.clip_inputs import CachedFeatures, CachedStates, ClipInputs, StreamedWaveforms
from stages.train.distributed import once

# Streamed clips are too many to hear them all for two numbers.
_CLIPS_MEASURED = 512


def training_clips(
    clap: Clap, clips: pd.DataFrame, settings: Training, machine: Machine, seed: int, stage: str
) -> tuple[ClipInputs, float, float]:
    """Return the clips as the run takes them in, and the mean and deviation of their features.

    `clips` are rows of a clip table. A frozen encoder's states are not augmented: mean and deviation are 0 and 1 then.
    """
    description = f"{stage}: training clips"
    if clap.settings.audio.frozen:
        return _states(clap, clips, machine, description, True), 0.0, 1.0
    if settings.inputs == "streamed":
        measured = clips
        if len(clips) > _CLIPS_MEASURED:
            chosen = generator(seed, stage, "statistics").choice(len(clips), _CLIPS_MEASURED, replace=False)
            measured = clips.iloc[np.sort(chosen)]
        features, _ = clip_features(clap.front_end, measured, machine, f"{stage}: statistics of features")
        streamed = StreamedWaveforms(clips, clap.settings.features, settings.augmentation, seed, stage)
        return streamed, *feature_statistics(features)
    features, valid = clip_features(clap.front_end, clips, machine, description)
    cut = CachedFeatures(features, valid, _heard_s(clap, clips), cut=may_cut(clap))
    return cut, *feature_statistics(features)


def validation_clips(clap: Clap, clips: pd.DataFrame, machine: Machine, stage: str) -> ClipInputs:
    """Return the validation clips, heard the same way each time."""
    description = f"{stage}: validation clips"
    if clap.settings.audio.frozen:
        return _states(clap, clips, machine, description, False)
    return CachedFeatures(*clip_features(clap.front_end, clips, machine, description))


def may_cut(clap: Clap) -> bool:
    """Return whether a batch may be cut to its longest clip.

    Whole segments may always be; frames of a single one not under encoders that hear a fixed length.
    """
    padded = clap.settings.features.short == "zero"
    return padded and (clap.front_end.segments > 1 or not getattr(clap.audio, "fixed_length", False))


def _states(clap: Clap, clips: pd.DataFrame, machine: Machine, description: str, training: bool) -> CachedStates:
    check_sample_rate(clips, clap.settings.features)
    clap.eval()
    reader = ShardReader()
    cut = clap.settings.features.short == "zero"
    key = [clap.settings.audio.kind, clap.audio.encoder_config(), weights_key(clap.audio)]
    # Another front end or another way to decode makes other states: the code stands in the key as well.
    key.append(source_key("clapline.model.audio", "clapline.model.front_ends", "clapline.audio.decode"))

    def states() -> FrozenStates:
        return frozen_states(
            clap.listen,
            [*key, clap.settings.audio.states, clap.settings.features.model_dump()],
            clips,
            lambda rows: audio_inputs(clap, rows, reader),
            machine,
            description,
            device=clap.device,
            pooled=clap.settings.audio.pooling == "mean",
        )

    def fill_store() -> None:
        states()

    once(fill_store)  # the first of several processes encodes; all of them find it done
    return CachedStates(states(), _heard_s(clap, clips), cut=training and cut)


def _heard_s(clap: Clap, clips: pd.DataFrame) -> np.ndarray:
    return np.minimum(clips.duration_s.to_numpy(dtype=float), clap.settings.features.duration_s)


def feature_statistics(features: Tensor) -> tuple[float, float]:
    """Return mean and deviation of training features, summed in float64 clip by clip (flat memory)."""
    if not len(features):
        return 0.0, 1.0
    sums = np.array([[float(clip.double().sum()), float(clip.double().square().sum())] for clip in features])
    total, squares = sums.sum(axis=0) / features.numel()
    return float(total), float(math.sqrt(max(squares - total**2, 0.0)))


def set_feature_scale(clap: Clap, mean: float, deviation: float) -> None:
    """Let a model that starts from scratch know its features' scale.

    The encoder, where it asks for it, and what stands in for hidden audio, which starts at the mean.
    """
    with torch.no_grad():
        if hasattr(clap.audio, "set_scale"):
            clap.audio.set_scale(mean, deviation)
        if clap.audio_mask is not None:
            clap.audio_mask.add_(mean)


def initial_weights(clap: Clap) -> list[str]:
    """Return hashes of the weights that a run starts from, those of a frozen text encoder among them."""
    return [weights_key(clap), str(getattr(clap.text, "weights", ""))]
