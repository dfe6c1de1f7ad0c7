"""Several training processes: who am I, and what only the first one does while the others wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from clapline.errors import UserError
from clapline.model.device import choose_device
from clapline.params.machine import Machine
from clapline.processes import world_size

Result = TypeVar("Result")

# Of a collective in the middle of a step: longer than any read of a batch, short enough to notice a process that hangs.
STEP_TIMEOUT = timedelta(minutes=30)
# Of waiting for the first process, which may validate, write outputs, or wait in its turn for another run's lock.
WAIT_TIMEOUT = timedelta(days=30)

_waiting: dict[dist.ProcessGroup, dist.ProcessGroup] = {}  # process group → group of the same processes that may wait


def join(machine: Machine) -> torch.device:
    """Join the other processes of this run, if there are any, and return the device of this one.

    What started the processes (stages.train.launch, torchrun, srun) names rank and world in the environment.
    """
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return choose_device(machine.device)
    device = torch.device("cpu")
    if machine.device != "cpu" and torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", 0))
        if local >= torch.cuda.device_count():
            raise UserError(
                f"process {local} of this machine has no GPU of its own: {torch.cuda.device_count()} found; "
                "set machine.processes to 0 (one per GPU), or machine.device to cpu"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=STEP_TIMEOUT)
        _end_with_parent()
    _waiting_group()
    return device


def leave() -> None:
    """Part from the other processes, at the end of a run that went well; alone there is nothing to leave.

    A process that just ends has threads of its group under way, and now and then is aborted for them, its work done.
    """
    if dist.is_available() and dist.is_initialized():
        _waiting.clear()
        dist.destroy_process_group()


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def is_first() -> bool:
    """Return whether this is the process that validates, saves, prints and writes outputs."""
    return rank() == 0


def once(action: Callable[[], Result]) -> Result:
    """Let the first process do something while the others wait, however long; every process gets its result.

    The result must be picklable. An exception of the first process is raised in the others as well, as one of its
    own kind where that is a UserError.
    """
    if world_size() == 1:
        return action()
    if is_first():
        try:
            outcome: list = [True, action()]
        except BaseException as error:
            message = str(error) if isinstance(error, UserError) else None
            dist.broadcast_object_list([False, message], src=0, group=_waiting_group(), device=torch.device("cpu"))
            raise
        dist.broadcast_object_list(outcome, src=0, group=_waiting_group(), device=torch.device("cpu"))
        return outcome[1]
    received: list = [None, None]
    dist.broadcast_object_list(received, src=0, group=_waiting_group(), device=torch.device("cpu"))
    done, result = received
    if done:
        return result
    raise UserError(result) if result is not None else RuntimeError("the first process of this run failed")


def _waiting_group() -> dist.ProcessGroup:
    """Return a gloo group with a long timeout: an NCCL collective that waits would spin on the GPU, then be killed."""
    world = dist.group.WORLD
    if world not in _waiting:
        _waiting[world] = dist.new_group(backend="gloo", timeout=WAIT_TIMEOUT)
    return _waiting[world]


def _end_with_parent() -> None:
    """End this process when the launcher that started it is gone: killed outright, it cannot end its children."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    # Only a launcher of torch is a parent to die with: a shell may go while what it started runs on.
    if "TORCHELASTIC_RUN_ID" in os.environ:
        threading.Thread(target=watch, daemon=True).start()
