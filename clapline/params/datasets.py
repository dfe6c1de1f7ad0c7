"""The `datasets` section: name → kind and that kind's own options."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from clapline import datasets
from clapline.errors import UserError
from clapline.params.base import PARAMS_FILE, Section, read_params, validated


def known_kinds() -> list[str]:
    """Return the names of the dataset kinds in `clapline/datasets/`."""
    return sorted(module.name for module in pkgutil.iter_modules(datasets.__path__) if module.ispkg)


def load_kind(kind: str) -> ModuleType:
    """Import `clapline/datasets/<kind>/`. Raises UserError for an unknown kind, listing the known ones."""
    if kind not in known_kinds():
        raise UserError(f"unknown kind of dataset {kind!r}; known: {', '.join(known_kinds())}")
    return importlib.import_module(f"clapline.datasets.{kind}")


def read_dataset(name: str, path: Path | str = PARAMS_FILE) -> tuple[ModuleType, Section]:
    """Return the kind's module and the validated options of one dataset of params.yaml."""
    entries = read_params(path).get("datasets")
    if not isinstance(entries, dict) or not entries:
        raise UserError(f"{path}: datasets must name at least one dataset")
    if name not in entries:
        raise UserError(f"{path}: no dataset named {name!r}; named: {', '.join(entries)}")
    entry = entries[name]
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        raise UserError(f"{path}: datasets.{name} needs a kind; known: {', '.join(known_kinds())}")
    try:
        module = load_kind(entry["kind"])
    except UserError as error:
        raise UserError(f"{path}: datasets.{name}.kind: {error}") from None
    options = {key: value for key, value in entry.items() if key != "kind"}
    return module, validated(module.Options, options, f"{path}: datasets.{name}")
