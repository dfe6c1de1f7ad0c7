"""Ray's tasks and actors: every item once, and nothing of them lives on after the caller stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from clapline.cluster import by_gpu_actors, by_tasks, joined_cluster
from clapline.errors import UserError

pytestmark = pytest.mark.slow  # Ray's start takes seconds
HOW = ["tasks", "actors"]
SQUARES = [item * item for item in range(30)]


@pytest.fixture(scope="module")
def ray():
    """Ray on this machine with two cores, and two GPUs as far as it knows."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


def spread(ray, how: str, work, items):
    return by_tasks(ray, work, items) if how == "tasks" else by_gpu_actors(ray, partial(_given, work), items, 2)


def _given(work):
    return work


def note(folder: Path, item: object) -> None:
    (folder / f"{item}-{os.getpid()}-{uuid4()}").touch()


def noted(folder: Path) -> list[list[str]]:
    return [file.name.split("-") for file in folder.iterdir()]


def square(folder: Path, item: int) -> int:
    note(folder, item)
    return item * item


def slow(folder: Path, item: int) -> int:
    note(folder, item)
    time.sleep(0.3)
    return item


def killing(folder: Path, times: int, item: int) -> int:
    """Square an item; the process of item 3 is killed so often."""
    note(folder, item)
    if item == 3 and sum(name == "3" for name, *_ in noted(folder)) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def faulty(item: int) -> int:
    raise ZeroDivisionError(f"item {item}")


def refusing(item: int) -> int:
    raise UserError(f"item {item} is bad")


def made_square(folder: Path):
    note(folder, "made")
    return partial(square, folder)


def made_faulty():
    raise ZeroDivisionError("no teacher")


@pytest.mark.parametrize("how", HOW)
def test_every_item_is_done_once(ray, tmp_path, how):
    assert sorted(spread(ray, how, partial(square, tmp_path), range(30))) == SQUARES
    assert Counter(int(item) for item, *_ in noted(tmp_path)) == Counter(range(30))


def test_an_actor_makes_its_work_once(ray, tmp_path):
    assert sorted(by_gpu_actors(ray, partial(made_square, tmp_path), range(30), 2)) == SQUARES
    made = [process for item, process, *_ in noted(tmp_path) if item == "made"]
    assert len(made) == len(set(made)) <= 2
    assert {process for _, process, *_ in noted(tmp_path)} <= set(made)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("items", [[], [7]])
def test_less_items_than_there_are_places(ray, tmp_path, items, how):
    assert list(spread(ray, how, partial(square, tmp_path), items)) == [item * item for item in items]


def test_more_items_than_are_in_flight_at_once(ray, tmp_path, monkeypatch):
    monkeypatch.setattr("clapline.cluster._LEAST_IN_FLIGHT", 3)
    assert sorted(by_tasks(ray, partial(square, tmp_path), range(30))) == SQUARES


def test_a_gpu_that_another_holds_is_not_waited_for(ray, tmp_path):
    @ray.remote(num_gpus=1, num_cpus=0)
    class Holder:
        def here(self) -> None:
            pass

    holder = Holder.remote()
    ray.get(holder.here.remote())
    assert sorted(by_gpu_actors(ray, partial(made_square, tmp_path), range(30), 2)) == SQUARES
    ray.kill(holder)


@pytest.mark.parametrize("how", HOW)
def test_what_is_not_done_is_called_off(ray, tmp_path, how):
    work = spread(ray, how, partial(slow, tmp_path), range(60))
    with contextlib.closing(work):
        next(work)
    time.sleep(1.0)  # what runs yet ends
    begun = len(noted(tmp_path))
    time.sleep(1.5)
    assert len(noted(tmp_path)) == begun < 30


def test_the_actors_end_with_the_iteration(ray, tmp_path):
    work = by_gpu_actors(ray, partial(made_square, tmp_path), range(30), 2)
    with contextlib.closing(work):
        next(work)
    time.sleep(2.0)
    for process in {process for _, process, *_ in noted(tmp_path)}:
        assert not Path(f"/proc/{process}").exists()


@pytest.mark.parametrize("how", HOW)
def test_an_item_whose_process_was_killed_is_tried_again(ray, tmp_path, how):
    assert sorted(spread(ray, how, partial(killing, tmp_path, 2), range(30))) == SQUARES


@pytest.mark.parametrize("how", HOW)
def test_an_item_that_kills_every_process_is_one_line(ray, tmp_path, how):
    with pytest.raises(UserError, match="a process of Ray was lost") as said:
        list(spread(ray, how, partial(killing, tmp_path, 1000), range(30)))
    assert "\n" not in str(said.value)
    assert sum(item == "3" for item, *_ in noted(tmp_path)) == 4


@pytest.mark.parametrize("how", HOW)
def test_what_a_user_can_mend_comes_back_as_it_was_said(ray, how):
    with pytest.raises(UserError, match=r"^item 1 is bad$"):
        list(spread(ray, how, refusing, [1]))


@pytest.mark.parametrize("how", HOW)
def test_a_fault_of_the_code_keeps_its_name(ray, how):
    with pytest.raises(ZeroDivisionError, match="item 1"):
        list(spread(ray, how, faulty, [1]))


def test_a_fault_while_an_actor_begins_keeps_its_name(ray):
    with pytest.raises(ZeroDivisionError, match="no teacher"):
        list(by_gpu_actors(ray, made_faulty, [1], 2))


def test_who_joins_a_running_ray_leaves_it_running(ray):
    with joined_cluster(1, None) as joined:
        assert joined is ray
    assert ray.is_initialized()


BROKEN_OFF = """
import time
from functools import partial
from pathlib import Path
import ray
from clapline.cluster import by_tasks, joined_cluster
from clapline.errors import UserError, door
from tests.clapline.test_cluster import slow

@door
def main():
    with joined_cluster(2, None) as cluster:
        rows = by_tasks(cluster, partial(slow, Path({folder!r})), range(20))
        for row in rows:
            raise UserError(f"bad {{row >= 0}}")

try:
    main()
except SystemExit as stop:
    time.sleep(1)
    assert not ray.is_initialized()
    raise
"""


def test_a_run_that_breaks_off_says_why(tmp_path):
    """What went on after it would begin another Ray, which ends the process with status 1 and no word."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    done = subprocess.run(
        [sys.executable, "-c", BROKEN_OFF.format(folder=str(tmp_path))], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "error: bad True\n")
