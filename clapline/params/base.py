"""Read one section of params.yaml and refuse, in one line, whatever is unknown, of the wrong type or out of range."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from clapline.errors import UserError

PARAMS_FILE = Path("params.yaml")


class _Loader(yaml.SafeLoader):
    """Reads numbers as YAML 1.2 and DVC do: `1e-4`, `4e-06` and `1.0e4` are numbers, not text as in YAML 1.1."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


class Section(BaseModel):
    """A section of params.yaml: strict types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


AnySection = TypeVar("AnySection", bound=BaseModel)


def read_params(path: Path | str = PARAMS_FILE) -> dict[str, Any]:
    """Return params.yaml as a dict. Raises UserError when the file is missing or is no YAML mapping."""
    try:
        return parsed_params(Path(path).read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the folder that holds params.yaml") from None


def parsed_params(text: str, path: Path | str) -> dict[str, Any]:
    """Return the text of a params file as a dict; `path` names it in a UserError: no valid YAML, or no mapping."""
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold sections (key: value), found {type(values).__name__}")
    return values


def read_section(name: str, section: type[AnySection], path: Path | str = PARAMS_FILE) -> AnySection:
    """Return one validated section of params.yaml."""
    values = read_params(path)
    if name not in values:
        raise UserError(f"{path}: section {name!r} is missing; present: {', '.join(values)}")
    return validated(section, values[name], f"{path}: {name}")


def read_seed(path: Path | str = PARAMS_FILE) -> int:
    """Return the run's seed."""
    seed = read_params(path).get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"{path}: seed = {seed!r}; allowed: a whole number, 0 or more")
    return seed


def validated(section: type[AnySection], values: Any, where: str) -> AnySection:
    """Return `values` as `section`; a UserError names the first bad key, its value and what is allowed."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise UserError(_one_line(error, section, where)) from None


def _one_line(error: ValidationError, section: type[BaseModel], where: str) -> str:
    first = error.errors(include_url=False)[0]
    # Union members appear in the location as class names: only the keys a user wrote are kept.
    keys = [str(part) for part in first["loc"] if isinstance(part, int) or "[" not in str(part)]
    key = ".".join([where, *keys])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _known_keys(section, first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        return f"{key} is not a known setting{hint} Known here: {', '.join(known)}{more}"
    if first["type"] == "missing":
        return f"{key} is missing{more}"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict):  # what keys of a section say together; the section itself is pages long
        return f"{key}: {message}{more}"
    hint = ""
    if isinstance(first["input"], str) and first["type"] in {"float_type", "int_type"}:
        hint = "; in quotes, a number is text"
    return f"{key} = {first['input']!r}: {message}{hint}{more}"


def _known_keys(section: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Follow `path` through nested sections and list the keys that the section at its end knows."""
    current: Any = section
    for part in path:
        if isinstance(part, int):
            continue
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
        for item in candidates:
            nested += [a for a in getattr(item, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
        if nested:
            current = nested[0]
    return list(getattr(current, "model_fields", {}))
