"""Which pairs each micro-step draws, from (seed, stage, micro-step) alone, so that a resumed run draws the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from clapline.errors import UserError
from clapline.params.training import Training
from clapline.randomness import generator
from stages.train.alike import alike, word_vectors
from stages.train.data import Key, Source, TrainingData
from stages.train.sources import is_original


@dataclass(frozen=True)
class Drawn:
    """The pairs of one micro-step: rows of the clips, captions, and a paraphrase of each caption per level."""

    source: str
    clips: list[int]
    captions: list[str]
    owners: list[Key]  # the clip each caption was written for
    paraphrases: dict[int, list[str]]


def pairs_of_pass(source: Source, pass_over: str, synthetic_share: float = 0.0) -> int:
    """Return how many pairs one pass over a source holds: its clips, or its pairs of clip and caption.

    Synthetic captions are among the pairs of a pass over captions where the share of synthetic draws is above 0.
    """
    if pass_over == "clips":
        return len(source.clips)
    written = source.synthetic if synthetic_share else ()
    return sum(map(len, source.captions)) + sum(map(len, written))


def pairs_per_pass(settings: Training, sources: Sequence[Source]) -> int:
    """Return the pairs of an epoch: of one pass over every source with a weight above 0.

    Under a student's `epoch_of: replay` the sources of original pairs alone count, as published (arXiv 2305.01864):
    there an epoch is as long as the replay loader, whichever loader its batches come from.
    """
    share = getattr(settings, "synthetic_share", 0.0)
    replay_alone = getattr(settings, "epoch_of", "sources") == "replay"
    return sum(
        pairs_of_pass(source, settings.pass_over, share)
        for source in sources
        if source.weight > 0 and (is_original(source) or not replay_alone)
    )


def steps_of(settings: Training, sources: Sequence[Source]) -> int:
    """Return the optimiser steps of a run: `steps`, or as many as `epochs` need, rounded up."""
    if settings.steps is not None:
        return settings.steps
    pairs = (settings.epochs or 0.0) * pairs_per_pass(settings, sources)
    # Rounded first: 2.2 epochs of 25 pairs are 55 pairs, and in floats a little more.
    return math.ceil(round(pairs / (settings.batch_size * settings.accumulation), 9))


def validate_every(settings: Training, sources: Sequence[Source]) -> int:
    """Return the optimiser steps between validations: the setting, or one epoch, rounded up."""
    if settings.validate_every_steps is not None:
        return settings.validate_every_steps
    return max(1, math.ceil(pairs_per_pass(settings, sources) / (settings.batch_size * settings.accumulation)))


def bucketed(
    order: np.ndarray, lengths: np.ndarray, begun: int, batch: int, run: int, random: np.random.Generator
) -> np.ndarray:
    """Return the pairs of a pass in an order whose batches hold pairs of like length.

    The order is cut into runs of `run` batches, sorted by length within a run, and the batches are shuffled. The pairs
    before the first batch boundary of the pass (`begun` pairs of it belong to the pass before) and after the last
    keep their places, for they share a batch with another pass.

    Args:
        order: a permutation of the pairs.
        lengths: by pair.
        begun: pairs that the last batch of the pass before holds already.
        batch: pairs in a batch.
        run: batches in a run.
        random: what shuffles the batches.
    """
    head = min(-begun % batch, len(order))
    whole = (len(order) - head) // batch * batch
    body = order[head : head + whole].copy()
    for start in range(0, whole, run * batch):
        piece = body[start : start + run * batch]
        body[start : start + run * batch] = piece[np.argsort(lengths[piece], kind="stable")]
    shuffled = body.reshape(-1, batch)[random.permutation(whole // batch)].reshape(-1)
    return np.concatenate([order[:head], shuffled, order[head + whole :]])


class Sampler:
    """Draws the batches of a run.

    Every micro-step takes its batch from one source, chosen by the weights. Within a source each clip (or each pair of
    clip and caption) comes once per pass over the source, in an order drawn anew for each pass.
    """

    def __init__(
        self,
        data: TrainingData,
        steps: int,
        batch_size: int,
        seed: int,
        stage: str,
        pass_over: str = "clips",
        length_buckets: int = 1,
        alike_share: float = 0.0,
    ) -> None:
        self.data, self.batch_size, self.seed, self.stage = data, batch_size, seed, stage
        self.pass_over, self.length_buckets, self.alike_share = pass_over, length_buckets, alike_share
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
        self._pairs = [self._pairs_of(source) for source in data.sources]
        self._vectors = [
            word_vectors(source.captions) if alike_share and source.weight else None for source in data.sources
        ]
        self._remember()

    def _remember(self) -> None:
        self._order = lru_cache(maxsize=2 * len(self._pairs))(self._draw_order)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_order"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._remember()

    def _pairs_of(self, source: Source) -> np.ndarray:
        """Return what a pass over the source holds, `(pairs, 2)`: place of the clip, and of its caption (-1: any)."""
        clips = np.arange(len(source.clips))
        if self.pass_over == "clips":
            return np.stack([clips, np.full(len(clips), -1)], axis=1)
        counts = np.array([len(captions) for captions in source.captions], dtype=np.int64)
        if self.data.synthetic_share and source.synthetic:
            counts += [len(written) for written in source.synthetic]
        places = np.repeat(clips, counts)
        return np.stack([places, np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)], axis=1)

    def _draw_order(self, index: int, epoch: int) -> np.ndarray:
        source, pairs = self.data.sources[index], self._pairs[index]
        random = generator(self.seed, self.stage, "order", source.name, epoch)
        order = random.permutation(len(pairs))
        vectors = self._vectors[index]
        if vectors is not None:
            return alike(order, pairs[:, 0], vectors, epoch * len(pairs), self.batch_size, self.alike_share)
        if self.length_buckets == 1:
            return order
        lengths = self.data.durations_s[np.asarray(source.clips)][pairs[:, 0]]
        return bucketed(order, lengths, epoch * len(pairs), self.batch_size, self.length_buckets, random)

    def _draw_pairs(self, index: int, position: int) -> list[tuple[int, int]]:
        pairs = self._pairs[index]
        drawn = []
        for place in range(position * self.batch_size, (position + 1) * self.batch_size):
            epoch, rest = divmod(place, len(pairs))
            drawn.append(tuple(pairs[self._order(index, epoch)[rest]].tolist()))
        return drawn

    def draw(self, step: int) -> Drawn:
        """Return the pairs of one micro-step (from 0)."""
        index = int(self.source_of_step[step])
        source = self.data.sources[index]
        random = generator(self.seed, self.stage, "captions", step)
        pairs = self._draw_pairs(index, int(self.earlier[step]))
        captions, owners = [], []
        for place, choice in pairs:
            caption, owner = self._caption(source, place, choice, random)
            captions.append(caption)
            owners.append(owner)
        paraphrases = {}
        for level, by_caption in self.data.paraphrases.items():
            # A caption whose paraphrase was dropped (or a synthetic one) is its own view.
            options_of = [by_caption.get(caption) or [caption] for caption in captions]
            paraphrases[level] = [options[random.integers(len(options))] for options in options_of]
        return Drawn(source.name, [source.clips[place] for place, _ in pairs], captions, owners, paraphrases)

    def _caption(self, source: Source, place: int, choice: int, random: np.random.Generator) -> tuple[str, Key]:
        options, written_for = source.captions[place], source.owners[place]
        synthetic = source.synthetic[place] if source.synthetic else ()
        if choice >= 0:
            if choice < len(options):
                return options[choice], written_for[choice]
            return synthetic[choice - len(options)], written_for[0]
        if random.random() < self.data.synthetic_share and synthetic:
            options, written_for = synthetic, [written_for[0]] * len(synthetic)
        choice = random.integers(len(options))
        return options[choice], written_for[choice]
