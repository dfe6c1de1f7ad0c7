"""What one micro-step of training is fed: a process's share of the clips and captions, and what all pairs share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from clapline.model.inputs import AudioInputs, Inputs


@dataclass(frozen=True)
class Batch:
    """One contrastive batch of B pairs as one process holds it.

    Of W processes, process r loads the audio and the texts of pairs r·B/W to before (r+1)·B/W; positives, teacher
    views and caption similarities cover all B pairs in every process, since the objective is computed over all of them.
    """

    step: int  # the micro-step, from 0
    audio: AudioInputs  # the B/W local clips
    text: Inputs  # views · B/W rows, view by view: the captions, then one block per level of paraphrases
    views: int
    pairs: int  # B, over all processes
    positives: Tensor  # (B, B) boolean, symmetric, True on the diagonal
    first: int = 0  # place of the first local pair, r·B/W
    heard: float = 1.0  # largest valid share among the B clips: features behind it are padding in all of them
    teacher_audio: Tensor | None = None  # (B, teacher's dimension) float32, rows of length 1
    teacher_text: Tensor | None = None  # (B, teacher's dimension) float32, rows of length 1
    caption_similarity: Tensor | None = None  # (B, B) float32 cosines of the captions, as a frozen text encoder has it

    def to(self, device: torch.device | str) -> Batch:
        """Return the same on a device; copies from pinned memory do not wait."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True), self.audio.to(device))

    def pin_memory(self) -> Batch:
        """Return the same in pinned memory, as a DataLoader asks for."""
        return self._each(Tensor.pin_memory, self.audio._each(Tensor.pin_memory))

    def _each(self, change, audio: AudioInputs) -> Batch:  # noqa: ANN001 - Tensor → Tensor
        changed: dict[str, object] = {"audio": audio}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "text":
                changed["text"] = {name: change(tensor) for name, tensor in value.items()}
            elif isinstance(value, Tensor):
                changed[field.name] = change(value)
        return dataclasses.replace(self, **changed)
