"""What a module really imports from this project: function-level imports too, read from the source, never run."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("clapline", "stages")
DATA_SUFFIXES = {".json", ".tsv", ".txt", ".csv", ".jinja", ".css", ".js"}


def file_of(module: str) -> Path | None:
    """Return the file of a project module (a package's is its __init__), relative to the root, or None."""
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate
    return None


def is_bare(path: Path) -> bool:
    """Say whether a module holds nothing but a docstring: an edit of it can change no run."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in ast.parse((ROOT / path).read_text()).body
    )


def direct_imports(path: Path) -> set[str]:
    """Return the project modules that a file names in any import statement, wherever it stands."""
    found: set[str] = set()
    tree = ast.parse((ROOT / path).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] in PACKAGES and file_of(name)}


def closure(module: str) -> set[Path]:
    """Return the files (not bare) that running `python -m module` may read from this project."""
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        parts = name.split(".")
        for end in range(1, len(parts) + 1):  # importing a.b.c runs a and a.b first
            path = file_of(".".join(parts[:end]))
            if path is None or path in seen:
                continue
            seen.add(path)
            # `clapline/__init__` is lazy: what it imports on demand is named by those who demand it.
            if path != Path("clapline/__init__.py"):
                waiting.extend(direct_imports(path))
    return {path for path in seen if not is_bare(path)} | data_files(seen)


def data_files(modules: set[Path]) -> set[Path]:
    """Return the word lists, templates and the like that lie beside the given modules or in a `templates` folder."""
    folders = {folder for path in modules for folder in (path.parent, path.parent / "templates")}
    return {
        file.relative_to(ROOT)
        for folder in folders
        if (ROOT / folder).is_dir()
        for file in (ROOT / folder).iterdir()
        if file.suffix in DATA_SUFFIXES
    }
