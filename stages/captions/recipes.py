"""Which two clips make a mixture, how they are joined, and which of them is edited how: drawn from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clapline.errors import UserError
from clapline.params.captions import Mix
from clapline.randomness import generator
from clapline.text.words import tokens

#: Smaller edits are not heard; where a setting's largest is smaller still, that is the size of all.
_SMALLEST = {"volume": 3.0, "pitch": 1.0, "speed": 1.15}
#: Up to the first an edit is "slightly", from the second on "much" what its direction says.
_DEGREES = {"volume": (5.0, 9.0), "pitch": (2.0, 5.0), "speed": (1.25, 1.6)}
_WORDS = {
    "volume": ("played {}louder than the other", "played {}quieter than the other"),
    "pitch": ("at a {}higher pitch", "at a {}lower pitch"),
    "speed": ("played {}faster", "played {}slower"),
}
_TRIES = 64


@dataclass(frozen=True)
class Edit:
    """What is done to one clip: `amount` in dB, semitones, or as a factor of speed."""

    kind: str
    amount: float

    @property
    def rises(self) -> bool:
        """Whether it becomes louder, higher or faster."""
        return self.amount > (1.0 if self.kind == "speed" else 0.0)

    def words(self) -> str:
        """Return what is heard of it: "at a slightly higher pitch"."""
        size = max(self.amount, 1 / self.amount) if self.kind == "speed" else abs(self.amount)
        little, much = _DEGREES[self.kind]
        degree = "slightly " if size < little else "much " if size >= much else ""
        return _WORDS[self.kind][0 if self.rises else 1].format(degree)


@dataclass(frozen=True)
class Recipe:
    """One mixture: rows of the clip table, a caption of each, an edit of each or none."""

    clip_id: str
    relation: str  # concatenate or mix
    rows: tuple[int, int]
    captions: tuple[str, str]
    edits: tuple[Edit | None, Edit | None]
    start_share: float  # where the shorter of two clips heard at once begins


def drawn_recipes(clips: pd.DataFrame, section: Mix, seed: int) -> list[Recipe]:
    """Return `section.clips` recipes; each depends on (seed, its number) and the clips, not on how many there are.

    The two clips of a mixture are never of one recording (source id or equal audio), and say different things wherever
    such a pair is found. Raises UserError when the clips are of fewer than two recordings.
    """
    recordings = _Recordings(clips)
    digits = max(6, len(str(section.clips)))
    return [
        _drawn(f"mix-{index:0{digits}d}", recordings, section, generator(seed, "mix", index))
        for index in range(1, section.clips + 1)
    ]


class _Recordings:
    """The clips' captions, and which clips are of one recording."""

    def __init__(self, clips: pd.DataFrame) -> None:
        self.captions: Sequence[Sequence[str]] = list(clips["captions"])
        self._recordings = _united(list(clips["sha256"]), list(clips["source_id"]))
        if len(set(self._recordings)) < 2:
            raise UserError(
                f"mix.clips is above 0 but the training clips that can be heard ({len(clips)}) are of one recording "
                "at most"
            )

    def differ(self, one: int, other: int) -> bool:
        return self._recordings[one] != self._recordings[other]

    def pair(self, random: np.random.Generator) -> tuple[tuple[int, int], tuple[str, str]]:
        """Return two clips of different recordings and a caption of each."""
        first = int(random.integers(len(self.captions)))
        said = self._caption(first, random)
        second, other = -1, ""
        for _ in range(_TRIES):
            candidate = int(random.integers(len(self.captions)))
            if not self.differ(first, candidate):
                continue
            second, other = candidate, self._caption(candidate, random)
            if tokens(other) != tokens(said):
                break
        if second < 0:
            # Nearly all clips are of the first one's recording: look at every one.
            choices = [place for place in range(len(self.captions)) if self.differ(first, place)]
            second = choices[int(random.integers(len(choices)))]
            other = self._caption(second, random)
        return (first, second), (said, other)

    def _caption(self, place: int, random: np.random.Generator) -> str:
        return self.captions[place][int(random.integers(len(self.captions[place])))]


def _united(audio: Sequence[str], sources: Sequence[object]) -> list[int]:
    """Return a number for each clip: the same one for clips that equal audio or an equal source id links, however."""
    leads = list(range(len(audio)))

    def lead(place: int) -> int:
        while leads[place] != place:
            leads[place] = leads[leads[place]]
            place = leads[place]
        return place

    seen: dict[tuple[str, object], int] = {}
    for place, (sound, source) in enumerate(zip(audio, sources, strict=True)):
        marks = [("audio", sound)] + ([("source", source)] if isinstance(source, str) and source else [])
        for mark in marks:
            leads[lead(place)] = lead(seen.setdefault(mark, place))
    return [lead(place) for place in range(len(audio))]


def _drawn(clip_id: str, recordings: _Recordings, section: Mix, random: np.random.Generator) -> Recipe:
    rows, captions = recordings.pair(random)
    relations = sorted(set(section.relations))
    relation = relations[int(random.integers(len(relations)))]
    first = _edit(section, sorted(set(section.edits)), random)
    # Louder than the other can be said of one of the two only.
    taken = {"volume"} if first and first.kind == "volume" else set()
    second = _edit(section, [kind for kind in sorted(set(section.edits)) if kind not in taken], random)
    start = round(float(random.random()), 4)
    return Recipe(clip_id, relation, rows, captions, (first, second), start)


def _edit(section: Mix, kinds: list[str], random: np.random.Generator) -> Edit | None:
    edited, place, upwards, size = random.random(), random.random(), random.random() < 0.5, random.random()
    if not kinds or edited >= section.edit_share:
        return None
    kind = kinds[int(place * len(kinds))]
    largest = {"volume": section.volume_db, "pitch": section.pitch_semitones, "speed": section.speed_ratio}[kind]
    smallest = min(_SMALLEST[kind], largest)
    amount = round(smallest + size * (largest - smallest), 3)
    if kind == "speed":
        return Edit(kind, amount if upwards else round(1 / amount, 4))
    return Edit(kind, amount if upwards else -amount)
