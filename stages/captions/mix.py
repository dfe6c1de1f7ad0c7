"""Door: `python -m stages.captions.mix`; new training clips, each made of two others, with a caption that tells it."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import pandas as pd

from clapline import chapter
from clapline.audio.listening import listening_copy
from clapline.audio.shards import Place, ShardReader, ShardWriter
from clapline.errors import UserError, door
from clapline.params.base import read_section, read_seed
from clapline.params.captions import Mix
from clapline.params.machine import Machine
from clapline.randomness import generator
from clapline.storage import atomic_folder
from clapline.tables.captions import DROPPED
from clapline.tables.clips import CLIPS, credit
from clapline.tables.mixes import MIXES
from stages.captions.accounts import Account, write_accounts
from stages.captions.mixing import MIX_TRAIN, Captioned, captioned
from stages.captions.recipes import Edit, drawn_recipes
from stages.captions.rendering import SHORTEST_S, Part, Rendered, Task, can_be_heard, rendered

FOLDER = Path("data/mixed")
REPORT = Path("reports/mix")
CLIPS_PER_SHARD = 256
_PART = [field.name for field in dataclasses.fields(Part)]
HEARD = 3  # mixtures to listen to


@door
def main() -> None:
    """Draw the recipes, ask for their captions, render what has one, write data/mixed and the chapter."""
    section, machine, seed = read_section("mix", Mix), read_section("machine", Machine), read_seed()
    made: list[Captioned] = []
    dropped, account, tasks = DROPPED.frame(), Account("mix", section.model, MIX_TRAIN.version), []
    left_out = 0
    if section.clips:
        clips, left_out = _training_clips("data/captioned/paired.parquet")
        made, dropped, account = captioned(drawn_recipes(clips, section, seed), section, machine)
        tasks = _tasks(clips, made)
    mixtures, recipes = _write(made, tasks, section, machine)
    cut = int(((recipes.first_cut_s > 0) | (recipes.second_cut_s > 0)).sum()) if made else 0
    columns = ["given captions", "relation and edits", "joint caption"]
    write_accounts(
        REPORT,
        "Mixtures",
        "No mixtures were asked for (mix.clips: 0)."
        if not section.clips
        else f"{len(mixtures)} of {section.clips} mixtures were made: two training clips of different recordings, one "
        "after the other or at once, with edits of volume, pitch and speed, and one caption that tells it (after "
        f"AudioSetMix). A mixture whose caption failed its checks to the end is not made. In {cut} of them a clip did "
        f"not fit whole into {section.maximum_duration_s:g} s: its loudest stretch was kept. {left_out} training clips "
        f"were left out: silent, or shorter than {SHORTEST_S:g} s.",
        [account],
        dropped,
        (columns, [_shown(one) for one in made]),
    )
    _add_players(mixtures, tasks, seed)


def _training_clips(path: str) -> tuple[pd.DataFrame, int]:
    """Return the training clips that can be heard, and how many cannot."""
    clips = CLIPS.read(path)
    clips = clips[(clips["split"] == "train") & (clips["shard"] != "") & clips["captions"].map(bool)]
    rates = sorted(set(clips["sample_rate_hz"]))
    if len(rates) > 1:
        raise UserError(f"{path}: clips of several sample rates ({', '.join(map(str, rates))} Hz) cannot be mixed")
    audible = clips[can_be_heard(clips)]
    return audible.reset_index(drop=True), len(clips) - len(audible)


def _tasks(clips: pd.DataFrame, made: list[Captioned]) -> list[Task]:
    rows = list(clips.itertuples(index=False))

    def part(place: int) -> Part:
        values = {name: getattr(rows[place], name) for name in _PART}
        return Part(**{**values, "tags": tuple(values["tags"])})

    return [Task(one.recipe, (part(one.recipe.rows[0]), part(one.recipe.rows[1]))) for one in made]


def _write(
    made: list[Captioned], tasks: list[Task], section: Mix, machine: Machine
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write shards and tables into a new data/mixed; return both tables."""
    mixtures: list[dict[str, Any]] = []
    recipes: list[dict[str, Any]] = []
    audio = rendered(tasks, section.maximum_duration_s, machine)
    with atomic_folder(FOLDER) as folder:
        waiting = zip(made, tasks, strict=True)
        for number in range(math.ceil(len(made) / CLIPS_PER_SHARD)):
            with ShardWriter(folder / f"{number:05d}.tar") as shard:
                for one, task in itertools.islice(waiting, CLIPS_PER_SHARD):
                    heard = next(audio)
                    place = shard.add(one.recipe.clip_id, heard.flac)
                    mixtures.append(_clip_row(one, task, heard, place))
                    recipes.append(_recipe_row(one, task, heard, section.model))
        tables = CLIPS.frame(mixtures), MIXES.frame(recipes)
        CLIPS.write(folder / "clips.parquet", tables[0])
        MIXES.write(folder / "recipes.parquet", tables[1])
    return tables


def _clip_row(one: Captioned, task: Task, heard: Rendered, place: Place) -> dict[str, Any]:
    sources = task.parts
    licences = [clip.licence for clip in sources if isinstance(clip.licence, str) and clip.licence]
    return {
        "dataset": "mix",
        "clip_id": one.recipe.clip_id,
        "split": "train",
        "shard": (FOLDER / place.shard).as_posix(),
        "offset": place.offset,
        "nbytes": place.nbytes,
        "sha256": place.sha256,
        "sample_rate_hz": sources[0].sample_rate_hz,
        "duration_s": heard.duration_s,
        "captions": [one.accepted.text],
        "caption_tree": [],
        "tags": list(dict.fromkeys(tag for clip in sources for tag in clip.tags)),
        "label": None,
        "fold": None,
        "description": None,
        "source_id": None,  # of two recordings: recipes.parquet names them
        "licence": " + ".join(dict.fromkeys(licences)) or None,
    }


def _recipe_row(one: Captioned, task: Task, heard: Rendered, model: str) -> dict[str, Any]:
    recipe = task.recipe
    row: dict[str, Any] = {"clip_id": recipe.clip_id, "relation": recipe.relation}
    for side, clip, caption, edit, cut_s in zip(
        ("first", "second"), task.parts, recipe.captions, recipe.edits, heard.cut_s, strict=True
    ):
        values = {"dataset": clip.dataset, "clip_id": clip.clip_id, "caption": caption, "cut_s": cut_s}
        values |= {"edit": edit.kind if edit else None, "amount": edit.amount if edit else None}
        row |= {f"{side}_{name}": value for name, value in values.items()}
    return row | {
        "start_share": recipe.start_share,
        "level_db": heard.level_db,
        "text": one.accepted.text,
        "model": model,
        "prompt_version": MIX_TRAIN.version,
        "attempts": one.accepted.attempts,
    }


def _shown(one: Captioned) -> list[chapter.Cell]:
    return [" | ".join(one.recipe.captions), _told(one.recipe.relation, one.recipe.edits), one.accepted.text]


def _told(relation: str, edits: tuple[Edit | None, Edit | None]) -> str:
    said = [f"{side} {edit.words()}" for side, edit in zip(("first", "second"), edits, strict=True) if edit]
    return ", ".join([relation, *said])


def _add_players(mixtures: pd.DataFrame, tasks: list[Task], seed: int) -> None:
    """Put a few mixtures into the chapter to listen to, drawn from the seed."""
    if mixtures.empty:
        return
    drawn = sorted(generator(seed, "mix", "examples").permutation(len(mixtures))[:HEARD].tolist())
    reader, blocks = ShardReader(), []
    rows = list(mixtures.itertuples(index=False))
    for number, place in enumerate(drawn, start=1):
        clip, task = rows[place], tasks[place]
        file = f"mixture_{number:02d}.flac"
        (REPORT / file).write_bytes(listening_copy(reader.read_bytes(clip)))
        words = f"“{clip.captions[0]}” ({_told(task.recipe.relation, task.recipe.edits)})"
        blocks.append(chapter.audio(words + "".join(credit(source) for source in task.parts), file))
    written = chapter.read_chapter(REPORT)
    chapter.write_chapter(REPORT, chapter.Chapter(written.title, [*written.blocks, *blocks]))


if __name__ == "__main__":
    main()
