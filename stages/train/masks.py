"""Which pairs of a batch are masked, and the draws that hide parts of them, whatever the number of processes."""

from __future__ import annotations

import numpy as np
import torch

from clapline.params.objective import Hierarchy
from clapline.randomness import generator
from stages.train.batch import Masked


def masked_places(pairs: int, share: float) -> np.ndarray:
    """Return the places in a batch that are masked, evenly spaced: floor(share · pairs) of them, at least one.

    The paper takes the first of a batch; spread out, every process has its part of the work.
    """
    count = max(1, int(share * pairs + 1e-9))
    return np.arange(count) * pairs // count


class MaskDraws:
    """Draws masks by micro-step.

    Args:
        settings: the objective's hierarchy.
        units: stretches that a clip is masked in.
        tokens: most tokens of a caption.
        pairs: in the whole batch.
        rank: of this process.
        world: number of processes.
        seed: of the run.
        stage: that trains.
    """

    def __init__(
        self, settings: Hierarchy, units: int, tokens: int, pairs: int, rank: int, world: int, seed: int, stage: str
    ) -> None:
        self.settings, self.units, self.tokens = settings, units, tokens
        self.seed, self.stage = seed, stage
        self.places = masked_places(pairs, settings.share)
        local = pairs // world
        by_process = [self.places[self.places // local == process] - process * local for process in range(world)]
        most = max(map(len, by_process))
        order = [process * most + place for process, rows in enumerate(by_process) for place in range(len(rows))]
        self.order = torch.tensor(order)
        mine = by_process[rank]
        self.rows = torch.from_numpy(np.concatenate([mine, np.zeros(most - len(mine), dtype=mine.dtype)])).long()
        first = sum(map(len, by_process[:rank]))
        self.drawn = np.minimum(np.arange(first, first + most), len(self.places) - 1)

    def of(self, m: int) -> Masked:
        """Return the masks of a micro-step: drawn for the whole batch, of which a process takes its rows."""
        return Masked(
            self.rows,
            self.order,
            torch.from_numpy(self.places).long(),
            self._draws(m, "audio", self.settings.audio_levels, self.units),
            self._draws(m, "text", self.settings.text_levels, self.tokens),
        )

    def _draws(self, m: int, what: str, levels: int | None, units: int) -> torch.Tensor | None:
        if levels is None:
            return None
        random = generator(self.seed, self.stage, "masks", what, m)
        drawn = random.random((levels + 1, len(self.places), units), dtype=np.float32)
        return torch.from_numpy(drawn[:, self.drawn])
