"""Encode the clips of a table, read from their shards in batches; and features in memory for training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from clapline.audio.decode import resample
from clapline.audio.shards import ShardReader
from clapline.errors import UserError
from clapline.model.clap import Clap, refuse_text_aware
from clapline.model.front_ends import FrontEnd
from clapline.model.front_ends.window import fit
from clapline.model.gallery import FrameGallery, Gallery, VectorGallery
from clapline.model.inputs import AudioInputs
from clapline.params.features import Features
from clapline.params.machine import Machine
from clapline.progress import progress_bar
from clapline.text.tags import tags_sentence

# Clips encoded at a time, fewer where their spectrograms are large: about 2 s of CLAP's features on a laptop's memory.
# Not a knob: another batch size moves the last bits of an embedding.
ENCODE_BATCH = 128
_VALUES_AT_ONCE = 4_000_000


def check_sample_rate(clips: pd.DataFrame, features: Features) -> None:
    """Raise a UserError when a clip was prepared at another rate than the model expects."""
    rates = set(clips.sample_rate_hz) - {features.prepared_rate_hz}
    if rates:
        raise UserError(
            f"clips are prepared at {sorted(rates)} Hz but the model expects {features.prepared_rate_hz} Hz: make "
            "prepare.sample_rate_hz and model.features.sample_rate_hz equal, or set model.features.resample_from_hz"
        )


def read_clip(
    reader: ShardReader, row: Any, features: Features, random: np.random.Generator | None = None
) -> tuple[np.ndarray, float]:
    """Return what a model hears of a clip, `(samples,)` float32 at its rate, and the share that is no padding.

    `random` draws where a longer clip is cut; None: in its middle, the same each time.
    """
    waveform = reader.read(row)
    return fit(resample(waveform, features.prepared_rate_hz, features.sample_rate_hz), features, random)


def encode_batch(front_end: FrontEnd) -> int:
    """Return how many clips are encoded at a time."""
    return max(1, min(ENCODE_BATCH, _VALUES_AT_ONCE // (front_end.segments * front_end.bands * front_end.frames)))


def audio_inputs(clap: Clap, rows: Sequence[Any], reader: ShardReader) -> AudioInputs:
    """Return what the model takes of rows of a clip table: waveforms, and their tags where it knows of tags."""
    heard = [read_clip(reader, row, clap.settings.features) for row in rows]
    inputs = AudioInputs(
        valid=torch.tensor([valid for _, valid in heard], dtype=torch.float32),
        waveforms=torch.from_numpy(np.stack([samples for samples, _ in heard])),
    )
    return with_tags(clap, inputs, [row.tags for row in rows])


def with_tags(clap: Clap, inputs: AudioInputs, tags: Sequence[Sequence[str]]) -> AudioInputs:
    """Return the inputs with what is known of each clip beside its audio; as they are where the model knows no tags."""
    sentences = [tags_sentence(of_clip) for of_clip in tags] if clap.metadata is not None else []
    if not any(sentences):
        return inputs
    prepared = clap.text.prepare([sentence or "" for sentence in sentences])
    has_tags = torch.tensor([sentence is not None for sentence in sentences])
    return dataclasses.replace(inputs, tags=prepared, has_tags=has_tags)


@torch.inference_mode()
def clip_features(
    front_end: FrontEnd, clips: pd.DataFrame, machine: Machine, description: str
) -> tuple[Tensor, Tensor]:
    """Return the features of each row, `(rows, segments, bands, frames)` in half precision, and the valid shares."""
    features = torch.empty(len(clips), front_end.segments, front_end.bands, front_end.frames, dtype=torch.float16)
    valid = torch.ones(len(clips))
    device = next(front_end.buffers()).device
    check_sample_rate(clips, front_end.settings)
    reader = ShardReader()
    for start, chosen in _batches(clips, encode_batch(front_end), machine, description):
        heard = [read_clip(reader, row, front_end.settings) for row in chosen]
        stop = start + len(chosen)
        valid[start:stop] = torch.tensor([share for _, share in heard])
        waveforms = torch.from_numpy(np.stack([samples for samples, _ in heard])).to(device)
        features[start:stop] = front_end(waveforms, valid=valid[start:stop].to(device)).half().cpu()
    return features, valid


@torch.inference_mode()
def gallery_of_inputs(clap: Clap, batches: Iterable[AudioInputs]) -> Gallery:
    """Return what captions are searched in: the clips' vectors, or under text-aware pooling their frames.

    Of Gaussians the vectors are the means, with the log variances beside them.
    """
    clap.eval()
    heard = (clap.hear(inputs.to(clap.device)) for inputs in batches)
    if not clap.text_aware:
        none = np.zeros((0, clap.dimension), np.float32)
        parts = [(part.mean, part.log_variance) for part in heard]
        means = np.concatenate([none, *(mean.float().cpu().numpy() for mean, _ in parts)])
        if clap.settings.head.distribution != "gaussian":
            return VectorGallery(means)
        return VectorGallery(means, np.concatenate([none, *(width.float().cpu().numpy() for _, width in parts)]))
    states = [(part.states.half().cpu(), part.mask.cpu()) for part in heard]
    frames, mask = torch.cat([part for part, _ in states]), torch.cat([part for _, part in states])
    return FrameGallery(frames, mask, clap.pooling, clap.device)


def gallery_of_clips(clap: Clap, clips: pd.DataFrame, machine: Machine, description: str) -> Gallery:
    """Return the clips of a table, read from their shards, in the order of the rows; each clip is encoded once."""
    check_sample_rate(clips, clap.settings.features)
    distinct, rows = _distinct(clips)
    reader = ShardReader()
    batches = _batches(distinct, encode_batch(clap.front_end), machine, description)
    return gallery_of_inputs(clap, (audio_inputs(clap, chosen, reader) for _, chosen in batches)).take(rows)


def encode_clips(clap: Clap, clips: pd.DataFrame, machine: Machine, description: str) -> np.ndarray:
    """Return unit embeddings `(rows, dimension)`, float32, in the order of the rows; each clip is encoded once.

    Raises:
        UserError: the model pools by text, so that clips have no embeddings (see `gallery_of_clips`).
    """
    refuse_text_aware(clap)
    return gallery_of_clips(clap, clips, machine, description).vectors


def _batches(clips: pd.DataFrame, size: int, machine: Machine, description: str) -> Iterator[tuple[int, list[Any]]]:
    rows = list(clips.itertuples(index=False))
    with progress_bar(shown=machine.progress) as bar:
        task = bar.add_task(description, total=len(rows))
        for start in range(0, len(rows), size):
            yield start, rows[start : start + size]
            bar.advance(task, min(size, len(rows) - start))


def _distinct(clips: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """Return each clip once, and where each row's clip is among them."""
    distinct = clips.drop_duplicates(["dataset", "clip_id"])
    places = {key: place for place, key in enumerate(zip(distinct.dataset, distinct.clip_id, strict=True))}
    return distinct, [places[key] for key in zip(clips.dataset, clips.clip_id, strict=True)]
