"""The named checks a written caption must pass. Each returns None, or "<name>: what it saw", which is asked again with.

Thresholds of paraphrases follow the two levels of RobustCLAP: level 1 keeps the words, level 2 changes them too. What
a text means is measured apart from these (`stages.captions.meaning`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clapline.text.language import foreign
from clapline.text.words import NUMBERS, content_stems, jaccard, order_overlap, tokens
from stages.captions.entities import new_names
from stages.captions.facts import loudness_and_place, negation_kept, order_kept, same_numbers
from stages.captions.task_talk import about_the_task

SAME_WORDS_JACCARD = 0.8  # level 1: at least
OTHER_WORDS_JACCARD = 0.6  # level 2: at most
ORDER_OVERLAP = 0.9  # level 1: at most
LENGTH_RATIO = (0.5, 2.0)
SHORTEST_WORDS = 3
LONGEST_WORDS = 20
#: The one answer that says that words given tell of no sound.
NO_SOUND = "failure"


def english(text: str) -> str | None:
    """Not plainly of another language (`clapline.text.language` says what that can see)."""
    strange = foreign(text)
    return f"language: it must be English; there are {strange}" if strange else None


def sentence(text: str) -> str | None:
    """One non-empty sentence on one line, in any language, and nothing but it."""
    if not any(letter.isalnum() for letter in text):
        return "empty: there is no word"
    return about_the_task(text) or _one_line(text)


def _one_line(text: str) -> str | None:
    # "go!" inside a sentence is no end: after a quotation, only a capital begins another.
    if "\n" in text or re.search(r"[.!?]+(?:\s+\w|[\"'”)]+\s+[A-Z0-9])", text):
        return "one_sentence: it must be one sentence on one line"
    return None


def length_ratio(source: str, text: str) -> str | None:
    """Between half and twice as many words as the source."""
    ratio = len(tokens(text)) / max(1, len(tokens(source)))
    low, high = LENGTH_RATIO
    if not low <= ratio <= high:
        return f"length: {ratio:.2f} times the words of the caption; allowed {low} to {high}"
    return None


def differs(others: Sequence[str], text: str) -> str | None:
    """Not the same words in the same order as any of the others, case and punctuation aside."""
    if tokens(text) in [tokens(other) for other in others]:
        return "identical: it repeats a given or an accepted caption"
    return None


def no_new_names(sources: Sequence[str], text: str) -> str | None:
    """No proper name, month, device or file word that the sources lack."""
    new = new_names(text, (word for source in sources for word in tokens(source)))
    return f"entity: remove {', '.join(new)}; it is not in the caption" if new else None


def level_words(source: str, text: str, level: int) -> str | None:
    """Level 1: the same content words in another arrangement; level 2: other content words."""
    shared = jaccard(source, text)
    if level == 2:
        if shared > OTHER_WORDS_JACCARD:
            return f"words_kept: {shared:.2f} of the content words are the same; at most {OTHER_WORDS_JACCARD}"
        return None
    if shared < SAME_WORDS_JACCARD:
        return f"words_changed: {shared:.2f} of the content words are the same; at least {SAME_WORDS_JACCARD}"
    overlap = order_overlap(source, text)
    if overlap > ORDER_OVERLAP:
        return f"structure: {overlap:.2f} of the words stand in the same order; at most {ORDER_OVERLAP}"
    return None


def paraphrase(source: str, text: str, level: int) -> str | None:
    """Return the first failure of a paraphrase, or None."""
    return (
        english(text)
        or sentence(text)
        or differs([source], text)
        or length_ratio(source, text)
        or same_numbers(source, text)
        or no_new_names([source], text)
        or negation_kept(source, text)
        or order_kept(source, text)
        or loudness_and_place(source, text, level)
        or level_words(source, text, level)
    )


def new_caption(sources: Sequence[str], taken: Sequence[str], text: str) -> str | None:
    """Return the first failure of a new caption from others (thesis): short, different, no numbers, no names."""
    return (
        english(text)
        or sentence(text)
        or _plain(text)
        or differs([*sources, *taken], text)
        or no_new_names(sources, text)
    )


def label_caption(given: Sequence[str], taken: Sequence[str], text: str) -> str | None:
    """Return the first failure of a caption from labels and an uploader's words (WavCaps).

    The answer "Failure." says that the words tell of no sound: "not_a_sound".
    """
    if tokens(text) == (NO_SOUND,):
        return "not_a_sound: the words tell of no sound"
    if tokens(text) and not content_stems(text):
        return "empty: no word tells what sounds"
    return english(text) or sentence(text) or _plain(text) or differs(taken, text) or _nameless(given, text)


def _nameless(given: Sequence[str], text: str) -> str | None:
    new = new_names(text, (word for source in given for word in tokens(source)))
    return f"entity: remove {', '.join(new)}; no names are allowed" if new else None


def _plain(text: str) -> str | None:
    words = tokens(text)
    if not SHORTEST_WORDS <= len(words) <= LONGEST_WORDS:
        return f"length: {len(words)} words; allowed {SHORTEST_WORDS} to {LONGEST_WORDS}"
    # "one" is a pronoun more often than a number.
    said = [word for word in words if word[0].isdigit() or (word in NUMBERS and word != "one")]
    return f"numbers: {', '.join(said)}; no numbers are allowed" if said else None
