"""Trains tiny runs in processes of their own and kills them: `python -m tests.stages.train.killed_runs plans.json`.

Each plan names settings, the machine, and where each attempt dies; the last one is let through. Every attempt is a fork
of this process, which has imported everything: real processes and real SIGKILLs, without seconds of start-up each.
Prints one JSON line per plan: the digest of the final weights and history, and the exit codes of the attempts.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import pandas as pd
import torch

from clapline.model.clap import Clap
from clapline.params.model import Model
from stages.train.checkpoints import Checkpoint
from stages.train.data import Source, TrainingData
from stages.train.validation import Validation
from tests.stages.train.conftest import MODEL, NAMES, cached, features_of
from tests.stages.train.tiny import tiny_trainer


def toy(model: Model = MODEL) -> tuple[Clap, TrainingData, Validation]:
    kinds = [row % 8 for row in range(32)]
    captions = [[f"a {NAMES[kind]} number {row}", f"the sound of a {NAMES[kind]}"] for row, kind in enumerate(kinds)]
    source = Source("paired", 1.0, list(range(32)), captions, [[("toy", str(row))] * 2 for row in range(32)])
    val = pd.DataFrame({"captions": [[f"the sound of a {name}"] for name in NAMES]})
    data = TrainingData(cached(features_of(kinds, 0)), [source])
    torch.manual_seed(0)
    clap = Clap.new(model, data.texts())
    clap.audio.set_scale(-5.5, 1.5)
    return clap, data, Validation(val, cached(features_of(list(range(8)), 1)))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def plant(death: dict) -> None:
    """Have this process die before or after an optimiser step, or in the middle of writing a file."""
    count = 0
    step, save = torch.optim.AdamW.step, torch.save

    def mortal_step(*arguments):
        nonlocal count
        count += 1
        if count == death["step"] and death["where"] == "before":
            die()
        made = step(*arguments)
        if count == death["step"] and death["where"] == "after":
            die()
        return made

    def mortal_save(state: dict, path: Path) -> None:
        nonlocal count
        count += 1
        save(state, path)
        if count == death["step"]:
            content = Path(path).read_bytes()
            Path(path).write_bytes(content[: len(content) // 2])
            die()

    if death["where"] == "saving":
        torch.save = mortal_save
    else:
        torch.optim.AdamW.step = mortal_step


def attempt(plan: dict, death: dict | None, out: Path) -> None:
    os.environ["CLAPLINE_HOME"] = plan["home"]
    if death is not None:
        plant(death)
    clap, data, validation = toy()
    trainer = tiny_trainer(clap, data, validation, plan["settings"], machine=plan["machine"])
    with Checkpoint("student", plan["name"]) as checkpoint:
        history = trainer.run(checkpoint)
    digest = hashlib.sha256()
    for name, tensor in clap.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    digest.update(json.dumps([history.rows, history.curve, history.kept_step, history.best]).encode())
    out.write_text(digest.hexdigest())


def main() -> None:
    # What is imported late is imported now; nothing is computed, for a fork of a process with threads can hang.
    for name in ("transformers.models.bert.modeling_bert", "scipy.stats", "sklearn.metrics"):
        importlib.import_module(name)
    for plan in json.loads(Path(sys.argv[1]).read_text()):
        out = Path(plan["home"]) / "digest"
        out.parent.mkdir(parents=True, exist_ok=True)
        codes = []
        for death in [*plan["deaths"], None]:
            child = os.fork()
            if child == 0:
                try:
                    attempt(plan, death, out)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(json.dumps({"name": plan["name"], "digest": out.read_text(), "codes": codes}), flush=True)


if __name__ == "__main__":
    main()
