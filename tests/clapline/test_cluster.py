"""Ray's tasks and actors: every item once, and nothing of them lives on after the caller stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from clapline.cluster import by_gpu_actors, by_tasks, joined_cluster
from clapline.errors import UserError

pytestmark = pytest.mark.slow  # Ray's start takes seconds


@pytest.fixture(scope="module")
def ray():
    """Ray on this machine with two cores, and two GPUs as far as it knows."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


def made_here(folder: Path):
    def noted(item: int) -> int:
        (folder / f"{item}-{os.getpid()}").touch()
        return item * item

    return noted


def slow(folder: Path):
    def noted(item: int) -> int:
        (folder / str(item)).touch()
        time.sleep(0.3)
        return item

    return noted


def killing(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def faulty(item: int) -> int:
    raise ZeroDivisionError(f"item {item}")


def test_every_item_is_done_once_by_tasks(ray, tmp_path):
    assert sorted(by_tasks(ray, made_here(tmp_path), range(30))) == [item * item for item in range(30)]
    assert sorted(int(file.name.split("-")[0]) for file in tmp_path.iterdir()) == list(range(30))


def test_every_item_is_done_once_by_actors_that_stay(ray, tmp_path):
    assert sorted(by_gpu_actors(ray, partial(made_here, tmp_path), range(30), 2)) == [item * item for item in range(30)]
    done = [file.name.split("-") for file in tmp_path.iterdir()]
    assert sorted(int(item) for item, _ in done) == list(range(30))
    assert len({process for _, process in done}) <= 2  # an actor each: what was made once is used for every item


@pytest.mark.parametrize("items", [[], [7]])
def test_less_items_than_there_are_places(ray, tmp_path, items):
    assert list(by_tasks(ray, made_here(tmp_path), items)) == [item * item for item in items]
    assert list(by_gpu_actors(ray, partial(made_here, tmp_path), items, 2)) == [item * item for item in items]


def test_more_items_than_are_in_flight_at_once(ray, tmp_path, monkeypatch):
    monkeypatch.setattr("clapline.cluster._IN_FLIGHT", 3)
    assert sorted(by_tasks(ray, made_here(tmp_path), range(20))) == [item * item for item in range(20)]


@pytest.mark.parametrize("how", ["tasks", "actors"])
def test_what_is_not_done_is_called_off(ray, tmp_path, how):
    work = by_tasks(ray, slow(tmp_path), range(60))
    if how == "actors":
        work = by_gpu_actors(ray, partial(slow, tmp_path), range(60), 2)
    with contextlib.closing(work):
        next(work)
    time.sleep(1.0)  # what runs yet ends
    begun = len(list(tmp_path.iterdir()))
    time.sleep(1.5)
    assert len(list(tmp_path.iterdir())) == begun < 30


@pytest.mark.parametrize("how", ["tasks", "actors"])
def test_a_killed_process_is_one_line(ray, how, monkeypatch):
    monkeypatch.setattr("clapline.cluster._TRIES", 1)
    work = by_tasks(ray, killing, [1])
    if how == "actors":
        work = by_gpu_actors(ray, lambda: killing, [1], 1)
    with pytest.raises(UserError, match="a task of Ray was killed") as said:
        list(work)
    assert "\n" not in str(said.value)


def test_a_fault_of_the_code_keeps_its_name(ray):
    with pytest.raises(ZeroDivisionError, match="item 1"):
        list(by_tasks(ray, faulty, [1]))


def test_who_joins_a_running_ray_leaves_it_running(ray):
    with joined_cluster(1, None) as joined:
        assert joined is ray
    assert ray.is_initialized()


def test_nothing_of_a_broken_off_run_lives_on(tmp_path):
    """A reader in a thread of its own would begin another Ray, which ends the process (exit status 1, no word)."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    if ray.is_initialized():
        ray.shutdown()
    before = {thread.name for thread in threading.enumerate()}
    with pytest.raises(UserError, match="bad") as held, joined_cluster(2, None) as ray:
        for result in by_tasks(ray, slow(tmp_path), range(20)):
            raise UserError(f"bad {result}")
    assert {thread.name for thread in threading.enumerate()} <= before
    time.sleep(1.0)
    assert not ray.is_initialized()
    assert held.value
