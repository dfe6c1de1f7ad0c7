"""The plan of a clip: which sounds, when, how loud, over what. No audio yet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clapline.datasets.soundscapes.backgrounds import CAPTIONED, POOL_ONLY
from clapline.datasets.soundscapes.taxonomy import CLASSES, UNHEARD
from clapline.randomness import generator

# How the events stand in time; "pair" is two at once.
RELATIONS = ("one", "then", "while", "then then", "pair then", "then pair")
_ZIPF_EXPONENT = 0.8
_UNHEARD_SHARE = 0.15


@dataclass(frozen=True)
class Event:
    """One sound of a scene: seconds from the start of the clip, level of its loudest moments in dB of full scale."""

    sound: str
    onset_s: float
    duration_s: float
    level_db: float
    distant: bool

    def traits(self) -> tuple[str, ...]:
        """Return what the plan alone says of the event: loud, quiet, distant."""
        loudness = ("loud",) if self.level_db > -19 else ("quiet",) if self.level_db < -32 else ()
        return (*loudness, "distant") if self.distant else loudness


@dataclass(frozen=True)
class Scene:
    """Events in order of onset and the background under them."""

    relation: str
    events: tuple[Event, ...]
    background: str
    background_db: float
    duration_s: float


def plan(seed: int, split: str, index: int, duration_s: float) -> Scene:
    """Return the scene of clip `index` of a split: the same whatever the splits' sizes."""
    rng = generator(seed, "soundscapes", "scene", split, index)
    if split == "single":
        return _single(rng, _balanced(seed, split, index), duration_s)
    relation = RELATIONS[rng.choice(len(RELATIONS), p=[0.34, 0.25, 0.2, 0.08, 0.07, 0.06])]
    spans = _spans(rng, relation, duration_s)
    if split == "pool":
        sounds = _pool_sounds(seed, rng, len(spans))
    else:
        first = _balanced(seed, split, index)
        others = [sound for sound in CLASSES if sound != first]
        sounds = [first, *(others[i] for i in rng.permutation(len(others))[: len(spans) - 1])]
    events = tuple(
        _event(rng, sound, onset, length, quieter_db=5.0 if split == "pool" else 0.0)
        for sound, (onset, length) in zip(sounds, spans, strict=True)
    )
    names = [*POOL_ONLY, "street"] if split == "pool" else list(CAPTIONED)
    headroom_db = rng.uniform(10, 22) if split == "pool" else rng.uniform(14, 28)
    background_db = max(-66.0, min(event.level_db for event in events) - headroom_db)
    return Scene(relation, events, names[rng.integers(len(names))], round(background_db, 2), duration_s)


def _balanced(seed: int, split: str, index: int) -> str:
    """Return the class of a clip, each class once in every run of as many clips as there are classes."""
    block, place = divmod(index, len(CLASSES))
    return CLASSES[generator(seed, "soundscapes", "order", split, block).permutation(len(CLASSES))[place]]


def _pool_sounds(seed: int, rng: np.random.Generator, count: int) -> list[str]:
    """Draw classes by Zipf's law over an order of their own; some clips get a sound that no caption names."""
    order = generator(seed, "soundscapes", "zipf").permutation(len(CLASSES))
    weights = np.arange(1, len(CLASSES) + 1, dtype=float) ** -_ZIPF_EXPONENT
    picked = rng.choice(len(CLASSES), count, replace=False, p=weights / weights.sum())
    sounds = [CLASSES[order[place]] for place in picked]
    if rng.random() < _UNHEARD_SHARE:
        sounds[rng.integers(count)] = UNHEARD[rng.integers(len(UNHEARD))]
    return sounds


def _event(rng: np.random.Generator, sound: str, onset: float, length: float, quieter_db: float = 0.0) -> Event:
    low, high = ((-18.0, -15.0), (-36.0, -33.0), (-28.0, -21.0))[rng.choice(3, p=[0.2, 0.2, 0.6])]
    level_db = round(float(rng.uniform(low, high)) - quieter_db, 2)
    return Event(sound, round(onset, 3), round(length, 3), level_db, bool(rng.random() < 0.15))


def _single(rng: np.random.Generator, sound: str, duration_s: float) -> Scene:
    length = duration_s * rng.uniform(0.45, 0.85)
    event = _event(rng, sound, rng.uniform(0.02, 0.98) * (duration_s - length), length)
    names = list(CAPTIONED)
    background_db = max(-68.0, event.level_db - rng.uniform(24, 36))
    return Scene("one", (event,), names[rng.integers(len(names))], round(background_db, 2), duration_s)


def _spans(rng: np.random.Generator, relation: str, duration_s: float) -> list[tuple[float, float]]:
    """Return (onset, length) in seconds per event, in order of onset."""

    def cut(parts: int) -> list[tuple[float, float]]:
        shares = rng.uniform(0.85, 1.15, parts)
        edges = np.concatenate([[0.0], np.cumsum(shares / shares.sum())]) * duration_s
        gap = 0.02 * duration_s
        return [(float(a) + gap, float(b - a) - 2 * gap) for a, b in pairwise(edges)]

    def doubled(span: tuple[float, float]) -> list[tuple[float, float]]:
        onset, length = span
        late = length * float(rng.uniform(0.03, 0.15))
        return [(onset, length), (onset + late, length - late)]

    if relation == "one":
        length = duration_s * float(rng.uniform(0.4, 0.9))
        return [(float(rng.uniform(0.02, 0.98)) * (duration_s - length), length)]
    if relation == "then":
        return cut(2)
    if relation == "while":
        length = duration_s * float(rng.uniform(0.6, 0.9))
        return doubled((float(rng.uniform(0.02, 0.98)) * (duration_s - length), length))
    if relation == "then then":
        return cut(3)
    first, second = cut(2)
    return [*doubled(first), second] if relation == "pair then" else [first, *doubled(second)]
