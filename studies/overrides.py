"""How one params file becomes another by `dvc exp run -S`: the overrides, in the grammar that DVC reads (Hydra's)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def overrides(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the `-S` values that turn `old` into `new`, both as parsed from YAML.

    A mapping is changed key by key, for a whole mapping given to `-S` would be merged with what stands there.
    """
    found = []
    for key in dict.fromkeys([*old, *new]):
        name = f"{path}{key}"
        if key not in new:
            if old[key] is None:  # which Hydra takes for absent, and so for nothing to delete
                found.append(f"++{name}=0")
            found.append(f"~{name}")
        elif key not in old:
            found.append(f"++{name}={_written(new[key])}")
        elif isinstance(old[key], Mapping) and isinstance(new[key], Mapping):
            found += overrides(old[key], new[key], f"{name}.")
        elif not _same(old[key], new[key]):
            if isinstance(old[key], Mapping | list) and type(old[key]) is not type(new[key]):
                found.append(f"~{name}")
            found.append(f"++{name}={_written(new[key])}")
    return found


def _same(one: Any, other: Any) -> bool:
    """Tell 1 from 1.0 and from true: a section of params.yaml is strict about types."""
    return type(one) is type(other) and repr(one) == repr(other)


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Backslashes stand for themselves but before a quote, the closing one too, where each has to be doubled.
        doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", value)
        return "'" + doubled.replace("'", "\\'") + "'"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return repr(value)
