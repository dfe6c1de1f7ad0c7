"""What a training run draws from: clips, captions, sources of (clip, caption) pairs, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from stages.train.clip_inputs import ClipInputs

Key = tuple[str, str]  # dataset, clip_id


@dataclass(frozen=True)
class Source:
    """Pairs that are drawn together: a batch comes from one source."""

    name: str
    weight: float
    clips: Sequence[int]  # rows of the run's clips
    captions: Sequence[Sequence[str]]  # per clip, at least one each
    owners: Sequence[Sequence[Key]]  # the clip each caption was written for
    synthetic: Sequence[Sequence[str]] = ()  # per clip, possibly none; written for that clip


@dataclass(frozen=True)
class TrainingData:
    """Everything a run draws from. `paraphrases[level][caption]` lists the paraphrases of a caption."""

    clips: ClipInputs  # what the audio encoder gets of each row
    sources: Sequence[Source]
    paraphrases: Mapping[int, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    synthetic_share: float = 0.0
    tags: Sequence[Sequence[str]] = ()  # per row, possibly none; empty where the model fuses no metadata

    def texts(self) -> list[str]:
        """Return every distinct text that may be drawn, sorted."""
        found: set[str] = set()
        for source in self.sources:
            for captions in (*source.captions, *source.synthetic):
                found.update(captions)
        for by_caption in self.paraphrases.values():
            for texts in by_caption.values():
                found.update(texts)
        return sorted(found)

    def captions(self) -> list[str]:
        """Return every distinct caption of a source, paraphrases apart, sorted."""
        written = (texts for source in self.sources for texts in (*source.captions, *source.synthetic))
        return sorted({text for texts in written for text in texts})

    @property
    def durations_s(self) -> np.ndarray:
        """How much of each row is heard, in seconds."""
        return self.clips.durations_s


@dataclass(frozen=True)
class TeacherView:
    """The teacher's unit embeddings of everything a run draws from, computed once from whole clips."""

    audio: Tensor  # (rows, dimension)
    text: Mapping[str, Tensor]  # caption → (dimension,)


@dataclass(frozen=True)
class Known:
    """What is known of clips and captions beside the pairs, as far as the objective asks for it."""

    teacher: TeacherView | None = None  # what soft targets are made of
    distilled: TeacherView | None = None  # the teachers of distillation side by side, as `one_teacher_of` joins them
    meanings: Mapping[str, Tensor] | None = None  # caption → unit embedding by a sentence encoder, (width,)
    clusters: Mapping[str, int] | None = None  # caption → its cluster, -1: none
