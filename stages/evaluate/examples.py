"""Queries to listen to: the clips that the student put first, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clapline import chapter
from clapline.audio.listening import listening_copy
from clapline.audio.shards import ShardReader
from clapline.metrics.robustness import top_items
from clapline.randomness import generator
from clapline.tables.clips import credit
from stages.evaluate.benchmarks import Retrieval
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import Part

NEAREST = 5


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
    """Return the query, its nearest clips in order, and the clip it belongs to where that is not among them."""
    relevance = benchmark.text_to_audio
    caption = benchmark.captions[query]
    rank = int(part.ranks[relevance.starts[query]])
    own = set(relevance.items[relevance.starts[query] : relevance.starts[query + 1]].tolist())
    asked, clips = student.of_texts([caption]), student.of_clips(benchmark.clips)
    top = top_items(asked.as_queries(), clips.as_candidates(), NEAREST)[0].tolist()
    said = "found first" if top[0] in own else f"its clip stands at rank {rank}"
    blocks = [chapter.text(f"{benchmark.dataset}, query {number}: “{caption}” ({said}). The student's nearest clips:")]
    for place, row in enumerate(top, start=1):
        words = f"{place}. {'right' if row in own else 'wrong'}: “{benchmark.clips['captions'].iloc[row][0]}”"
        file = f"query_{number:02d}_{place}.flac"
        blocks.append(_player(folder, file, words, benchmark.clips, row, reader))
    if not own & set(top):
        words = f"{rank}. the clip it belongs to"
        blocks.append(_player(folder, f"query_{number:02d}_own.flac", words, benchmark.clips, min(own), reader))
    return blocks


def _player(folder: Path, file: str, words: str, clips: pd.DataFrame, row: int, reader: ShardReader) -> chapter.Block:
    clip = next(clips.iloc[[row]].itertuples(index=False))
    (folder / file).write_bytes(listening_copy(reader.read_bytes(clip)))
    return chapter.audio(words + credit(clip), file)
