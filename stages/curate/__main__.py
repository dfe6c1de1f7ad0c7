"""Door of the stage curate: choose pairs among the teacher's embeddings and show what was chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clapline.errors import UserError, door
from clapline.params.base import read_section, read_seed
from clapline.params.curate import Curate
from clapline.params.machine import Machine
from clapline.search import Engine, recall
from clapline.storage import atomic_folder
from clapline.tables.clips import CLIPS
from clapline.tables.labels import LABELS
from clapline.tables.pairs import PAIRS
from clapline.tables.truth import TRUTH
from clapline.text.prompts import clean_label, fill_prompt
from stages.curate.choose import Chosen, choose, pair_table
from stages.curate.listening import copied_examples
from stages.curate.pool import Pool, read_pool, sampled_similarities
from stages.curate.precision import Truth
from stages.curate.summary import Watch, held_against, label_ranking, summarise
from stages.curate.view import write_view

SMALL = 2**24  # products of clips and captions


@door
def main() -> None:
    """Read embeddings, labels and truth; write `data/curated/pairs.parquet` and `reports/curate/`."""
    settings, seed, machine = read_section("curate", Curate), read_seed(), read_section("machine", Machine)
    pool = read_pool("data/embeddings")
    engine = Engine(kind=settings.search, probes=settings.ivf_probes, device=search_device(machine, pool))
    labels = embedded_labels(settings)
    if not labels and settings.strategy in ("ds", "ads"):
        raise UserError(
            f"curate.strategy = {settings.strategy!r} aims at labels, but data/roles/labels.parquet has none; "
            "name a dataset under roles.labels, or take strategy du"
        )
    table = CLIPS.read("data/captioned/paired.parquet")
    table = table[table["split"] == "train"]
    paired = set(zip(table["dataset"], table["clip_id"], strict=True))

    # Pairs are chosen first; what is really heard is looked at to judge them alone.
    facts = TRUTH.read("data/roles/truth.parquet")
    tags = dict(zip(zip(facts["dataset"], facts["clip_id"], strict=True), facts["tags"], strict=True))
    truth = Truth(tags_of(pool.audio_rows, tags), tags_of(pool.text_rows, tags))
    watch = Watch(truth, pool, settings)
    chosen = choose(pool, settings, np.stack(list(labels.values())) if labels else None, paired, engine, watch)
    pairs = pair_table(pool, chosen, settings.strategy)
    judged = held_against(truth, chosen, watch, label_ranking(pool.audio, truth, labels))
    found_share = inexact_recall(chosen, settings, engine)
    PAIRS.write("data/curated/pairs.parquet", pairs)
    with atomic_folder("reports/curate") as folder:
        summary = summarise(pool, chosen, pairs, settings, judged, found_share)
        scores = np.empty(0, np.float32)
        if chosen.new.rows is not None:
            scores = sampled_similarities(chosen.new.rows.audio, chosen.new.rows.text)
        listening = copied_examples(folder, pool, chosen, settings, tags, seed)
        write_view(folder, chosen, pairs, settings, summary, scores, *listening)
    new, original = summary["pairs"] - summary["pairs_original"], summary["pairs_original"]
    told = [f"{new} new pairs of {summary['clips_kept']} unpaired clips"] if settings.strategy != "ds" else []
    told += [f"{original} original pairs near a label"] if original else []
    print(f"curate: {settings.strategy} kept {' and '.join(told) or 'nothing'}")


def search_device(machine: Machine, pool: Pool) -> str:
    """Return where to multiply: where models run, or for few products the CPU, for which torch is not loaded."""
    if len(pool.audio) * len(pool.text) < SMALL:
        return "cpu"
    from clapline.model.device import choose_device

    return str(choose_device(machine.device))


def embedded_labels(settings: Curate) -> dict[str, np.ndarray]:
    """Return the teacher's embedding of each label's prompt, `(dim,)` by cleaned label; none where there are none."""
    labels = sorted({clean_label(name) for name in LABELS.read("data/roles/labels.parquet")["label"]})
    if not labels:
        return {}
    from clapline.model.clap import Clap

    sentences = [fill_prompt(settings.prompt, label) for label in labels]
    return dict(zip(labels, Clap.from_pretrained("models/teacher").encode_texts(sentences), strict=True))


def tags_of(rows: pd.DataFrame, tags: dict[tuple[str, str], list[str]]) -> list[list[str]]:
    """Return the true sounds of each row's clip; empty where the truth knows nothing."""
    return [tags.get(key, []) for key in zip(rows["dataset"], rows["clip_id"], strict=True)]


def inexact_recall(chosen: Chosen, settings: Curate, engine: Engine) -> float | None:
    """Return the share of the exact pairs that the search finds, None where the search is exact or there was none."""
    rows = chosen.new.rows
    if engine.kind == "exact" or rows is None:
        return None
    if chosen.new.threshold is None:
        return round(recall(rows.audio, rows.text, engine, k=settings.nearest_captions), 6)
    return round(recall(rows.audio, rows.text, engine, threshold=chosen.new.threshold), 6)


if __name__ == "__main__":
    main()
