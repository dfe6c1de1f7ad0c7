"""Door of the stage embed: the teacher's embeddings of the unpaired clips and of every caption of the text role.

They are written in shards with their ids, in the order of the tables' keys. Without unpaired clips there are no shards
of audio. The prompted labels of DS and ADS are not embedded here: the prompt is a knob of `curate`, whose edits must
not embed the audio again; curate embeds those few sentences itself.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import soundfile

from clapline.embeddings import Rows, write_embeddings
from clapline.errors import UserError, door
from clapline.loaded_code import source_key
from clapline.metrics.sanity import check_embeddings
from clapline.params.base import read_section
from clapline.params.embed import Embed
from clapline.params.machine import Machine
from clapline.progress import progress_bar
from clapline.storage import file_sha256
from clapline.work import discard, held_work
from stages.curate.embed_engines import TEACHER, Engine, opened_engine
from stages.curate.embed_rows import caption_rows, clip_rows, distinct_texts
from stages.curate.embed_shards import NAMES, Job, Part, lay_rows

if TYPE_CHECKING:
    from clapline.model.clap import Clap

OUTPUT = Path("data/embeddings")
_DECIDES = ("clapline.model", "clapline.audio", "clapline.params", "clapline.text.tags", "clapline.embeddings")
_DECIDES_HERE = ("stages.curate.embed_rows", "stages.curate.embed_shards", "stages.curate.embed_engines")
_CHECKED_AT_ONCE, _RUN = 32768, 64


@door
def main() -> None:
    """Read the teacher, the clips and the captions; write `data/embeddings/`."""
    machine, settings = read_section("machine", Machine), read_section("embed", Embed)
    clips = clip_rows("data/roles/unpaired.parquet")
    captions = caption_rows("data/captioned/text.parquet")
    if not len(captions):
        raise UserError("data/captioned/text.parquet has no captions: curation needs them; see roles in params.yaml")
    if not len(clips):
        print("embed: data/roles/unpaired.parquet has no clips, so there is no audio to embed")
    # Clips often share a caption: each text is encoded once, so equal captions have equal embeddings.
    texts, place = distinct_texts(captions)

    from clapline.model.clap import ENCODE_BATCH, Clap
    from clapline.model.encode import encode_batch

    teacher = Clap.from_pretrained(TEACHER)
    _check_fits(teacher, clips)
    with opened_engine(machine) as engine, held_work("embed", *_decides(engine, settings)) as folder:
        audio = Part("audio", len(clips), settings.clips_per_shard, encode_batch(teacher.front_end))
        text = Part("text", len(texts), settings.captions_per_shard, ENCODE_BATCH)
        threads = _threads(engine)
        job = Job(folder.resolve(), Path.cwd(), settings.precision, engine.device, threads, (audio, text))
        lay_rows(job, audio, clips)
        lay_rows(job, text, texts)
        before = _encode(job, engine, teacher, shown=machine.progress)
        _put_in_place(job, clips, captions, place)
        # Only now: a run that is killed on the way to here finds its shards again.
        discard(folder)
    taken_over = f"; {before} of {len(job.shards())} shards were finished by a run before" if before else ""
    print(f"embed: {len(clips)} clips, {len(captions)} captions ({len(texts)} distinct){taken_over}")


def _check_fits(teacher: Clap, clips: pa.Table) -> None:
    """Raise a UserError when the teacher cannot embed the clips."""
    from clapline.model.encode import check_sample_rate

    if not len(clips):
        return
    if teacher.settings.audio.pooling == "tap":
        raise UserError(
            f"embed: {len(clips)} unpaired clips, but under text-aware pooling (teacher.model.audio.pooling: tap) a "
            "clip has no embedding to compare captions with; take pooling: mean, or leave roles.unpaired empty"
        )
    rates = pc.unique(clips["sample_rate_hz"]).to_pylist()
    check_sample_rate(pd.DataFrame({"sample_rate_hz": rates}), teacher.settings.features)


def _threads(engine: Engine) -> int | None:
    """Return how many threads torch has, where they decide the last bits."""
    import torch

    return torch.get_num_threads() if engine.device == "cpu" else None


def _decides(engine: Engine, settings: Embed) -> list[Any]:
    """Return all that decides the bytes of a shard but its rows."""
    teacher = Path(TEACHER)
    weights = {path.relative_to(teacher).as_posix(): file_sha256(path) for path in teacher.rglob("*") if path.is_file()}
    libraries = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "numpy", "soxr")}
    code = source_key(*_DECIDES, *_DECIDES_HERE)
    return [
        weights,
        settings.precision,
        engine.device,
        _threads(engine),
        code,
        libraries,
        soundfile.__libsndfile_version__,
    ]


def _encode(job: Job, engine: Engine, teacher: Clap, *, shown: bool) -> int:
    """Encode the shards that are not done; return how many were."""
    missing = [shard for shard in job.shards() if not job.finished(shard)]
    rows = {shard: len(part.own(number)) for shard in job.shards() for part, number in [job.place(shard)]}
    done = sum(rows.values()) - sum(rows[shard] for shard in missing)
    with progress_bar(shown=shown) as bar:
        task = bar.add_task("embed clips and captions", total=sum(rows.values()), completed=done)
        # Closed here, while the engine is still there: what runs elsewhere is called off when this process is stopped.
        with contextlib.closing(engine.encode(job, missing, teacher)) as encoding:
            for encoded in encoding:
                bar.advance(task, encoded)
    return len(job.shards()) - len(missing)


def _put_in_place(job: Job, clips: pa.Table, captions: pa.Table, place: np.ndarray) -> None:
    """Check all embeddings, and make the output of them; `place` is that of each caption among the distinct texts."""
    audio, text = job.parts
    heard, read = job.matrices(audio), job.matrices(text)
    texts = Rows(read, read[0].shape[1])
    if heard:
        clip_embeddings = Rows(heard, read[0].shape[1])
        _check(NAMES["audio"], len(clips), lambda rows: clip_embeddings[rows])
    _check(NAMES["text"], len(texts), lambda rows: texts[rows])  # distinct: captions may well be alike
    for stale in OUTPUT.parent.glob(f".{OUTPUT.name}.*.part"):
        shutil.rmtree(stale)
    with write_embeddings(OUTPUT, job.precision) as writer:
        for shard in audio.shards():
            own = audio.own(shard)
            writer.add_file("audio", clips.slice(own.start, len(own)), job.matrix_file(audio, shard))
        for start in range(0, len(captions), text.rows_per_shard):
            rows = captions.slice(start, text.rows_per_shard)
            writer.add("text", rows, texts[place[start : start + len(rows)]])


def _check(name: str, rows: int, embeddings: Callable[[np.ndarray], np.ndarray]) -> None:
    """Raise a UserError where embeddings cannot be compared; of many, so many at once, taken from all over them."""
    parts = -(-rows // _CHECKED_AT_ONCE)
    runs = np.arange(rows) // _RUN  # whole stretches: a file is read in pages
    for part in range(parts):
        chosen = np.flatnonzero(runs % parts == part)
        check_embeddings(name, embeddings(chosen), len(chosen))


if __name__ == "__main__":
    main()
