"""Ray for a stage that makes its shards on one machine or a cluster (extra `ray`)."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from types import ModuleType

from clapline.errors import UserError

_ANSWER_WITHIN_S = 10.0


@contextlib.contextmanager
def joined_cluster(workers: int, address: str | None) -> Iterator[ModuleType]:
    """Yield the module `ray`, Ray Data with it, in a running Ray: it is left again where this call began it.

    Joins the cluster at `address`, or starts Ray on this machine for so many tasks of one core at once. Raises
    UserError when Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError('machine.engine: ray needs the extra "ray": pip install "clapline[ray]"') from None
    started = not ray.is_initialized()
    if started:
        _check_reachable(address)
        ray.init(
            address=address,
            num_cpus=None if address else workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
        )
    try:
        # The bar is our own, and what Ray Data tells of each run is for its developers.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    finally:
        if started:
            ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise UserError when nobody answers at `host:port`: Ray itself would wait there for many minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_WITHIN_S).close()
        except (OSError, ValueError) as error:
            raise UserError(f"machine.ray_address = {address!r}: {error}; allowed: host:port of a cluster") from None
