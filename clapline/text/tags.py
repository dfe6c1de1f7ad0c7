"""Tags of a clip as a sentence for a text encoder."""

from __future__ import annotations

from collections.abc import Sequence


def tags_sentence(tags: Sequence[str]) -> str | None:
    """Return the distinct tags in their order, joined by commas; None when there is none."""
    kept = list(dict.fromkeys(tag.strip().replace("_", " ") for tag in tags if tag and tag.strip()))
    return ", ".join(kept) if kept else None
