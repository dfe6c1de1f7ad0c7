"""Ray for a stage that makes its shards on one machine or a cluster (extra `ray`).

Plain tasks and actors of Ray, not Ray Data, whose rows are read in a thread that goes on after a run broke off, begins
another Ray by a call, and has the process ended by it without a word. What passes here are jobs and numbers; the shards
lie in files.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Generic, TypeVar

from clapline.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

_ANSWER_WITHIN_S = 10.0
_LEAST_IN_FLIGHT = 1000  # tasks that wait or run at once, where the cluster has less than half as many cores
_MORE_TRIES = 3  # of an item whose process was killed


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

    What is not done when the caller stops is called off. Raises the UserError of a task, and one when an item's
    process was killed again and again.
    """
    # No retries of Ray's own: those of a process that its memory monitor kills have no end.
    task = ray.remote(num_cpus=cores, max_retries=0)(_called)
    at_once = max(_LEAST_IN_FLIGHT, 2 * int(ray.cluster_resources().get("CPU", 0)))
    tries = _Tries(items)
    running: dict[Any, int] = {}
    try:
        shared = ray.put(work)
        while tries.left or running:
            while tries.left and len(running) < at_once:
                number = tries.left.popleft()
                running[task.remote(shared, items[number])] = number
            (done,), _ = ray.wait(list(running))
            number = running.pop(done)
            try:
                result = _result(ray, done)
            except _KilledError as killed:
                tries.again(number, killed)
                continue
            yield result
    finally:
        _end(ray, ray.cancel, running)


def by_gpu_actors(
    ray: ModuleType, make_work: Callable[[], Callable[[Item], Result]], items: Sequence[Item], actors: int
) -> Generator[Result, None, None]:
    """Yield the result of each item as it is done, by so many actors with a GPU of their own: each calls `make_work`
    once, and what that returned for its items.

    An actor whose GPU is not free yet is not waited for: items go to those that answered. All end with the iteration.
    Raises the UserError of an actor, and one when an item's process was killed again and again.
    """
    # Of no CPU as far as Ray counts: the cores that a node has for each of its GPUs differ from node to node.
    actor = ray.remote(num_gpus=1, num_cpus=0)(_Actor)
    tries = _Tries(items)
    begun: list[Any] = []
    running: dict[Any, tuple[Any, int | None]] = {}  # by what it will answer: the actor, and its item if it has one

    def begin() -> None:
        begun.append(actor.remote(make_work))
        running[begun[-1].ready.remote()] = begun[-1], None

    def go_on(free: Any) -> None:
        if tries.left:
            number = tries.left.popleft()
            running[free.call.remote(items[number])] = free, number
        else:
            _end(ray, ray.kill, [free])  # its GPU is for others now

    try:
        for _ in range(min(actors, len(items))):
            begin()
        while tries.left or any(number is not None for _, number in running.values()):
            (done,), _ = ray.wait(list(running))
            free, number = running.pop(done)
            try:
                result = _result(ray, done)
            except _KilledError as killed:
                tries.again(number, killed)
                _end(ray, ray.kill, [free])  # it may only be out of reach, and hold its GPU
                begin()
                continue
            go_on(free)
            if number is not None:
                yield result
    finally:
        _end(ray, ray.kill, begun)


class _Tries:
    """The numbers of the items that are to do, and how often the process of each was killed."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.left = deque(range(len(items)))
        self._killed: Counter[int | None] = Counter()

    def again(self, number: int | None, killed: _KilledError) -> None:
        """Put an item back (None: an actor died before its first). Raises UserError after too many tries."""
        self._killed[number] += 1
        if self._killed[number] > _MORE_TRIES:
            raise UserError(f"machine.engine: a process of Ray was lost (out of memory?): {killed}") from None
        if number is not None:
            self.left.appendleft(number)


class _KilledError(Exception):
    """The process of a task or an actor, or its node, is gone."""


class _Actor(Generic[Item, Result]):
    def __init__(self, make_work: Callable[[], Callable[[Item], Result]]) -> None:
        self._make_work = make_work

    def ready(self) -> None:
        # Not in __init__: what is raised there comes back as a death of the actor, and without its traceback.
        self._work = self._make_work()

    def call(self, item: Item) -> Result:
        return self._work(item)


def _called(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)


def _result(ray: ModuleType, done: Any) -> Any:
    raised = ray.exceptions
    try:
        return ray.get(done)
    except raised.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise UserError(str(error.cause)) from None
        raise
    except (
        raised.WorkerCrashedError,
        raised.OutOfMemoryError,
        raised.NodeDiedError,
        raised.LocalRayletDiedError,
        raised.RayActorError,
    ) as error:
        raise _KilledError(" ".join(str(error).split())[:300] or type(error).__name__) from None


def _end(ray: ModuleType, end: Callable[[Any], None], each: Iterable[Any]) -> None:
    if not ray.is_initialized():  # else the call itself would begin another Ray
        return
    for what in each:
        # What went wrong before must be told, not that a lost cluster cannot be told to end.
        with contextlib.suppress(Exception):
            end(what)


def _check_reachable(address: str | None) -> None:
    """Raise UserError when nobody answers at `host:port`: Ray itself would wait there for many minutes."""
    host, _, port = (address or "").rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_WITHIN_S).close()
        except (OSError, ValueError) as error:
            raise UserError(f"machine.ray_address = {address!r}: {error}; allowed: host:port of a cluster") from None
