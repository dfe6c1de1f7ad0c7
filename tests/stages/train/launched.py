"""A door for tests of the launcher: `python -m tests.stages.train.launched 2 work folder`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from clapline.errors import UserError, door
from clapline.params.machine import Machine
from stages.train.launch import launch_if_needed

ACTIONS = "CLAPLINE_TEST_ACTION"  # the launcher hands on the module, not its arguments


@door
def main() -> None:
    if len(sys.argv) > 2:
        os.environ[ACTIONS] = " ".join(sys.argv[1:])
    processes, action, folder = os.environ[ACTIONS].split(" ")
    machine = Machine(device="cpu", progress=False, processes=int(processes))
    launch_if_needed("tests.stages.train.launched", machine)

    from stages.train.distributed import is_first, join, leave, once, rank, world_size

    join(machine)
    here = Path(folder)
    if action == "work":
        once(lambda: (here / "first").write_text(f"{world_size()}"))
        (here / f"rank{rank()}").write_text((here / "first").read_text())
        print(f"process {rank()} is done")
    elif action == "wrong":
        raise UserError("data/captioned is empty")
    elif action == "one-wrong":
        if not is_first():
            raise UserError("shard 7 is gone")
        time.sleep(60)
    elif action == "wait":
        (here / f"pid{rank()}").write_text(str(os.getpid()))
        time.sleep(300)
    elif action == "train":
        train(here)
    leave()


def train(folder: Path) -> None:
    import torch

    from clapline.params.model import Model
    from stages.train.checkpoints import Checkpoint
    from stages.train.distributed import rank, world_size
    from tests.stages.train.conftest import MODEL
    from tests.stages.train.killed_runs import toy
    from tests.stages.train.tiny import tiny_trainer

    sections = MODEL.model_dump()
    sections["text"]["dropout"] = sections["head"]["dropout"] = 0.0
    clap, data, validation = toy(Model.model_validate(sections))
    changes = {"steps": 6, "validate_every_steps": 3, "log_every_steps": 2, "accumulation": 2}
    run = tiny_trainer(clap, data, validation, changes, live=folder / f"live{world_size()}")
    with Checkpoint("student", world_size()) as checkpoint:
        history = run.run(checkpoint)
        torch.save({"weights": clap.state_dict(), "rows": history.rows}, folder / f"{rank()}-of-{world_size()}.pt")
        checkpoint.finish()


if __name__ == "__main__":
    main()
