"""Which modules each stage of dvc.yaml must name as dependencies: `python tools/stage_deps.py` rewrites them.

A stage depends on the modules its door really imports, no more and no fewer, and on the data it reads. The data
dependencies stand in dvc.yaml by hand; those under clapline/ and stages/ are computed here from the imports.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.import_graph import closure  # noqa: E402

DATASETS = Path("clapline/datasets")
# The one dependency that stands for the kind of a dataset, resolved by DVC for each dataset.
KIND = "clapline/datasets/${item.kind}"


def kinds() -> list[str]:
    """Return the names of the dataset kinds."""
    return sorted(path.parent.name for path in (ROOT / DATASETS).glob("*/__init__.py"))


def inside_kind(path: Path) -> bool:
    """Say whether a file belongs to one kind's folder."""
    return path.is_relative_to(DATASETS) and len(path.parts) > 3


def door_of(command: str) -> str:
    """Return the module that a command `python -m module …` runs."""
    words = command.split()
    assert words[:2] == ["python", "-m"], command
    package = ROOT.joinpath(*words[2].split("."))
    return words[2] + (".__main__" if (package / "__main__.py").is_file() else "")


def code_dependencies(command: str) -> list[str]:
    """Return the code dependencies of a stage, sorted."""
    door = door_of(command)
    files = closure(door)
    step = door.split(".")[1]
    if step == "settings":  # it checks the options of any kind
        return sorted({str(path) for path in files if not path.is_relative_to(DATASETS)} | {str(DATASETS)})
    if door in {"stages.download.__main__", "stages.prepare.__main__"}:
        for kind in kinds():
            files |= closure(f"clapline.datasets.{kind}")
        return sorted({str(path) for path in files if not inside_kind(path)} | {KIND})
    return sorted(str(path) for path in files)


def is_code(dependency: str) -> bool:
    """Say whether a dependency is one that this tool computes."""
    return dependency.startswith(("clapline/", "stages/"))


def stages(pipeline: dict) -> dict[str, dict]:
    """Return the stages of dvc.yaml by name; a foreach stage is represented by its `do`."""
    return {name: stage.get("do", stage) for name, stage in pipeline["stages"].items()}


def main() -> None:
    """Rewrite the code dependencies of dvc.yaml; data dependencies, comments and order stay."""
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    path = ROOT / "dvc.yaml"
    pipeline = yaml.load(path.read_text())
    for stage in stages(pipeline).values():
        data = [item for item in stage.get("deps", []) if not is_code(item)]
        stage["deps"] = [*data, *code_dependencies(stage["cmd"])]
    with path.open("w") as file:
        yaml.dump(pipeline, file)


if __name__ == "__main__":
    main()
