"""Queries to listen to: what the student put first, right and wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from clapline import chapter
from clapline.audio.shards import ShardReader
from clapline.metrics.similarity import nearest
from clapline.randomness import generator
from clapline.tables.clips import credit
from stages.evaluate.benchmarks import Retrieval
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import Part


def listen(
    folder: Path,
    benchmarks: list[Retrieval],
    student: Encoded,
    parts: dict[tuple[str, str], Part],
    count: int,
    seed: int,
) -> list[chapter.Block]:
    """Copy clips for `count` queries, right and wrong in turn, benchmarks in turn; return blocks with players."""
    if count == 0:
        return []
    reader = ShardReader()
    drawn = [_draw(benchmark, parts[benchmark.dataset, "t2a"], count, seed) for benchmark in benchmarks]
    asked = [(benchmark, query) for turn in range(count) for benchmark, queries in zip(benchmarks, drawn, strict=True)
             for query in queries[turn : turn + 1]]  # fmt: skip
    blocks: list[chapter.Block] = []
    for number, (benchmark, query) in enumerate(asked[:count], start=1):
        blocks += _shown(folder, number, benchmark, query, student, parts[benchmark.dataset, "t2a"], reader)
    return blocks


def _draw(benchmark: Retrieval, part: Part, count: int, seed: int) -> list[int]:
    """Return query rows, found and missed at rank 1 in turn, drawn from the seed."""
    best = part.ranks[benchmark.text_to_audio.starts[:-1]]
    order = generator(seed, "evaluate", "examples", benchmark.dataset).permutation(len(best))
    found, missed = order[best[order] == 1].tolist(), order[best[order] > 1].tolist()
    turns: list[int] = []
    while len(turns) < count and (found or missed):
        wanted = found if (len(turns) % 2 == 0 and found) or not missed else missed
        turns.append(wanted.pop(0))
    return turns


def _shown(
    folder: Path, number: int, benchmark: Retrieval, query: int, student: Encoded, part: Part, reader: ShardReader
) -> list[chapter.Block]:
    relevance = benchmark.text_to_audio
    caption = benchmark.captions[query]
    rank = int(part.ranks[relevance.starts[query]])
    own = relevance.items[relevance.starts[query] : relevance.starts[query + 1]]
    asked, clips = student.of_texts([caption]), student.of_clips(benchmark.clips)
    top = int(nearest(asked.as_queries(), clips.as_candidates())[0])
    right = top in own
    verdict = "right" if right else f"wrong; the right clip stands at rank {rank}"
    blocks = [
        _player(
            folder,
            f"query_{number:02d}_top.flac",
            f"“{caption}”: the student's first clip ({verdict})",
            benchmark.clips,
            top,
            reader,
        )
    ]
    if not right:
        words = f"“{caption}”: the clip it belongs to"
        blocks.append(_player(folder, f"query_{number:02d}_own.flac", words, benchmark.clips, int(np.min(own)), reader))
    return blocks


def _player(folder: Path, file: str, words: str, clips: pd.DataFrame, row: int, reader: ShardReader) -> chapter.Block:
    clip = next(clips.iloc[[row]].itertuples(index=False))
    (folder / file).write_bytes(reader.read_bytes(clip))
    return chapter.audio(words + credit(clip), file)
