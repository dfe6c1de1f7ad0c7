"""From recipes to audio: both clips read, edited and joined, in as many processes as the machine has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clapline.audio import mixing
from clapline.audio.decode import flac_bytes, peak_dbfs
from clapline.audio.shards import ShardReader
from clapline.errors import UserError
from clapline.params.machine import Machine
from clapline.progress import progress_bar
from clapline.workers import worker_pool
from stages.captions.recipes import Edit, Recipe

#: Two clips of unlike level are brought to this difference at most: else one would drown what the caption tells.
LARGEST_DIFFERENCE_DB = 10.0
#: Shorter clips, and those whose peak is below, are not heard: no caption of a mixture may tell of them.
SHORTEST_S = 0.3
QUIETEST_PEAK_DBFS = -90.0
_FRAMING_BYTES = 16_384  # more than the header of a FLAC clip takes, and its frames beyond their samples
_PIECE = 16  # mixtures that a worker makes at a time


@dataclass(frozen=True)
class Rendered:
    """A mixture as FLAC, and what became of its two clips."""

    flac: bytes
    duration_s: float
    level_db: float  # RMS of the first above that of the second, as joined
    cut_s: tuple[float, float]  # seconds of each that found no room


def render(
    recipe: Recipe, one: np.ndarray, other: np.ndarray, sample_rate_hz: int, maximum_duration_s: float
) -> Rendered:
    """Return the mixture of two clips `(samples,)`.

    Each clip is edited, then cut to its room (its loudest stretch is kept): the whole duration when both are heard at
    once, else half of it and what the other leaves. "Louder than the other" is meant to the letter: both are brought to
    one level before an edit of volume; without one, the difference of their levels is only bounded.
    """
    sides = [_edited(audio, edit, sample_rate_hz) for audio, edit in zip((one, other), recipe.edits, strict=True)]
    whole = [len(side) for side in sides]
    most = round(maximum_duration_s * sample_rate_hz)
    rooms = [most, most]
    if recipe.relation == "concatenate":
        rooms = [max(most // 2, most - whole[1]), max(most - most // 2, most - whole[0])]
    one, other = (mixing.loudest_stretch(side, room) for side, room in zip(sides, rooms, strict=True))
    level_db = _level_db(recipe.edits, mixing.level_difference_db(one, other))
    if recipe.relation == "mix":
        audio = mixing.mixed(one, other, level_db, recipe.start_share)
    else:
        audio = mixing.concatenated(*mixing.balanced(one, other, level_db), sample_rate_hz)
    cut = [(before - len(after)) / sample_rate_hz for before, after in zip(whole, (one, other), strict=True)]
    flac = flac_bytes(audio, sample_rate_hz)
    return Rendered(flac, len(audio) / sample_rate_hz, round(level_db, 3), (round(cut[0], 3), round(cut[1], 3)))


def _edited(audio: np.ndarray, edit: Edit | None, sample_rate_hz: int) -> np.ndarray:
    if edit is None or edit.kind == "volume":
        return audio  # the level is set when both are joined
    change = mixing.changed_pitch if edit.kind == "pitch" else mixing.changed_speed
    return change(audio, edit.amount, sample_rate_hz)


def _level_db(edits: tuple[Edit | None, Edit | None], difference_db: float) -> float:
    first, second = (edit.amount if edit and edit.kind == "volume" else 0.0 for edit in edits)
    if first or second:
        return first - second
    return min(max(difference_db, -LARGEST_DIFFERENCE_DB), LARGEST_DIFFERENCE_DB)


@dataclass(frozen=True)
class Part:
    """One of the clips of a mixture: what of its row in the clip table is needed, fit for another process."""

    dataset: str
    clip_id: str
    shard: str
    offset: int
    nbytes: int
    sha256: str
    sample_rate_hz: int
    tags: tuple[str, ...]
    source_id: str | None
    licence: str | None


@dataclass(frozen=True)
class Task:
    """A recipe with its two clips."""

    recipe: Recipe
    parts: tuple[Part, Part]


_reader = ShardReader()


def can_be_heard(clips: pd.DataFrame) -> list[bool]:
    """Return for each row of a clip table whether it lasts SHORTEST_S or more and its peak is loud enough.

    Only clips of few bytes for their length are read: samples that hardly leave 0 take two bits each at most as FLAC.
    Raises UserError when one of these is not what the table says.
    """
    heard = []
    for row in clips.itertuples(index=False):
        long = row.duration_s >= SHORTEST_S
        few = row.nbytes <= _FRAMING_BYTES + row.duration_s * row.sample_rate_hz / 4
        heard.append(long and not (few and peak_dbfs(_reader.read(row)) < QUIETEST_PEAK_DBFS))
    return heard


def rendered(tasks: Sequence[Task], maximum_duration_s: float, machine: Machine) -> Iterator[Rendered]:
    """Yield the mixtures in order; the number of processes changes no byte, and few mixtures are held at a time."""
    pieces = [tasks[start : start + _PIECE] for start in range(0, len(tasks), _PIECE)]
    with progress_bar(shown=machine.progress) as bar:
        bar_task = bar.add_task("mixtures", total=len(tasks))
        for piece in _made(pieces, maximum_duration_s, min(machine.worker_count(), len(pieces))):
            for one in piece:
                yield one
                bar.advance(bar_task)


def _made(pieces: Sequence[Sequence[Task]], maximum_duration_s: float, workers: int) -> Iterator[list[Rendered]]:
    if workers <= 1:
        for piece in pieces:
            yield _rendered_piece(piece, maximum_duration_s)
        return
    with worker_pool(workers, ["stages.captions.rendering", "torchaudio.functional"]) as pool:
        under_way: deque[Future[list[Rendered]]] = deque()
        try:
            for piece in pieces:
                under_way.append(pool.submit(_rendered_piece, piece, maximum_duration_s))
                if len(under_way) > 2 * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            raise UserError("mix: a process was killed (out of memory?); try a smaller machine.workers") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _rendered_piece(piece: Sequence[Task], maximum_duration_s: float) -> list[Rendered]:
    import torch

    # As many processes as cores already; and one thread gives the same sums everywhere.
    torch.set_num_threads(1)
    made = []
    for task in piece:
        one, other = (_reader.read(part) for part in task.parts)
        made.append(render(task.recipe, one, other, task.parts[0].sample_rate_hz, maximum_duration_s))
    return made
