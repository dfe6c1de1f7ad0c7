"""The named checks a written caption must pass. Each returns None, or "<name>: what it saw", which is asked again with.

Thresholds of paraphrases follow the two levels of RobustCLAP: level 1 keeps the words, level 2 changes them too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clapline.text.order import same_order
from clapline.text.similarity import lexical_similarity
from clapline.text.words import NUMBERS, content_stems, jaccard, names, numbers, order_overlap, tokens, word_set

SAME_WORDS_JACCARD = 0.8  # level 1: at least
OTHER_WORDS_JACCARD = 0.6  # level 2: at most
ORDER_OVERLAP = 0.9  # level 1: at most
# The lexical measure sees no synonyms: at level 2 it can only refuse what has next to nothing in common.
SIMILARITY = {1: 0.75, 2: 0.1}
LENGTH_RATIO = (0.5, 2.0)
LONGEST_WORDS = 20
_NAMED = word_set(
    """
    january february april june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday zoom tascam sony sennheiser rode olympus audacity iphone samsung nokia wav
    mp3 aiff flac khz hz kbps db freesound youtube
    """
)


def sentence(text: str) -> str | None:
    """One non-empty sentence on one line."""
    if not tokens(text):
        return "empty: there is no word"
    if "\n" in text or re.search(r"[.!?]+[\"'”)]*\s+\S", text):
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


def same_numbers(source: str, text: str) -> str | None:
    """Every number of the source, as often, and no other."""
    if numbers(source) != numbers(text):
        return f"numbers: the caption says {sorted(numbers(source))}, the text {sorted(numbers(text))}"
    return None


def order_kept(source: str, text: str) -> str | None:
    """The same order in time."""
    return None if same_order(source, text) else "order: what comes first and what later is told differently"


def no_new_names(sources: Sequence[str], text: str) -> str | None:
    """No proper name, month, device or file word that the sources lack."""
    known = {word for source in sources for word in tokens(source)}
    words = tokens(text)
    new = ((names(text) | (_NAMED & set(words))) - known) & set(words)
    return f"entity: {', '.join(sorted(new))} is not in the caption" if new else None


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


def similar(sources: Sequence[str], text: str, least: float) -> str | None:
    """At least this lexical similarity to one of the sources."""
    value = max((lexical_similarity(source, text) for source in sources), default=0.0)
    return None if value >= least else f"similarity: {value:.2f} by the lexical measure; at least {least}"


def paraphrase(source: str, text: str, level: int) -> str | None:
    """Return the first failure of a paraphrase, or None."""
    return (
        sentence(text)
        or differs([source], text)
        or length_ratio(source, text)
        or same_numbers(source, text)
        or no_new_names([source], text)
        or order_kept(source, text)
        or level_words(source, text, level)
        or _near(source, text, level)
    )


def _near(source: str, text: str, level: int) -> str | None:
    # The only content word of a caption has no synonym that shares letters with it: nothing to measure.
    if level == 2 and len(set(content_stems(source))) < 2:
        return None
    return similar([source], text, SIMILARITY[level])


def new_caption(sources: Sequence[str], taken: Sequence[str], text: str) -> str | None:
    """Return the first failure of a new caption from others (thesis): short, different, no numbers, names or events."""
    return (
        sentence(text)
        or _plain(text)
        or differs([*sources, *taken], text)
        or no_new_names(sources, text)
        or similar(sources, text, SIMILARITY[2])
    )


def label_caption(given: Sequence[str], taken: Sequence[str], text: str) -> str | None:
    """Return the first failure of a caption from labels and an uploader's words (WavCaps)."""
    return sentence(text) or _plain(text) or differs(taken, text) or no_new_names(given, text)


def _plain(text: str) -> str | None:
    words = tokens(text)
    if not 3 <= len(words) <= LONGEST_WORDS:
        return f"length: {len(words)} words; allowed 3 to {LONGEST_WORDS}"
    # "one" is a pronoun more often than a number.
    said = [word for word in words if word[0].isdigit() or (word in NUMBERS and word != "one")]
    return f"numbers: {', '.join(said)}; no numbers are allowed" if said else None
