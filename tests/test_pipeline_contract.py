"""dvc.yaml against the code: honest dependencies, honest params, the house's two import contracts."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.import_graph import ROOT, closure, is_bare
from tools.stage_deps import code_dependencies, door_of, is_code, kinds, stages

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = stages(PIPELINE)
READERS = {"read_params", "read_section", "read_seed", "read_dataset"}


@pytest.mark.parametrize("name", STAGES)
def test_code_dependencies_are_what_the_door_imports(name):
    named = sorted(item for item in STAGES[name].get("deps", []) if is_code(item))
    needed = code_dependencies(STAGES[name]["cmd"])
    assert named == needed, f"too many {set(named) - set(needed)}, too few {set(needed) - set(named)}: make deps"


def test_the_import_graph_sees_imports_inside_functions():
    graph = {str(path) for path in closure("stages.train.teacher")}
    assert "clapline/model/text/pretrained.py" in graph  # imported inside a function
    assert "clapline/model/lookup.py" in graph  # one level further down
    assert "clapline/params/student.py" not in graph
    assert is_bare(Path("clapline/tables/__init__.py"))
    assert not is_bare(Path("clapline/__init__.py"))


def params_read_by(door: str) -> set[str]:
    """Return the sections of params.yaml that the modules of a door ask for, from the calls in the source."""
    found = set()
    for path in closure(door):
        if path.suffix != ".py" or path.is_relative_to("clapline/params"):
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) in READERS:
                name = getattr(node.func, "id", getattr(node.func, "attr", None))
                if name == "read_seed":
                    found.add("seed")
                elif name == "read_params":  # the whole file, to show it
                    found |= set(yaml.safe_load((ROOT / "params.yaml").read_text()))
                elif name == "read_dataset":
                    found.add("datasets.${key}")
                else:
                    assert isinstance(node.args[0], ast.Constant), f"{path}: read_section needs a literal name"
                    found.add(node.args[0].value)
    return found - {"machine"}


@pytest.mark.parametrize("name", sorted(set(STAGES) - {"settings"}))
def test_declared_params_are_those_the_stage_reads(name):
    assert set(STAGES[name].get("params", [])) == params_read_by(door_of(STAGES[name]["cmd"]))


DATA = re.compile(r"^(data|models|reports)(/|$)")
# Folders that a module completes with a name of its own: what stands behind them is declared by the stage.
FOLDERS = {
    "data",
    "models",
    "reports",
    "reports/cost",
    "reports/live",
    "data/raw",
    "data/clips",
    "data/index",
    "data/fingerprints",
    "data/roles",
    "data/captioned",
}


@pytest.mark.parametrize("name", sorted(set(STAGES) - {"settings"}))
def test_every_path_a_step_names_is_a_declared_dependency_or_output(name):
    stage = STAGES[name]
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage.get("outs", [])]
    declared = [item.replace("/${key}", "") for item in [*stage.get("deps", []), *outs]]
    unknown = set()
    for path in closure(door_of(stage["cmd"])):
        if path.suffix != ".py" or path.parts[0] != "stages":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and DATA.match(node.value):
                value = node.value.rstrip("/")
                if " " in value or value in FOLDERS:
                    continue
                if not any(value == item or value.startswith(f"{item}/") for item in declared):
                    unknown.add(value)
    assert not unknown


def test_no_stage_declares_the_machine():
    assert not any("machine" in str(stage.get("params")) for stage in STAGES.values())


def test_no_stage_depends_on_prepared_audio_except_through_its_table():
    """The one hidden read: shards are named by the clip tables, whose hashes stand for the audio."""
    readers = [name for name, stage in STAGES.items() if any("data/clips" in item for item in stage.get("deps", []))]
    assert readers == []
    shard_readers = {name for name, stage in STAGES.items() if "clapline/audio/shards.py" in stage.get("deps", [])}
    tables = ("data/roles/", "data/captioned/", "data/embeddings", "data/index/")
    for name in shard_readers - {"prepare"}:
        assert any(item.startswith(tables) for item in STAGES[name]["deps"]), name


def test_outputs_never_persist_and_lie_apart():
    outs = []
    for stage in STAGES.values():
        for out in stage.get("outs", []):
            path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            assert not options.get("persist")
            outs.append(Path(path))
    for one in outs:
        assert not any(one != other and one.is_relative_to(other) for other in outs), one


def upstream(name: str) -> set[str]:
    """Return the stages whose outputs a stage reads, and theirs."""
    found: set[str] = set()
    for other, stage in STAGES.items():
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage.get("outs", [])]
        read = [item for item in STAGES[name].get("deps", []) for out in outs if f"{item}/".startswith(f"{out}/")]
        if read and other != name:
            found |= {other, *upstream(other)}
    return found


def test_curation_never_fits_topics_again():
    assert {"paraphrase", "synthesize"} <= upstream("topics")
    assert not {"teacher", "embed", "curate", "student"} & upstream("topics")
    assert {"topics", "curate"} <= upstream("curated_topics")


def test_every_dataset_kind_has_its_names():
    import importlib

    for kind in kinds():
        module = importlib.import_module(f"clapline.datasets.{kind}")
        assert {"CARD", "Options", "read"} <= set(dir(module)), kind
        assert hasattr(module, "plan") != hasattr(module, "fetch"), f"{kind}: a plan, or a fetch of its own"
        assert not hasattr(module, "plan") or hasattr(module, "clips") or not module.plan(options_of(module)).clips


def options_of(kind):
    """Return the options of a kind that has required ones or none."""
    required = {"source": "wavcaps_test_audiocaps"} if "source" in kind.Options.model_fields else {}
    return kind.Options(**required)


CAPTIONS = ["rewrite", "paraphrase", "synthesize", "stress", "mix", "audit"]
LIGHT = ["settings", "download", "prepare", "catalogue", *CAPTIONS]


@pytest.mark.parametrize("name", LIGHT)
def test_stages_without_a_model_import_no_torch(name):
    code = f"import {door_of(STAGES[name]['cmd'])}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_import_contracts():
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_files_stay_small():
    tracked = [*ROOT.glob("clapline/**/*.py"), *ROOT.glob("stages/**/*.py")]
    assert not [(str(path), path.stat().st_size) for path in tracked if path.stat().st_size > 20_000]
