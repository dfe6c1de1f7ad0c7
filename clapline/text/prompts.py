"""Prompts: a class name as words, put into a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clapline.errors import UserError

SLOT = "{label}"


def clean_label(label: str) -> str:
    """Return a class name as lower-case words: `Car_Horn` → `car horn`, `cafe/restaurant` → `cafe restaurant`."""
    return re.sub(r"[\s_/]+", " ", label).strip().lower()


def fill_prompt(prompt: str, label: str) -> str:
    """Return the prompt with the cleaned label in its `{label}` slot; nothing else is changed.

    Raises UserError when the prompt has no slot or no words are left of the label.
    """
    if SLOT not in prompt:
        raise UserError(f"prompt {prompt!r} has no {SLOT}; write for example 'this is a sound of {SLOT}'")
    words = clean_label(label)
    if not words:
        raise UserError(f"label {label!r} has no words to fill {prompt!r} with")
    return prompt.replace(SLOT, words)


def prompted_labels(prompts: Sequence[str], labels: Sequence[str]) -> list[list[str]]:
    """Return one list of sentences per prompt, in the order of the labels."""
    return [[fill_prompt(prompt, label) for label in labels] for prompt in prompts]
