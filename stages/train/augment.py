"""From a batch's audio to features on the device, and random changes of features, clip by clip."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from clapline.errors import UserError
from clapline.model.front_ends import FrontEnd
from clapline.model.front_ends.passt import jittered_edges
from clapline.model.inputs import AudioInputs
from clapline.params.training import Augmentation
from clapline.randomness import derived_seed, generator
from stages.train.clip_inputs import cut_to


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Where random numbers come from: draws are made for a whole batch, and a process takes those of its clips.

    So what happens to a clip depends neither on the number of processes nor on the device.
    """

    seed: int
    stage: str
    m: int  # the micro-step
    first: int = 0  # place in the batch of the first clip that is here
    pairs: int | None = None  # clips in the whole batch; None: they are all here

    def of(self, drawn: np.ndarray | Tensor, clips: int) -> Tensor:
        """Return the draws of the clips that are here, from draws for the whole batch."""
        drawn = torch.from_numpy(drawn) if isinstance(drawn, np.ndarray) else drawn
        return drawn[self.first : self.first + clips]


def ready(
    audio: AudioInputs,
    front_end: FrontEnd,
    augmentation: Augmentation,
    crop_frames: int | None,
    fill: float,
    seed: int,
    stage: str,
    m: int,
    *,
    first: int = 0,
    pairs: int | None = None,
    heard: float = 1.0,
) -> AudioInputs:
    """Return what the audio encoder takes, float32: features of waveforms, changed as the augmentation says.

    States of a frozen encoder pass through. Call it where the audio is, on the device.

    Args:
        audio: a process's share of a batch.
        front_end: of the model, on the same device.
        augmentation: what may change.
        crop_frames: frames of a random crop; None: the whole clip.
        fill: what hidden bands and frames are set to, the mean of the training features.
        seed: of the run.
        stage: that trains.
        m: the micro-step.
        first: place in the batch of the first clip that is here (Batch.first).
        pairs: clips in the whole batch (Batch.pairs); None: all are here.
        heard: largest valid share in the whole batch (Batch.heard); frames of waveforms behind it are cut.

    Raises:
        UserError: a crop of clips in segments, or mel jitter of another front end than PaSST's.
    """
    if audio.states is not None:
        return dataclasses.replace(audio, states=audio.states.float())
    features, valid = audio.features, audio.valid
    if features is None:
        edges_hz = None
        if augmentation.mel_jitter:
            if front_end.settings.kind != "passt":
                raise UserError("augmentation.mel_jitter is PaSST's: it needs features.kind passt")
            edges_hz = jittered_edges(front_end.settings, generator(seed, stage, "edges", m))
        features = front_end(audio.waveforms, valid=valid, edges_hz=edges_hz)
        features, valid = cut_to(features, valid, heard)
    drawing = Drawing(seed, stage, m, first, pairs)
    features, valid = augmented(features.float(), valid, augmentation, crop_frames, fill, drawing)
    return dataclasses.replace(audio, features=features, valid=valid, waveforms=None)


def augmented(
    features: Tensor,
    valid: Tensor,
    settings: Augmentation,
    crop_frames: int | None,
    fill: float,
    drawing: Drawing,
) -> tuple[Tensor, Tensor]:
    """Return changed features, `(clips, segments, bands, frames or crop_frames)`, and their valid shares.

    In this order: a crop that wraps round the end; a shift along the mel axis (the edge band is repeated); a shift of
    level; one band and one stretch of time per segment set to `fill` (SpecAugment, Park et al. 2019, as torchaudio
    draws them: from 0 to the widest, evenly).

    Raises:
        UserError: a crop of clips in segments.
    """
    clips, segments, bands, frames = features.shape
    pairs = drawing.pairs or clips
    device = features.device
    random = generator(drawing.seed, drawing.stage, "augment", drawing.m)
    if crop_frames is not None and segments > 1:
        raise UserError("augmentation.crop_s crops whole clips: features.segment_s must be null")
    if crop_frames is not None and crop_frames < frames:
        start = drawing.of(random.integers(frames, size=pairs), clips).to(device)
        features, valid = _cropped(features, valid, crop_frames, start)
        frames = crop_frames
    if settings.frequency_shift_bands:
        limit = settings.frequency_shift_bands
        shift = drawing.of(random.integers(-limit, limit + 1, size=pairs), clips).to(device)
        rows = (torch.arange(bands, device=device) + shift[:, None]).clamp(0, bands - 1)
        features = features.gather(2, rows[:, None, :, None].expand(clips, segments, bands, frames))
    if settings.gain:
        shift = random.uniform(-settings.gain, settings.gain, pairs)
        features = features + drawing.of(shift, clips).to(device, features.dtype)[:, None, None, None]
    if settings.frequency_mask_bands or settings.time_mask_frames:
        hidden_bands, hidden_frames = _hidden(pairs, segments, bands, frames, settings, drawing)
        hidden = drawing.of(hidden_bands, clips).to(device) | drawing.of(hidden_frames, clips).to(device)
        features = features.masked_fill(hidden, fill)
    return features, valid


def _cropped(features: Tensor, valid: Tensor, crop_frames: int, start: Tensor) -> tuple[Tensor, Tensor]:
    """Crop each clip within what of it is no padding; a clip with less than that keeps its beginning."""
    clips, _, bands, frames = features.shape
    sounding = torch.ceil(valid.double() * frames - 1e-5).clamp(1, frames).long()
    long_enough = sounding >= crop_frames
    round_ = torch.where(long_enough, sounding, frames)
    # `start` was drawn from all frames: scaled, not wrapped, so that no beginning is drawn about twice as often.
    begin = torch.where(long_enough, start * round_ // frames, 0)
    columns = (begin[:, None] + torch.arange(crop_frames, device=features.device)) % round_[:, None]
    cropped = features.gather(3, columns[:, None, None, :].expand(clips, 1, bands, crop_frames))
    share = torch.where(long_enough, 1.0, sounding / crop_frames).clamp(max=1)
    return cropped, share.to(valid.dtype)


def _hidden(
    pairs: int, segments: int, bands: int, frames: int, settings: Augmentation, drawing: Drawing
) -> tuple[Tensor, Tensor]:
    """Return which bands `(pairs, segments, bands, 1)` and which frames `(pairs, segments, 1, frames)` are hidden."""
    # torchaudio draws from torch's generator: its state is put back, and a mask of ones on the CPU is what it draws on,
    # since an accelerator would draw others.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(drawing.seed, drawing.stage, "augment", drawing.m))
        shown_bands = torch.ones(pairs, segments, bands + 1, 1)
        shown_frames = torch.ones(pairs, segments, 1, frames + 1)
        # Width and start are drawn below their bounds and rounded down: one more makes the widest as likely as any
        # other width, and one more place lets a mask reach the last.
        if settings.frequency_mask_bands:
            shown_bands = mask_along_axis_iid(shown_bands, min(settings.frequency_mask_bands, bands) + 1, 0.0, axis=2)
        if settings.time_mask_frames:
            shown_frames = mask_along_axis_iid(shown_frames, min(settings.time_mask_frames, frames) + 1, 0.0, axis=3)
    return shown_bands[:, :, :bands] == 0, shown_frames[..., :frames] == 0
