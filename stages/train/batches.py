"""Batches: which pairs each step draws, from (seed, stage, step) alone, so that a resumed run draws the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from clapline.errors import UserError
from clapline.randomness import generator
from stages.train.data import Key, Source, TrainingData


@dataclass(frozen=True)
class Drawn:
    """The pairs of one step: rows of the features, captions, and a paraphrase of each caption per level."""

    source: str
    clips: list[int]
    captions: list[str]
    owners: list[Key]  # the clip each caption was written for
    paraphrases: dict[int, list[str]]


class Sampler:
    """Draws the batches of a run.

    Every step takes its batch from one source, chosen by the weights. Within a source each clip comes once per pass
    over the source, in an order drawn anew for each pass.
    """

    def __init__(self, data: TrainingData, steps: int, batch_size: int, seed: int, stage: str) -> None:
        self.data, self.batch_size, self.seed, self.stage = data, batch_size, seed, stage
        weights = np.array([source.weight for source in data.sources], dtype=float)
        if not weights.sum():
            raise UserError("every source of pairs has weight 0: nothing to train on")
        for source in data.sources:
            if source.weight and not len(source.clips):
                raise UserError(f"the source {source.name!r} has no clip to train on")
        chosen = generator(seed, stage, "sources").choice(len(weights), size=steps, p=weights / weights.sum())
        self.source_of_step = chosen
        # How many batches of its source came before each step: the position in the passes over that source.
        self.earlier = np.zeros(steps, dtype=np.int64)
        for place in range(len(weights)):
            mine = np.flatnonzero(chosen == place)
            self.earlier[mine] = np.arange(len(mine))
        self._order = lru_cache(maxsize=4)(self._order)

    def _order(self, source: str, epoch: int, clips: int) -> np.ndarray:
        return generator(self.seed, self.stage, "order", source, epoch).permutation(clips)

    def _places(self, source: Source, position: int) -> list[int]:
        count = len(source.clips)
        places = []
        for index in range(position * self.batch_size, (position + 1) * self.batch_size):
            epoch, rest = divmod(index, count)
            places.append(int(self._order(source.name, epoch, count)[rest]))
        return places

    def draw(self, step: int) -> Drawn:
        """Return the pairs of one step (from 0)."""
        source = self.data.sources[self.source_of_step[step]]
        random = generator(self.seed, self.stage, "captions", step)
        places = self._places(source, int(self.earlier[step]))
        captions, owners = [], []
        for place in places:
            options, written_for = source.captions[place], source.owners[place]
            synthetic = source.synthetic[place] if source.synthetic else ()
            if random.random() < self.data.synthetic_share and synthetic:
                options, written_for = synthetic, [source.owners[place][0]] * len(synthetic)
            choice = random.integers(len(options))
            captions.append(options[choice])
            owners.append(written_for[choice])
        paraphrases = {}
        for level, by_caption in self.data.paraphrases.items():
            # A caption whose paraphrase was dropped (or a synthetic one) is its own view.
            options_of = [by_caption.get(caption) or [caption] for caption in captions]
            paraphrases[level] = [options[random.integers(len(options))] for options in options_of]
        return Drawn(source.name, [source.clips[place] for place in places], captions, owners, paraphrases)
