"""Pack the items of a dataset into shards and tables: on the cores of this machine, or by Ray on those of many."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from clapline.datasets.card import Item
from clapline.errors import UserError
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from clapline.progress import progress_bar
from clapline.workers import worker_pool
from stages.prepare.index import Index, read_index
from stages.prepare.items import list_items
from stages.prepare.shard import Job, join_parts, make_part, make_shard


@dataclass(frozen=True)
class Packed:
    """A dataset in shards: they lie in the work folder until its tables are written."""

    job: Job
    index: Index
    finished_before: int  # items that a broken-off run had finished


def packed(
    dataset: str, items: Iterable[Item], raw: Path, folder: Path, shown_folder: str, settings: Prepare, machine: Machine
) -> Packed:
    """Make the shards of a dataset in the work folder `folder`, beginning with what a broken-off run left there.

    `shown_folder` is where the clip table says that the shards are. Bytes and rows depend neither on the number of
    workers nor on the engine, nor on where an earlier run was broken off. This process holds no clip, and of the rows
    the columns alone. Measured with two captions a clip: 100 bytes per clip while the items are listed, 350 for the
    columns, 1,200 at most while they are sorted and written. Raises UserError when two clips share an id, or nothing
    can be used.
    """
    listing = list_items(dataset, items, folder, settings.clips_per_shard)
    job = Job(dataset, raw.resolve(), folder.resolve(), shown_folder, settings, listing.items)
    finished_before = 0
    with progress_bar(shown=machine.progress) as bar:
        task = bar.add_task(f"prepare {dataset}", total=job.items)
        with contextlib.closing(_made(job, machine)) as pieces:
            for done, before in pieces:
                bar.advance(task, done)
                finished_before += before
    return Packed(job, read_index(job, listing), finished_before)


def _made(job: Job, machine: Machine) -> Generator[tuple[int, int], None, None]:
    """Yield, piece by piece, the number of items that are done and how many of them were finished before."""
    if machine.engine == "ray":
        from stages.prepare.ray_engine import made_by_ray

        yield from made_by_ray(job, machine.worker_count(), machine.ray_address)
    elif machine.worker_count() == 1:
        for shard in job.shards():
            yield make_shard(job, shard)
    else:
        yield from _made_by_pool(job, machine.worker_count())


def _made_by_pool(job: Job, workers: int) -> Iterator[tuple[int, int]]:
    """Yield as the parts are done, in order; a shard whose parts are done is joined by a worker too."""
    parts: deque[tuple[int, bool, Future]] = deque()  # shard, whether it is its last part, the part's outcome
    joins: deque[Future] = deque()
    with worker_pool(workers, ["stages.prepare.shard"]) as pool:

        def oldest() -> tuple[int, int]:
            shard, last, future = parts.popleft()
            made = future.result()
            if last:
                joins.append(pool.submit(join_parts, job, shard))
            if len(joins) > workers:
                joins.popleft().result()
            return made

        try:
            for shard in job.shards():
                if job.finished(shard):
                    yield job.items_in(shard), job.items_in(shard)
                    continue
                for part in job.parts(shard):
                    parts.append((shard, part == job.parts(shard)[-1], pool.submit(make_part, job, shard, part)))
                    if len(parts) > 4 * workers:
                        yield oldest()
            while parts:
                yield oldest()
            while joins:
                joins.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                f"dataset {job.dataset}: a decoding process was killed (out of memory?); "
                "try a smaller machine.workers: finished clips are kept"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
