"""Facts of the run: its parameters, and with what the page was made."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from clapline.chapter import Cell

#: Packages whose version may move a figure.
PACKAGES = (
    "clapline", "dvc", "torch", "torchaudio", "transformers", "sentence-transformers", "openai", "bertopic",
    "umap-learn", "scikit-learn", "lexicalrichness", "numpy", "scipy", "pandas", "soundfile",
)  # fmt: skip
#: Speed only, never results: it differs between machines that give the same page.
LEFT_OUT = ("machine",)


def parameters(params: dict[str, Any]) -> list[tuple[str, list[tuple[str, Cell]]]]:
    """Return params.yaml by section, without the machine's: (section, [(key in dots, value)])."""
    return [
        (section, [(key, value) for key, value in _leaves(values)] if isinstance(values, dict) else [("", str(values))])
        for section, values in params.items()
        if section not in LEFT_OUT
    ]


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        return [leaf for place, inner in enumerate(value) for leaf in _leaves(inner, f"{path}.{place}")]
    return [(path, _shown(value))]


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(_shown(inner) for inner in value) or "none"
    return str(value) if value not in ({}, "") else "none"


def versions() -> list[tuple[str, str]]:
    """Return Python's version and those of the packages that are installed."""
    found = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found
