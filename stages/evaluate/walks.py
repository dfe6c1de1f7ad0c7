"""Traversal to listen to: a clip and the captions that were met on the way to the root."""

from __future__ import annotations

from pathlib import Path

from clapline import chapter
from clapline.audio.listening import listening_copy
from clapline.audio.shards import ShardReader
from clapline.randomness import generator
from clapline.tables.clips import credit
from stages.evaluate.benchmarks import Hierarchy
from stages.evaluate.parts import Part

_WALKS = 3  # of a dataset at most


def walks(
    folder: Path, benchmarks: list[Hierarchy], parts: dict[tuple[str, str], Part], count: int, seed: int
) -> list[chapter.Block]:
    """Copy a few clips of each dataset, drawn from the seed; return a player and the path of each.

    Where there are such, clips whose tree was met in part and not at all stand beside those met best.
    """
    reader, blocks = ShardReader(), []
    for benchmark in benchmarks:
        part = parts[benchmark.dataset, "traversal"]
        drawn = generator(seed, "evaluate", "walks", benchmark.dataset).permutation(len(benchmark.clips))
        recall = part.values["recall"]
        ordered = sorted(drawn.tolist(), key=lambda row: -recall[row])
        places = [0, len(ordered) // 2, len(ordered) - 1][: min(_WALKS, count, len(ordered))]
        if places:
            words = (
                f"{benchmark.dataset}: the clip whose tree is met best, one in the middle and one met worst, and the "
                "captions that the student meets on the way to the root."
            )
            blocks.append(chapter.text(words))
        for number, row in enumerate(dict.fromkeys(ordered[place] for place in places), start=1):
            clip = next(benchmark.clips.iloc[[row]].itertuples(index=False))
            file = f"walk_{benchmark.dataset}_{number:02d}.flac"
            (folder / file).write_bytes(listening_copy(reader.read_bytes(clip)))
            words = f"{recall[row]:.0%} of this clip's tree was met"
            blocks.append(chapter.audio(words + credit(clip), file))
            own = benchmark.trees[row]
            rows: list[list[chapter.Cell]] = [
                [step, benchmark.captions[caption], f"level {own.index(caption) + 1}" if caption in own else ""]
                for step, caption in enumerate(part.details["paths"][row], start=1)
            ]
            missed = "; ".join(
                f"level {level + 1}, “{benchmark.captions[caption]}”"
                for level, caption in enumerate(own)
                if caption not in part.details["paths"][row]
            )
            said = "Captions met, from the clip to the root." + (f" Missed of its tree: {missed}." if missed else "")
            blocks.append(chapter.table(said, ["step", "caption", "of its tree"], rows))
    return blocks
