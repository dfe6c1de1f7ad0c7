"""What names the builtin model's version: its code and word lists."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import clapline.datasets.soundscapes.lexicon
import clapline.text.order
import clapline.text.words


@cache
def fingerprint() -> str:
    """Return 16 hex digits over everything that a builtin answer depends on."""
    folder = Path(__file__).parent
    files = sorted(path for path in folder.iterdir() if path.suffix in {".py", ".txt"})
    files += [Path(clapline.text.words.__file__), Path(clapline.text.order.__file__)]
    soundscapes = Path(clapline.datasets.soundscapes.lexicon.__file__).parent
    files += [soundscapes / name for name in ("lexicon.py", "lexicon.txt", "grammar.py")]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
