"""What one micro-step of training is fed: a process's share of the clips and captions, and what all pairs share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from clapline.model.inputs import AudioInputs, Inputs
from clapline.objectives.positives import PositivePairs


@dataclass(frozen=True)
class Masked:
    """Which pairs of a batch are encoded again with parts of them hidden, and the draws that hide them.

    Every process holds equally many rows, as a gather asks: where it has fewer masked pairs than another, its first
    pair fills up, and `order` leaves that out again.
    """

    rows: Tensor  # (rows,) int64, places among the local pairs
    order: Tensor  # (masked pairs of the batch,) int64, places among the gathered rows of all processes
    places: Tensor  # (masked pairs of the batch,) int64, places in the batch
    audio_draws: Tensor | None = None  # (levels, rows, units) uniform in [0, 1); None: no masked audio
    text_draws: Tensor | None = None  # (levels, rows, tokens) uniform in [0, 1); None: no masked text

    def each(self, change: Callable[[Tensor], Tensor]) -> Masked:
        """Return the same with every tensor changed."""
        changed = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Masked(**{name: None if tensor is None else change(tensor) for name, tensor in changed.items()})


@dataclass(frozen=True)
class Batch:
    """One contrastive batch of B pairs as one process holds it.

    Of W processes, process r loads the audio and the texts of pairs r·B/W to before (r+1)·B/W; positives, teacher
    views and what is known of captions cover all B pairs in every process, since the objective is computed over all.
    Nothing here grows with B², unless the captions of all clips are alike.
    """

    step: int  # the micro-step, from 0
    audio: AudioInputs  # the B/W local clips
    text: Inputs  # views · B/W rows, view by view: the captions, then one block per level of paraphrases
    views: int
    pairs: int  # B, over all processes
    positives: PositivePairs  # of all B pairs
    first: int = 0  # place of the first local pair, r·B/W
    heard: float = 1.0  # largest valid share among the B clips: features behind it are padding in all of them
    teacher_audio: Tensor | None = None  # (B, teacher's dimension) float32, rows of length 1
    teacher_text: Tensor | None = None  # (B, teacher's dimension) float32, rows of length 1
    distilled_audio: Tensor | None = None  # (B, all teachers' dimensions) float32, rows of length 1
    distilled_text: Tensor | None = None  # (B, all teachers' dimensions) float32, rows of length 1
    caption_states: Tensor | None = None  # (B, width) float32, as a frozen text tower has the captions
    caption_meanings: Tensor | None = None  # (B, width) float32, as a sentence encoder has them
    clusters: Tensor | None = None  # (B,) int64, of the captions; -1: none
    masked: Masked | None = None  # which pairs are encoded again, in part

    @property
    def local(self) -> int:
        """Pairs that are here."""
        return len(self.audio)

    def to(self, device: torch.device | str) -> Batch:
        """Return the same on a device; copies from pinned memory do not wait."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True), self.audio.to(device))

    def pin_memory(self) -> Batch:
        """Return the same in pinned memory, as a DataLoader asks for."""
        return self._each(Tensor.pin_memory, self.audio._each(Tensor.pin_memory))

    def texts_of(self, rows: Tensor | slice, view: int | None = None) -> Inputs:
        """Return the texts of some local pairs: of one view, or of all, view by view."""
        chosen = {}
        for name, tensor in self.text.items():
            by_view = tensor.unflatten(0, (self.views, -1))
            chosen[name] = by_view[view, rows] if view is not None else by_view[:, rows].flatten(0, 1)
        return chosen

    def _each(self, change: Callable[[Tensor], Tensor], audio: AudioInputs) -> Batch:
        changed: dict[str, object] = {"audio": audio}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "text":
                changed["text"] = {name: change(tensor) for name, tensor in value.items()}
            elif isinstance(value, PositivePairs | Masked):
                changed[field.name] = value.each(change)
            elif isinstance(value, Tensor):
                changed[field.name] = change(value)
        return dataclasses.replace(self, **changed)
