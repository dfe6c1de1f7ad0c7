"""Make the shards of a dataset by Ray Data, one task a shard, on one machine or a cluster (extra `ray`).

The nodes must see the same work store (`CLAPLINE_HOME`) and the same `data/raw` under the same paths, and have the
project installed. Nothing but numbers passes through Ray: tasks read their items from the work folder and write their
shard into it, so the driver's memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from clapline.cluster import joined_cluster
from stages.prepare.shard import Job, make_shard


def made_by_ray(job: Job, workers: int, address: str | None) -> Iterator[tuple[int, int]]:
    """Yield, shard by shard as they are done, the number of items and how many were finished before.

    Joins the cluster at `address`, or starts Ray on this machine with so many workers. Raises UserError when Ray is not
    installed, or the cluster cannot be reached.
    """
    with joined_cluster(workers, address) as ray:
        shards = ray.data.range(len(job.shards()), override_num_blocks=len(job.shards()))
        for made in shards.map(partial(_made, job)).iter_rows():
            yield made["items"], made["finished_before"]


def _made(job: Job, row: dict[str, Any]) -> dict[str, int]:
    items, finished_before = make_shard(job, int(row["id"]))
    return {"items": items, "finished_before": finished_before}
