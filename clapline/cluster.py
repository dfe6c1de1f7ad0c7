"""Ray for a stage that makes its shards on one machine or a cluster (extra `ray`).

Plain tasks and actors of Ray, not Ray Data: nothing but numbers passes here, and Ray Data reads its rows in a thread
that goes on after a run broke off, begins another Ray, and has the process ended by it without a word.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar

from clapline.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

_ANSWER_WITHIN_S = 10.0
_IN_FLIGHT = 1000  # tasks that wait or run at once: more than a cluster has cores, less than Ray is slow to watch
_TRIES = 3  # more, of a task whose process was killed


@contextlib.contextmanager
def joined_cluster(workers: int, address: str | None) -> Iterator[ModuleType]:
    """Yield the module `ray` in a running Ray: it is left again where this call began it.

    Joins the cluster at `address`, or starts Ray on this machine for so many tasks of one core at once. Raises
    UserError when Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
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
        yield ray
    finally:
        if started:
            ray.shutdown()


def by_tasks(
    ray: ModuleType, work: Callable[[Item], Result], items: Sequence[Item], cores: int = 1
) -> Generator[Result, None, None]:
    """Yield `work(item)` of each item as it is done, by tasks of so many cores each.

    What is not done when the caller stops is called off. Raises UserError when a task was killed again and again.
    """
    task = ray.remote(num_cpus=cores, max_retries=_TRIES)(_called)
    shared, left = ray.put(work), iter(items)
    running = [task.remote(shared, item) for item in islice(left, _IN_FLIGHT)]
    try:
        while running:
            (done,), running = ray.wait(running)
            running += [task.remote(shared, item) for item in islice(left, 1)]
            yield _result(ray, done)
    finally:
        for waiting in running:
            ray.cancel(waiting)


def by_gpu_actors(
    ray: ModuleType, made: Callable[[], Callable[[Item], Result]], items: Sequence[Item], actors: int
) -> Generator[Result, None, None]:
    """Yield the result of each item as it is done, by so many actors with a GPU of their own, each of which calls
    `made` once and what that returns for every item.

    The actors end with the iteration. Raises UserError when one was killed again and again.
    """
    # Of no CPU as far as Ray counts: the cores that a node has for each of its GPUs differ from node to node.
    actor = ray.remote(num_gpus=1, num_cpus=0, max_restarts=_TRIES, max_task_retries=_TRIES)(_Actor)
    idle, left = [actor.remote(made) for _ in range(actors)], iter(items)
    running: dict[Any, Any] = {}
    try:
        while True:
            for item in islice(left, len(idle)):
                busy = idle.pop()
                running[busy.call.remote(item)] = busy
            if not running:
                return
            (done,), _ = ray.wait(list(running))
            idle.append(running.pop(done))
            yield _result(ray, done)
    finally:
        for each in [*idle, *running.values()]:
            ray.kill(each)


class _Actor:
    def __init__(self, made: Callable[[], Callable[[Item], Result]]) -> None:
        self._work = made()

    def call(self, item: Item) -> Result:
        return self._work(item)


def _called(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)


def _result(ray: ModuleType, done: Any) -> Any:
    killed = ray.exceptions
    try:
        return ray.get(done)
    except (killed.WorkerCrashedError, killed.OutOfMemoryError, killed.NodeDiedError, killed.RayActorError) as error:
        said = str(error).strip().splitlines()[0]
        raise UserError(
            f"machine.engine: a task of Ray was killed (out of memory?): {said}; what is finished is kept"
        ) from None


def _check_reachable(address: str | None) -> None:
    """Raise UserError when nobody answers at `host:port`: Ray itself would wait there for many minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_WITHIN_S).close()
        except (OSError, ValueError) as error:
            raise UserError(f"machine.ray_address = {address!r}: {error}; allowed: host:port of a cluster") from None
