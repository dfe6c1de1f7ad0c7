"""What the doors of dvc.yaml import before they begin: torch only where there is a model, no model class anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.stage_deps import ROOT, door_of, stages

DOORS = sorted({door_of(stage["cmd"]) for stage in stages(yaml.safe_load((ROOT / "dvc.yaml").read_text())).values()})
# Stages that run a model. Curation is none of them: it asks for one when its strategy compares labels.
MODEL_DOORS = {"stages.train.teacher", "stages.train.student", "stages.curate.embed", "stages.evaluate.__main__"}

# One process imports all of them and says after each which modules have come: four seconds of torch are paid once.
PROBE = """
import importlib, json, os, sys

devnull = os.open(os.devnull, os.O_WRONLY)
kept = os.dup(1)
os.dup2(devnull, 1)  # whatever a library prints is no answer

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"network: {arguments}")

sys.addaudithook(refuse)
found, known = {}, set()
for door in sys.argv[1:]:
    importlib.import_module(door)
    found[door] = sorted(set(sys.modules) - known)
    known.update(sys.modules)
os.write(kept, json.dumps(found).encode())
"""


def imported(doors: list[str], path: Path = ROOT) -> dict[str, set[str]]:
    """Return for each door, in order, the modules that came with it and with none before."""
    environment = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *doors], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return {door: set(modules) for door, modules in json.loads(run.stdout).items()}


def is_torch(module: str) -> bool:
    return module.split(".")[0] == "torch"


def is_model_class(module: str) -> bool:
    parts = module.split(".")
    return parts[:2] == ["transformers", "models"] and parts[-1].startswith("modeling_")


@pytest.fixture(scope="module")
def doors() -> dict[str, set[str]]:
    return imported(sorted(set(DOORS) - MODEL_DOORS) + sorted(MODEL_DOORS))


def test_the_model_doors_are_doors():
    assert set(DOORS) > MODEL_DOORS


@pytest.mark.parametrize("door", sorted(set(DOORS) - MODEL_DOORS))
def test_a_stage_without_a_model_starts_without_torch(doors, door):
    assert not any(is_torch(module) for module in doors[door])


@pytest.mark.parametrize("door", DOORS)
def test_no_door_starts_with_model_classes_of_transformers(doors, door):
    assert [module for module in doors[door] if is_model_class(module)] == []


def test_training_starts_with_torch(doors):
    assert any(is_torch(module) for door in MODEL_DOORS for module in doors[door])


def test_the_probe_sees_what_it_looks_for_and_refuses_the_network(tmp_path):
    (tmp_path / "torch.py").write_text("")
    models = tmp_path / "transformers" / "models" / "bert"
    models.mkdir(parents=True)
    for package in (models, *models.parents[:2]):
        (package / "__init__.py").write_text("")
    (models / "modeling_bert.py").write_text("")
    (tmp_path / "heavy.py").write_text("import torch\nimport transformers.models.bert.modeling_bert\n")
    (tmp_path / "light.py").write_text("import json\nprint('a line of its own')\n")
    found = imported(["light", "heavy"], tmp_path)
    assert not any(is_torch(module) or is_model_class(module) for module in found["light"])
    assert {module for module in found["heavy"] if is_torch(module) or is_model_class(module)} == {
        "torch",
        "transformers.models.bert.modeling_bert",
    }
    (tmp_path / "asking.py").write_text("import socket\nsocket.getaddrinfo('example.invalid', 80)\n")
    with pytest.raises(AssertionError, match="network"):
        imported(["asking"], tmp_path)
