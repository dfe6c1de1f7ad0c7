"""Encode the shards by Ray Data, one task a shard, on one machine or a cluster (extra `ray`).

Nodes with GPUs get an actor for each GPU, which keeps the teacher there; else there are tasks on CPUs, with as many
threads as the local run has, so that bits are equal. The nodes must see the same work store (`CLAPLINE_HOME`) and the
same workspace (`models/teacher`, `data/clips`) under the same paths, and have the project installed. Nothing but
numbers passes through Ray.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from clapline.cluster import joined_cluster
from clapline.errors import UserError
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

    def encode(self, job: Job, shards: Sequence[int], teacher: Clap) -> Iterator[int]:
        """Encode shards; yield the rows of each. The teacher is read on the nodes. Raises UserError of a task."""
        if not shards:
            return
        numbers = self._ray.data.range(len(shards), override_num_blocks=len(shards))
        if self._gpus:
            actors = min(self._gpus, len(shards))
            readers = max(1, self._cpus // self._gpus - 1)
            # Of no CPU as far as Ray counts: actors that held them all would wait for ever for who hands out numbers.
            on = {"concurrency": actors, "num_gpus": 1, "num_cpus": 0}
            encoded = numbers.map(_OnGpu, fn_constructor_args=(job, shards, readers), **on)
        else:
            largest = max(int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"])
            cores = min(job.threads or 1, largest)
            encoded = numbers.map(partial(_encoded, job, shards, "cpu", cores), num_cpus=cores)
        for row in encoded.iter_rows():
            if row["error"]:
                raise UserError(row["error"])
            yield row["rows"]


class _OnGpu:
    """An actor that has a GPU: Ray shows it that one alone."""

    def __init__(self, job: Job, shards: Sequence[int], readers: int) -> None:
        self._encoded = partial(_encoded, job, shards, choose_device("auto").type, readers)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return self._encoded(row)


def _encoded(job: Job, shards: Sequence[int], device: str, readers: int, row: dict[str, Any]) -> dict[str, Any]:
    """Encode the shard of a row; what a user can mend comes back as text, since Ray would wrap the error."""
    try:
        return {"rows": encode_here(job, shards[row["id"]], device, readers), "error": ""}
    except UserError as error:
        return {"rows": 0, "error": str(error)}
