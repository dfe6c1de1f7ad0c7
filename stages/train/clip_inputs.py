"""What the audio side of a batch is made of: features in memory, waveforms from shards, or frozen states."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pandas as pd
import soundfile
import torch
from torch import Tensor

from clapline.audio.decode import resample
from clapline.audio.shards import ShardReader
from clapline.errors import UserError
from clapline.model.front_ends.window import fit
from clapline.model.frozen_audio import FrozenStates
from clapline.model.inputs import AudioInputs
from clapline.params.features import Features
from clapline.params.training import Augmentation
from clapline.randomness import generator
from stages.train.waveforms import Plan, changed, planned, with_background

# Frames are cut in steps: convolutions and patches want some, and few distinct shapes let compiled code be used again.
FRAMES_STEP = 32


class ClipInputs(ABC):
    """The clips of a run by row. Whatever is drawn depends on (seed, stage, micro-step, place in the batch) alone."""

    durations_s: np.ndarray  # (rows,) how much of each clip is heard

    def __len__(self) -> int:
        return len(self.durations_s)

    @abstractmethod
    def heard(self, rows: Sequence[int], m: int) -> float:
        """Return the largest valid share among the clips of a batch, in (0, 1]: what lies behind it is padding."""

    @abstractmethod
    def inputs(self, rows: Sequence[int], m: int, first: int = 0, count: int | None = None) -> AudioInputs:
        """Return what the audio encoder gets of a batch, on the CPU.

        Args:
            rows: the clips of the whole batch.
            m: the micro-step.
            first: place in the batch of the first clip that is wanted.
            count: how many are wanted; None: all from there.

        Raises:
            UserError: a clip cannot be read; the message names it.
        """


class CachedFeatures(ClipInputs):
    """Features of all clips in memory, `(clips, segments, bands, frames)`.

    With `cut`, for training on clips that are padded with zeros, those of a batch are cut to its longest; without it
    what is given of a clip depends on no other.
    """

    def __init__(
        self, features: Tensor, valid: Tensor, durations_s: Sequence[float] | None = None, *, cut: bool = False
    ) -> None:
        self.features, self.valid, self.cut = features, valid, cut
        self.durations_s = valid.double().numpy() if durations_s is None else np.asarray(durations_s, dtype=float)

    def heard(self, rows: Sequence[int], m: int) -> float:
        """Return the largest valid share among the rows."""
        return float(self.valid[list(rows)].max())

    def inputs(self, rows: Sequence[int], m: int, first: int = 0, count: int | None = None) -> AudioInputs:
        """Return features, in half precision as they are kept."""
        chosen = list(rows)[first : None if count is None else first + count]
        if not self.cut:
            return AudioInputs(valid=self.valid[chosen], features=self.features[chosen])
        features, valid = cut_to(self.features, self.valid[chosen], self.heard(rows, m), chosen)
        return AudioInputs(valid=valid, features=features)


class CachedStates(ClipInputs):
    """States of a frozen audio encoder, `(clips, positions, width)`, from memory-mapped files; `cut` as above."""

    def __init__(self, states: FrozenStates, durations_s: Sequence[float] | None = None, *, cut: bool = False) -> None:
        self.states, self.valid, self.cut = states, states.valid, cut
        self.durations_s = self.valid.double().numpy() if durations_s is None else np.asarray(durations_s, dtype=float)

    def heard(self, rows: Sequence[int], m: int) -> float:
        """Return the largest valid share among the rows."""
        return float(self.valid[list(rows)].max())

    def inputs(self, rows: Sequence[int], m: int, first: int = 0, count: int | None = None) -> AudioInputs:
        """Return states, in half precision as they are kept."""
        chosen = list(rows)[first : None if count is None else first + count]
        states, valid = self.states[chosen], self.valid[chosen]
        if not self.cut:
            return AudioInputs(valid=valid, states=states)
        positions = states.shape[1]
        kept = _covering(self.heard(rows, m), positions)
        return AudioInputs(valid=(valid * (positions / kept)).clamp(max=1), states=states[:, :kept])


class StreamedWaveforms(ClipInputs):
    """Clips read from their shards at each micro-step: cropped at random, changed as the augmentation says.

    Without an augmentation (None, not one with everything off) a long clip is cut in its middle, for validation.

    In this order: decode; resample where `features.resample_from_hz` asks for it; crop what is longer than will be
    heard; effects; shift in time; pad or repeat to the length that is heard; another clip of the batch as background.
    """

    def __init__(
        self,
        clips: pd.DataFrame,
        features: Features,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        stage: str = "",
        root: str = ".",
    ) -> None:
        rates = sorted(set(clips.sample_rate_hz) - {features.prepared_rate_hz})
        if rates:
            raise UserError(
                f"clips are prepared at {rates} Hz but the model expects {features.prepared_rate_hz} Hz: make "
                "prepare.sample_rate_hz and model.features.sample_rate_hz equal, or set model.features.resample_from_hz"
            )
        # Columns as arrays, not a frame: they go to the processes that read ahead, and a row of them is found at once.
        wanted = ("dataset", "clip_id", "shard", "offset", "nbytes", "sha256")
        self._columns = {name: clips[name].to_numpy(dtype=object) for name in wanted}
        self.durations_s = np.minimum(clips.duration_s.to_numpy(dtype=float), features.duration_s)
        self.features, self.seed, self.stage = features, seed, stage
        self.augmentation, self.crops = augmentation or Augmentation(), augmentation is not None
        self._whole_s = clips.duration_s.to_numpy(dtype=float)
        self._reader = ShardReader(root)

    def heard(self, rows: Sequence[int], m: int) -> float:
        """Return the largest valid share, from the durations of the table and what a change of speed makes of them."""
        if self.features.short != "zero":
            return 1.0
        plans = [planned(self.augmentation, self.seed, self.stage, m, place, len(rows)) for place in range(len(rows))]
        lengths = [self._whole_s[row] / plan.speed for row, plan in zip(rows, plans, strict=True)]
        return min(1.0, max(lengths) / self.features.duration_s)

    def inputs(self, rows: Sequence[int], m: int, first: int = 0, count: int | None = None) -> AudioInputs:
        """Return waveforms `(clips, samples)` float32 of full length."""
        rows = list(rows)
        stop = len(rows) if count is None else first + count
        heard = [self._clip(rows, m, place) for place in range(first, stop)]
        return AudioInputs(
            valid=torch.tensor([valid for _, valid in heard], dtype=torch.float32),
            waveforms=torch.from_numpy(np.stack([samples for samples, _ in heard])),
        )

    def _clip(self, rows: list[int], m: int, place: int) -> tuple[np.ndarray, float]:
        plan = planned(self.augmentation, self.seed, self.stage, m, place, len(rows))
        noise = generator(self.seed, self.stage, "noise", m, place)
        samples, valid = self._heard(rows[place], m, place, plan, noise)
        if plan.background is None or rows[plan.background] == rows[place]:
            return samples, valid
        background, share = self._heard(rows[plan.background], m, plan.background, Plan(), noise)
        sounding = max(1, round(valid * len(samples)))
        samples = samples.copy()
        samples[:sounding] = with_background(
            samples[:sounding],
            background[: min(sounding, max(1, round(share * len(background))))],
            self.augmentation.mixing_below_db,
        )
        return samples, valid

    def _heard(self, row: int, m: int, place: int, plan: Plan, noise: np.random.Generator) -> tuple[np.ndarray, float]:
        waveform = self._read(row)
        random = generator(self.seed, self.stage, "crop", m, place) if self.crops else None
        # What will be heard is cut out first: an effect costs many times what decoding does.
        wanted = math.ceil(self.features.samples * plan.speed)
        if random is not None and len(waveform) > wanted:
            start = int(random.integers(len(waveform) - wanted + 1))
            waveform = waveform[start : start + wanted]
        return fit(changed(waveform, plan, self.features.sample_rate_hz, noise), self.features, random)

    def _read(self, row: int) -> np.ndarray:
        clip = SimpleNamespace(**{name: column[row] for name, column in self._columns.items()})
        try:
            samples = self._reader.read(clip)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            # libsndfile's reason alone: its whole message shows an address in memory.
            reason = " ".join((getattr(error, "error_string", None) or str(error)).split())
            raise UserError(f"{clip.shard}: clip {clip.clip_id!r} of {clip.dataset} is unreadable: {reason}") from None
        return resample(samples, self.features.prepared_rate_hz, self.features.sample_rate_hz)


def cut_to(features: Tensor, valid: Tensor, heard: float, rows: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """Return features without what is padding in every clip of a batch, and the valid shares of what is left.

    Whole segments are cut; frames where there is one segment, in steps of 32.

    Args:
        features: `(clips, segments, bands, frames)`.
        valid: `(clips,)`, of the rows that are wanted.
        heard: the largest valid share in the batch.
        rows: the clips that are wanted; None: all.
    """
    segments, frames = features.shape[1], features.shape[3]
    chosen = slice(None) if rows is None else list(rows)
    if segments > 1:
        kept = _covering(heard, segments)
        return features[chosen, :kept], (valid * (segments / kept)).clamp(max=1)
    kept = min(frames, -(-_covering(heard, frames) // FRAMES_STEP) * FRAMES_STEP)
    return features[chosen][..., :kept], (valid * (frames / kept)).clamp(max=1)


def _covering(share: float, places: int) -> int:
    """Return how many places, at least one, cover a share of them."""
    return int(np.clip(np.ceil(share * places - 1e-5), 1, places))
