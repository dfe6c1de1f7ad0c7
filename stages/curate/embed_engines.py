"""Who encodes the shards: this process, several on this machine with a GPU each, or Ray."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from clapline.errors import UserError
from clapline.params.machine import Machine
from clapline.workers import worker_pool
from stages.curate.embed_shards import Job, encode_shard

if TYPE_CHECKING:
    from clapline.model.clap import Clap

TEACHER = "models/teacher"
_claimed: list[BinaryIO] = []


class Engine(Protocol):
    """What encodes shards."""

    device: str  # kind: cpu, cuda, …

    def encode(self, job: Job, shards: Sequence[int], teacher: Clap) -> Generator[int, None, None]:
        """Encode shards, by number; yield how many more rows are done. `teacher` is on the CPU."""
        ...


@contextlib.contextmanager
def opened_engine(machine: Machine) -> Iterator[Engine]:
    """Yield the engine that the section names. Raises UserError when Ray is missing or cannot be reached."""
    if machine.engine == "ray":
        from stages.curate.embed_ray import opened_ray

        with opened_ray(machine) as engine:
            yield engine
    else:
        yield LocalEngine(machine)


class LocalEngine:
    """The process of the door, or as many as `machine.processes` says, which share out the GPUs where there are any."""

    def __init__(self, machine: Machine) -> None:
        from clapline.model.device import choose_device

        self.device = choose_device(machine.device).type
        self._machine = machine

    def encode(self, job: Job, shards: Sequence[int], teacher: Clap) -> Generator[int, None, None]:
        """Encode shards; yield rows batch by batch, of several processes shard by shard.

        Raises UserError when a process was killed.
        """
        processes = min(self._machine.processes or _gpus(self.device) or 1, len(shards))
        readers = max(1, self._machine.worker_count() // max(1, processes))
        if processes > 1:
            yield from _encoded_by_pool(job, shards, processes, readers)
        elif shards:
            teacher = teacher.to(self.device)
            for shard in shards:
                yield from encode_shard(job, shard, teacher, readers)


def encode_here(job: Job, shard: int, device: str, readers: int) -> int:
    """Encode a shard in a process of others; return its rows. The process keeps the teacher for the next one."""
    return sum(encode_shard(job, shard, _teacher(job.root, device, job.threads), readers))


@functools.lru_cache(maxsize=1)
def _teacher(root: Path, device: str, threads: int | None) -> Clap:
    import torch

    from clapline.model.clap import Clap

    if threads is not None:
        torch.set_num_threads(threads)
    return Clap.from_pretrained(root / TEACHER).to(device)


def _encoded_by_pool(job: Job, shards: Sequence[int], processes: int, readers: int) -> Iterator[int]:
    with worker_pool(processes, ["clapline.model.encode"]) as pool:
        try:
            for done in as_completed([pool.submit(_encode_in_pool, job, shard, readers) for shard in shards]):
                yield done.result()
        except BrokenProcessPool:
            raise UserError(
                "embed: a process was killed (out of memory?); try fewer machine.processes: finished shards are kept"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _encode_in_pool(job: Job, shard: int, readers: int) -> int:
    gpus = _gpus(job.device)
    device = f"{job.device}:{_number(job.folder) % gpus}" if gpus else job.device
    return encode_here(job, shard, device, readers)


@functools.cache
def _number(folder: Path) -> int:
    """Return the least number that no other process of the pool has: it is claimed by a lock until this one ends."""
    for number in itertools.count():
        file = (folder / f"process-{number}.lock").open("ab")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _claimed.append(file)
            return number
        file.close()
    raise AssertionError


def _gpus(device: str) -> int:
    import torch

    return 0 if device == "cpu" else torch.accelerator.device_count()
