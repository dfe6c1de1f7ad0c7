"""Door of the stage curate: choose pairs among the teacher's embeddings and show what was chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from clapline.audio.shards import ShardReader
from clapline.errors import UserError, door
from clapline.params.base import read_section
from clapline.params.curate import Curate
from clapline.storage import atomic_folder
from clapline.tables.clips import CLIPS, credit
from clapline.tables.labels import LABELS
from clapline.tables.pairs import PAIRS
from clapline.tables.truth import TRUTH
from clapline.text.prompts import prompted_labels
from stages.curate.pool import Chosen, Pool, choose, pair_table, read_pool
from stages.curate.precision import precision
from stages.curate.view import Listening, spread_rows, write_view


@door
def main() -> None:
    """Read embeddings, labels and truth; write `data/curated/pairs.parquet` and `reports/curate/`."""
    settings = read_section("curate", Curate)
    pool = read_pool("data/embeddings")
    labels, paired = None, set()
    if settings.strategy != "du":
        labels = embedded_labels(settings)
        table = CLIPS.read("data/captioned/paired.parquet")
        table = table[table["split"] == "train"]
        paired = set(zip(table["dataset"], table["clip_id"], strict=True))
    chosen = choose(pool, settings, labels, paired)
    pairs = pair_table(pool, chosen, settings.strategy)

    truth = TRUTH.read("data/roles/truth.parquet")
    tags = dict(zip(zip(truth["dataset"], truth["clip_id"], strict=True), truth["tags"], strict=True))
    clip_tags, caption_tags = tags_of(pool.audio_rows, tags), tags_of(pool.text_rows, tags)
    right = precision(clip_tags, caption_tags, chosen.new.clip, chosen.new.caption, chosen.candidates)
    PAIRS.write("data/curated/pairs.parquet", pairs)
    with atomic_folder("reports/curate") as folder:
        listening = copied_examples(folder, pool, chosen, settings.examples, tags)
        summary = write_view(folder, pool, chosen, pairs, settings, right, listening)
    print(f"curate: {settings.strategy} kept {summary['pairs']} pairs of {summary['clips_kept']} unpaired clips")


def embedded_labels(settings: Curate) -> np.ndarray:
    """Return the teacher's embeddings of the prompted labels, `(labels, dim)`, in the order of the sentences."""
    names = LABELS.read("data/roles/labels.parquet")["label"].tolist()
    if not names:
        raise UserError(
            f"curate.strategy = {settings.strategy!r} aims at labels, but data/roles/labels.parquet has none; "
            "name a dataset under roles.labels, or take strategy du"
        )
    from clapline.model.clap import Clap

    sentences = sorted(set(prompted_labels([settings.prompt], names)[0]))
    return Clap.from_pretrained("models/teacher").encode_texts(sentences)


def tags_of(rows: pd.DataFrame, tags: dict[tuple[str, str], list[str]]) -> list[list[str]]:
    """Return the true sounds of each row's clip; empty where the truth knows nothing."""
    return [tags.get(key, []) for key in zip(rows["dataset"], rows["clip_id"], strict=True)]


def copied_examples(
    folder: Path, pool: Pool, chosen: Chosen, count: int, tags: dict[tuple[str, str], list[str]]
) -> list[Listening]:
    """Copy clips of pairs spread over the similarities into the folder."""
    if not count or not len(chosen.new):
        return []
    clips = CLIPS.read("data/roles/unpaired.parquet")
    by_key = {(row.dataset, row.clip_id): row for row in clips.itertuples(index=False)}
    reader = ShardReader()
    listening = []
    for number, pair in enumerate(spread_rows(chosen.new.similarity, count), start=1):
        clip = pool.audio_rows.iloc[chosen.new.clip[pair]]
        caption = pool.text_rows.iloc[chosen.new.caption[pair]]
        file = f"pair_{number:02d}.flac"
        source = by_key[(clip["dataset"], clip["clip_id"])]
        (folder / file).write_bytes(reader.read_bytes(source))
        heard = ", ".join(tags.get((clip["dataset"], clip["clip_id"]), [])) or "unknown"
        words = (
            f"“{caption['text']}” (similarity {chosen.new.similarity[pair]:.3f}; really heard: {heard}){credit(source)}"
        )
        listening.append(Listening(file, words))
    return listening


if __name__ == "__main__":
    main()
