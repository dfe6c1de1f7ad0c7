"""Encode the shards by Ray, one task a shard, on one machine or a cluster (extra `ray`).

Nodes with GPUs get an actor for each GPU, which keeps the teacher there; else there are tasks on CPUs, with as many
threads as the local run has, so that bits are equal. The nodes must see the same work store (`CLAPLINE_HOME`) and the
same workspace (`models/teacher`, `data/clips`) under the same paths, and have the project installed. Embeddings
do not pass through Ray.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from clapline.cluster import by_gpu_actors, by_tasks, joined_cluster
from clapline.model.device import choose_device
from clapline.params.machine import Machine
from stages.curate.embed_engines import encode_here
from stages.curate.embed_shards import Job

if TYPE_CHECKING:
    from clapline.model.clap import Clap


@contextlib.contextmanager
def opened_ray(machine: Machine) -> Iterator[RayEngine]:
    """Yield the engine on the cluster that `machine` names. Raises UserError when it cannot be had."""
    with joined_cluster(machine.worker_count(), machine.ray_address) as ray:
        yield RayEngine(ray, machine)


class RayEngine:
    """The nodes of a Ray cluster: all its GPUs, or all its CPUs where it has none or `machine.device` is cpu."""

    def __init__(self, ray: ModuleType, machine: Machine) -> None:
        self._ray, self._machine = ray, machine
        resources = ray.cluster_resources()
        self._gpus = int(resources.get("GPU", 0)) if machine.device == "auto" else 0
        self._cpus = int(resources.get("CPU", 1))
        self.device = "cuda" if self._gpus else "cpu"

    def encode(self, job: Job, shards: Sequence[int], teacher: Clap) -> Generator[int, None, None]:
        """Encode shards; yield the rows of each. The teacher is read on the nodes. Raises UserError of a task."""
        if self._gpus:
            readers = max(1, self._cpus // self._gpus - 1)
            encoded = by_gpu_actors(self._ray, partial(_on_gpu, job, readers), shards, self._gpus)
        else:
            largest = max(int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"])
            cores = max(1, min(job.threads or 1, largest))
            encoded = by_tasks(self._ray, partial(encode_here, job, device="cpu", readers=cores), shards, cores)
        with contextlib.closing(encoded):
            yield from encoded


def _on_gpu(job: Job, readers: int) -> Callable[[int], int]:
    """Return what encodes a shard on the GPU of an actor: Ray shows it that one alone."""
    return partial(encode_here, job, device=choose_device("auto").type, readers=readers)
