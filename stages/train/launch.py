"""From the one command of a stage to the processes that train together: torchrun's own agent, started by the door."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path

from clapline.errors import UserError
from clapline.params.machine import Machine

LINGER_S = 10.0  # a process that is not the first leaves the first one this long to say what is wrong
JOIN_TIMEOUT_S = 900  # machines that train together come within this time of each other


def launch_if_needed(module: str, machine: Machine) -> None:
    """Start the processes that `machine` asks for, each running `module`, and exit with their exit code.

    Does nothing where one process is enough, or where this one was started by torchrun (this function's, or a user's).
    The first process of each machine writes to this terminal; what the others say is shown only when one of them
    fails alone. When this process is stopped, so are they.

    Args:
        module: the door, as after `python -m`.
        machine: processes, nodes, rendezvous, device.

    Raises:
        UserError: more processes than GPUs, or several machines without a place to meet.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ or "WORLD_SIZE" in os.environ:
        return
    processes = process_count(machine)
    if machine.nodes > 1 and machine.rendezvous is None:
        raise UserError(f"machine.nodes is {machine.nodes}: set machine.rendezvous to host:port of one of them")
    if processes * machine.nodes > 1:
        raise SystemExit(_run(module, machine, processes))


def process_count(machine: Machine) -> int:
    """Return how many processes train on this machine. Raises UserError where they are more than its GPUs."""
    if machine.processes == 1:
        return 1
    gpus = 0
    if machine.device != "cpu":
        import torch

        gpus = torch.cuda.device_count()
    if gpus and machine.processes > gpus:
        raise UserError(f"machine.processes is {machine.processes} but there are {gpus} GPUs: set 0 (one per GPU)")
    return machine.processes or max(gpus, 1)


def _run(module: str, machine: Machine, processes: int) -> int:
    """Run the processes under torchrun's agent and return their exit code: 0, or that of the first that failed."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with tempfile.TemporaryDirectory(prefix="clapline-train-") as logs:
        quiet = dict.fromkeys(range(1, processes), Std.ALL)
        config = LaunchConfig(
            min_nodes=machine.nodes,
            max_nodes=machine.nodes,
            nproc_per_node=processes,
            run_id=module if machine.nodes > 1 else f"{module}-{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint=machine.rendezvous if machine.nodes > 1 else "localhost:0",
            rdzv_configs={"timeout": JOIN_TIMEOUT_S},
            local_addr=None if machine.nodes > 1 else "localhost",
            max_restarts=0,  # a run that was killed is resumed by the next `dvc repro`, not restarted in place
            logs_specs=DefaultLogsSpecs(log_dir=logs, redirects=quiet),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "stages.train.launch", module)
        except ChildFailedError as failed:
            return _explain(failed, Path(logs))
        except SignalException as stopped:
            return 128 + int(stopped.sigval)
        except KeyboardInterrupt:
            return 128 + int(signal.SIGINT)
    return 0


def _explain(failed: Exception, logs: Path) -> int:
    """Return the exit code of a failed run, and show what a process said that failed alone, unheard."""
    failures = failed.failures  # by rank
    # Processes that the agent ended because another had failed carry a signal; the others are the cause.
    causes = {rank: failure for rank, failure in failures.items() if failure.exitcode > 0} or failures
    first = min(causes.values(), key=lambda failure: (failure.local_rank, failure.timestamp))
    if first.local_rank != 0:
        for file in sorted(logs.rglob(f"{first.local_rank}/stderr.log")):
            sys.stderr.write(f"process {first.local_rank}:\n{file.read_text(errors='replace')}")
    code = first.exitcode
    return code if code > 0 else 128 - code


def _inside(module: str) -> None:
    """Run a door as one of several processes; an error of all of them is left to the first one to say."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        # An exit ends the agent's patience with the others: the first process must get to say its line before.
        if stop.code and int(os.environ.get("LOCAL_RANK", 0)):
            time.sleep(LINGER_S)
        raise


if __name__ == "__main__":
    _inside(sys.argv[1])
