"""Make the shards of a dataset by Ray, one task a shard, on one machine or a cluster (extra `ray`).

The nodes must see the same work store (`CLAPLINE_HOME`) and the same `data/raw` under the same paths, and have the
project installed. Clips do not pass through Ray: tasks read their items from the work folder and write their
shard into it, so the driver's memory does not grow with the dataset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from clapline.cluster import by_tasks, joined_cluster
from stages.prepare.shard import Job, make_shard


def made_by_ray(job: Job, workers: int, address: str | None) -> Iterator[tuple[int, int]]:
    """Yield, shard by shard as they are done, the number of items and how many were finished before.

    Joins the cluster at `address`, or starts Ray on this machine with so many workers. Raises UserError when Ray is not
    installed, the cluster cannot be reached, or a task was killed again and again.
    """
    with (
        joined_cluster(workers, address) as ray,
        contextlib.closing(by_tasks(ray, partial(make_shard, job), job.shards())) as made,
    ):
        yield from made
