"""One shard: its rows become embeddings in a file of the work folder, made once by whoever comes first.

A job's parts are the clips and the distinct texts. The driver lays down the rows of each shard (`lay_rows`); any
process that sees the work folder and the workspace encodes one by its number alone (`encode_shard`). A file is named
by its rows and appears whole: what a run finished before it was killed is taken over, as long as the rows are the same.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clapline.audio.shards import ShardReader
from clapline.embeddings import Precision, Side, map_matrix, write_matrix
from clapline.errors import UserError
from clapline.storage import atomic_path, content_key, file_sha256

if TYPE_CHECKING:
    from clapline.model.clap import Clap

NAMES: dict[Side, str] = {"audio": "embed: unpaired clips", "text": "embed: captions of the text role"}


@dataclass(frozen=True)
class Part:
    """The rows of one side, and how they fall into shards and batches.

    Another batch moves the last bits of an embedding, so batches are counted from the first row of all: a shard that
    begins or ends inside one encodes it whole and keeps its own rows. So no embedding depends on the size of a shard.
    """

    side: Side
    rows: int
    rows_per_shard: int
    batch: int

    def shards(self) -> range:
        """Return the numbers of the shards."""
        return range(-(-self.rows // self.rows_per_shard))

    def own(self, shard: int) -> range:
        """Return the rows of a shard."""
        return range(shard * self.rows_per_shard, min(self.rows, (shard + 1) * self.rows_per_shard))

    def encoded(self, shard: int) -> range:
        """Return the rows of the batches that hold rows of a shard."""
        own = self.own(shard)
        return range(own.start // self.batch * self.batch, min(self.rows, -(-own.stop // self.batch) * self.batch))


@dataclass(frozen=True)
class Job:
    """What any process needs to know to encode a shard."""

    folder: Path  # of the work: rows of the shards, finished matrices
    root: Path  # of the workspace: the teacher, and what clips' shards are named relative to
    precision: Precision
    device: str  # kind: cpu, cuda, …
    threads: int | None  # of torch: on a CPU they decide the last bits
    parts: tuple[Part, ...]

    def shards(self) -> range:
        """Return the numbers of the shards of all parts, one part after the other."""
        return range(sum(len(part.shards()) for part in self.parts))

    def place(self, number: int) -> tuple[Part, int]:
        """Return the part that a shard is of, and its number there."""
        for part in self.parts:
            if number < len(part.shards()):
                return part, number
            number -= len(part.shards())
        raise IndexError(number)

    def rows_file(self, part: Part, shard: int) -> Path:
        """Return where the rows of a shard's batches lie."""
        return self.folder / f"{part.side}-{shard:05d}.parquet"

    def matrix_file(self, part: Part, shard: int) -> Path:
        """Return where a shard's matrix comes to lie: its name stands for the rows and for which of them are kept."""
        start = part.own(shard).start - part.encoded(shard).start
        key = content_key(file_sha256(self.rows_file(part, shard)), start, len(part.own(shard)))
        return self.folder / f"{part.side}-{key}.safetensors"

    def matrices(self, part: Part) -> list[np.ndarray]:
        """Return the finished matrices of a part, memory-mapped."""
        return [map_matrix(self.matrix_file(part, shard)) for shard in part.shards()]

    def finished(self, number: int) -> bool:
        """Say whether a shard is done: its file is there and whole."""
        part, shard = self.place(number)
        return _is_whole(self.matrix_file(part, shard), len(part.own(shard)))


def lay_rows(job: Job, part: Part, rows: pa.Table) -> None:
    """Write the rows of each shard's batches into the work folder."""
    for shard in part.shards():
        encoded = part.encoded(shard)
        with atomic_path(job.rows_file(part, shard)) as temporary:
            pq.write_table(rows.slice(encoded.start, len(encoded)), temporary, compression="zstd")


def encode_shard(job: Job, number: int, teacher: Clap, readers: int) -> Iterator[int]:
    """Encode a shard unless it is done; yield, batch by batch, how many more of its rows are.

    Whoever encodes a shard holds its lock: a second one waits and finds it done.

    Args:
        job: what and where.
        number: of the shard, among those of all parts.
        teacher: the model, on its device.
        readers: threads that read clips.

    Raises:
        UserError: a clip cannot be read, or an embedding is not finite.
    """
    part, shard = job.place(number)
    own, encoded, file = part.own(shard), part.encoded(shard), job.matrix_file(part, shard)
    with _locked(file.with_suffix(".lock")):
        if _is_whole(file, len(own)):
            yield len(own)
            return
        rows = pq.read_table(job.rows_file(part, shard))
        batches = [rows.slice(start, part.batch) for start in range(0, len(rows), part.batch)]
        made = _heard(teacher, batches, job, readers) if part.side == "audio" else _read(teacher, batches)
        kept = []
        begins = encoded.start
        for embeddings in made:
            if not np.isfinite(embeddings).all():
                bad = int((~np.isfinite(embeddings)).any(axis=1).sum())
                raise UserError(f"{NAMES[part.side]}: {bad} embeddings of a batch hold NaN or inf; the model is broken")
            first, last = max(own.start - begins, 0), min(own.stop - begins, len(embeddings))
            kept.append(embeddings[first:last])
            begins += len(embeddings)
            yield last - first
        write_matrix(file, np.concatenate(kept), job.precision)


def _heard(teacher: Clap, batches: list[pa.Table], job: Job, readers: int) -> Iterator[np.ndarray]:
    """Yield the embeddings of batches of clips. While a GPU encodes one, the next is read; a CPU has no core to spare.

    Each clip is read by one of so many threads.
    """
    from clapline.model.encode import read_clip

    reader, features = ShardReader(job.root), teacher.settings.features
    ahead = int(job.device != "cpu")
    waiting: deque[tuple[list[Any], list[Future]]] = deque()
    with ThreadPoolExecutor(readers) as pool:
        for batch in batches:
            rows = _clips(batch)
            waiting.append((rows, [pool.submit(read_clip, reader, row, features) for row in rows]))
            if len(waiting) > ahead:
                yield _embedded(teacher, *waiting.popleft())
        while waiting:
            yield _embedded(teacher, *waiting.popleft())


def _embedded(teacher: Clap, rows: list[Any], reading: list[Future]) -> np.ndarray:
    import torch

    from clapline.model.encode import gallery_of_inputs, with_tags
    from clapline.model.inputs import AudioInputs

    heard = [clip.result() for clip in reading]
    inputs = AudioInputs(
        valid=torch.tensor([valid for _, valid in heard], dtype=torch.float32),
        waveforms=torch.from_numpy(np.stack([samples for samples, _ in heard])),
    )
    return gallery_of_inputs(teacher, [with_tags(teacher, inputs, [row.tags for row in rows])]).vectors


def _clips(batch: pa.Table) -> list[Any]:
    """Return rows as `ShardReader` takes them; tags as Python lists."""
    frame = batch.drop_columns(["tags"]).to_pandas()
    return list(frame.assign(tags=batch["tags"].to_pylist()).itertuples(index=False))


def _read(teacher: Clap, batches: list[pa.Table]) -> Iterator[np.ndarray]:
    for batch in batches:
        yield teacher.encode_texts(batch["text"].to_pylist())


def _is_whole(file: Path, rows: int) -> bool:
    """Say whether a file holds so many rows: one that a power cut tore does not, and is made again."""
    with contextlib.suppress(UserError):
        return len(map_matrix(file)) == rows
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
