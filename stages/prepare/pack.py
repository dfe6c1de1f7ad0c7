"""Decode the items of a dataset on all cores and pack them, in the reader's order, into shards and rows."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

from clapline.audio.shards import ShardWriter
from clapline.datasets.card import BadItem, RawClip
from clapline.errors import UserError
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare
from clapline.progress import tracked
from clapline.workers import worker_pool
from stages.prepare.clip import Made, make_clips

Item = RawClip | BadItem
_ITEMS_PER_TASK = 8


def packed(
    dataset: str, items: Iterable[Item], raw: Path, folder: Path, shown_folder: str, settings: Prepare, machine: Machine
) -> tuple[list[dict], list[dict]]:
    """Write the shards of a dataset into `folder`; return the rows of its clip table and of its rejects.

    `shown_folder` is the folder that the table names. Bytes and rows do not depend on the number of workers; no more
    than a few clips per worker are held at a time. Raises UserError when two items share an id, or none is usable.
    """
    rows: list[dict] = []
    rejects: list[dict] = []
    seen: set[str] = set()
    with ShardWriter(folder, settings.shard_size_mb * 2**20) as shards:
        pairs = _made(dataset, items, raw, settings, machine.worker_count())
        for item, made in tracked(pairs, f"prepare {dataset}", shown=machine.progress):
            if isinstance(item, BadItem):
                rejects.append({"dataset": dataset, "path": item.path, "reason": item.reason})
            elif isinstance(made, str):
                rejects.append({"dataset": dataset, "path": str(item.path), "reason": made})
            elif item.clip_id in seen:
                raise UserError(f"dataset {dataset}: clip id {item.clip_id!r} stands there twice")
            else:
                seen.add(item.clip_id)
                rows.append(_row(dataset, item, made, shards, shown_folder, settings.sample_rate_hz))
    if not rows:
        first = f"; the first: {rejects[0]['path']}: {rejects[0]['reason']}" if rejects else ""
        raise UserError(f"dataset {dataset} has no usable clip: {len(rejects)} items set aside{first}")
    return rows, rejects


def _row(
    dataset: str, item: RawClip, made: Made | None, shards: ShardWriter, shown_folder: str, sample_rate_hz: int
) -> dict:
    place = shards.add(item.clip_id, made.flac) if made else None
    return {
        "dataset": dataset,
        "clip_id": item.clip_id,
        "split": item.split,
        "shard": f"{shown_folder}/{place.shard}" if place else "",
        "offset": place.offset if place else 0,
        "nbytes": place.nbytes if place else 0,
        "sha256": place.sha256 if place else hashlib.sha256(b"").hexdigest(),
        "sample_rate_hz": sample_rate_hz,
        "duration_s": made.duration_s if made else 0.0,
        "captions": list(item.captions),
        "caption_tree": list(item.caption_tree),
        "tags": list(item.tags),
        "label": item.label,
        "fold": item.fold,
        "description": item.description,
        "source_id": item.source_id,
        "licence": item.licence,
    }


def _made(
    dataset: str, items: Iterable[Item], raw: Path, settings: Prepare, workers: int
) -> Iterator[tuple[Item, Made | str | None]]:
    """Yield every item with its clip, with the reason why there is none, or with None where it has no audio."""
    stream = iter(items)
    tasks = iter(lambda: list(islice(stream, _ITEMS_PER_TASK)), [])
    if workers == 1:
        for task in tasks:
            yield from zip(task, make_clips(dataset, raw, task, settings), strict=True)
        return
    waiting: deque[tuple[list[Item], Future]] = deque()
    with worker_pool(workers, ["stages.prepare.clip"]) as pool:
        try:
            for task in tasks:
                waiting.append((task, pool.submit(make_clips, dataset, raw, task, settings)))
                if len(waiting) > 2 * workers:
                    oldest, future = waiting.popleft()
                    yield from zip(oldest, future.result(), strict=True)
            while waiting:
                oldest, future = waiting.popleft()
                yield from zip(oldest, future.result(), strict=True)
        except BrokenProcessPool:
            raise UserError(
                f"dataset {dataset}: a decoding process was killed (out of memory?); try a smaller machine.workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
