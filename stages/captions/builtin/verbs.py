"""The verbs that the builtin model knows, and which of them a word is a form of."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from stages.captions.builtin.forms import gerund, participle, past, third
from stages.captions.builtin.lexicon import entries


@cache
def verbs() -> frozenset[str]:
    """Return all known verbs in their base form."""
    lines = Path(__file__).with_name("verbs.txt").read_text(encoding="utf-8").splitlines()
    listed = {word for line in lines if not line.startswith("#") for word in line.split()}
    for entry in entries():
        if entry.part in {"b", "v", "vi", "vt"}:
            listed |= {entry.word} | {phrase.split(" ")[0] for side in entry.alternatives.values() for phrase in side}
    return frozenset(listed)


@cache
def _forms() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    # Of two spellings with one form ("whir", "whirr": "whirring") the first in the alphabet has it.
    known = sorted(verbs(), reverse=True)
    pasts = {participle(verb): verb for verb in known} | {past(verb): verb for verb in known}
    return {third(verb): verb for verb in known}, {gerund(verb): verb for verb in known}, pasts


def base_of_third(word: str) -> str | None:
    """Return the base of a known verb in the third person, or None."""
    return _forms()[0].get(word)


def base_of_gerund(word: str) -> str | None:
    """Return the base of a known verb's -ing form, or None."""
    return _forms()[1].get(word)


def base_of_past(word: str) -> str | None:
    """Return the base of a known verb's past form or past participle, or None."""
    return _forms()[2].get(word)
