"""`python benchmarks/startup.py`: seconds until each stage of dvc.yaml is at work, and what it has loaded by then.

A fresh process imports the stage's module, which is what `python -m` does before the first line of `main`. Rounds go
through all stages in turn, so that other load on the machine falls on all. CPU time is that of the process with all its
threads; on a machine with other work it is the steadier of the two. The first row is Python alone; stages that import
their model inside `main` have a second row, with it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml

from tools.stage_deps import ROOT, door_of, stages

HEAVY = ("torch", "transformers", "sklearn", "scipy", "pandas", "matplotlib", "accelerate", "torchaudio")
NOTHING = "python alone"
# What `main` of these imports once it knows that it needs a model.
LATER = {
    "stages.curate.embed": "clapline.model.encode",
    "stages.curate": "clapline.model.clap",
    "stages.evaluate": "clapline.model.encode",
}
IMPORT = """
import importlib, json, sys
for door in sys.argv[2:]:
    importlib.import_module(door)
found = [name for name in sys.argv[1].split() if name in sys.modules]
models = sum(name.startswith("transformers.models.") and ".modeling_" in name for name in sys.modules)
print(json.dumps([*found, *([f"{models} model classes"] if models else [])]))
"""


def main() -> None:
    """Print a Markdown table: per stage, wall and CPU seconds, megabytes, and which heavy libraries were loaded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], help="stages whose name has one of these in it")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    doors: dict[str, list[str]] = {}
    for stage in stages(yaml.safe_load((ROOT / "dvc.yaml").read_text())).values():
        name, door = stage["cmd"].removeprefix("python -m ").split()[0], door_of(stage["cmd"])
        doors[name] = [door]
        if name in LATER:
            doors[f"{name}, and its model"] = [door, LATER[name]]
    doors = {name: modules for name, modules in doors.items() if any(part in name for part in arguments.only)}
    doors = {NOTHING: [], **doors}
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in doors}
    loaded: dict[str, list[str]] = {}
    for modules in doors.values():
        _started(modules)  # the files are in the page cache now, and compiled to bytecode
    before = os.getloadavg()[0]
    for _ in range(rounds):
        for name, modules in doors.items():
            times, loaded[name] = _started(modules)
            measured[name].append(times)
    print(
        f"{rounds} rounds, {os.cpu_count()} cores, load {before:.1f} to {os.getloadavg()[0]:.1f}; min / median / max\n"
    )
    print("| stage | wall s | CPU s | MB | loaded |\n|---|---|---|---|---|")
    for name, times in measured.items():
        wall, cpu, memory = zip(*times, strict=True)
        print(
            f"| {name} | {_three(wall)} | {_three(cpu)} | {statistics.median(memory):.0f} | "
            f"{', '.join(loaded[name]) or '-'} |"
        )


def _started(modules: list[str]) -> tuple[tuple[float, float, float], list[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", IMPORT, " ".join(HEAVY), *modules]
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as process:
        answer = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(modules)} does not start")
    megabytes = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return (wall, used.ru_utime + used.ru_stime, megabytes), json.loads(answer.splitlines()[-1])


def _three(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))


if __name__ == "__main__":
    main()
