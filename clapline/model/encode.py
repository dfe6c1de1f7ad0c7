"""Encode the clips of a table, read from their shards in batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from clapline.audio.shards import ShardReader
from clapline.errors import UserError
from clapline.model.clap import ENCODE_BATCH, Clap
from clapline.model.features import LogMel, fit_duration
from clapline.params.machine import Machine
from clapline.progress import progress_bar


def check_sample_rate(clips: pd.DataFrame, expected_hz: int) -> None:
    """Raise a UserError when a clip was prepared at another rate than the model expects."""
    rates = set(clips.sample_rate_hz) - {expected_hz}
    if rates:
        raise UserError(
            f"clips are prepared at {sorted(rates)} Hz but the model expects {expected_hz} Hz: "
            "make prepare.sample_rate_hz and model.features.sample_rate_hz equal"
        )


@torch.inference_mode()
def clip_features(front_end: LogMel, clips: pd.DataFrame, machine: Machine, description: str) -> torch.Tensor:
    """Return the log-mel features of each row, `(rows, bands, frames)`, in half precision on the CPU."""
    check_sample_rate(clips, front_end.settings.sample_rate_hz)
    reader = ShardReader()
    features = torch.empty(len(clips), front_end.settings.mel_bands, front_end.frames, dtype=torch.float16)
    rows = list(clips.itertuples(index=False))
    device = front_end.window.device
    with progress_bar(shown=machine.progress) as bar:
        task = bar.add_task(description, total=len(rows))
        for start in range(0, len(rows), ENCODE_BATCH):
            chosen = rows[start : start + ENCODE_BATCH]
            waveforms = np.stack([fit_duration(reader.read(row), front_end.samples) for row in chosen])
            features[start : start + len(chosen)] = front_end(torch.from_numpy(waveforms).to(device)).half().cpu()
            bar.advance(task, len(chosen))
    return features


def encode_clips(clap: Clap, clips: pd.DataFrame, machine: Machine, description: str) -> np.ndarray:
    """Return unit embeddings `(rows, dimension)`, float32, in the order of the rows; each clip is encoded once."""
    clap.eval()
    distinct = clips.drop_duplicates(["dataset", "clip_id"])
    features = clip_features(clap.front_end, distinct, machine, description)
    return encode_features(clap, features)[_rows_in(distinct, clips)]


@torch.inference_mode()
def encode_features(clap: Clap, features: torch.Tensor) -> np.ndarray:
    """Return unit embeddings `(rows, dimension)`, float32, of features `(rows, bands, frames)`, in evaluation mode."""
    clap.eval()
    parts = [np.zeros((0, clap.dimension), np.float32)]
    for start in range(0, len(features), ENCODE_BATCH):
        batch = features[start : start + ENCODE_BATCH].to(clap.device).float()
        parts.append(clap.embed_features(batch).float().cpu().numpy())
    return np.concatenate(parts)


def _rows_in(distinct: pd.DataFrame, clips: pd.DataFrame) -> list[int]:
    places = {key: place for place, key in enumerate(zip(distinct.dataset, distinct.clip_id, strict=True))}
    return [places[key] for key in zip(clips.dataset, clips.clip_id, strict=True)]
