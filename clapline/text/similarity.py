"""The built-in lexical similarity of two captions: no model, the same value on every machine."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

from clapline.text.words import content_stems

MEASURE = "lexical"


@lru_cache(maxsize=32768)
def _of_word(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(padded[i : i + 3] for i in range(len(word)))


@lru_cache(maxsize=8192)
def _trigrams(text: str) -> tuple[Counter[str], float]:
    grams = Counter(gram for word in content_stems(text) for gram in _of_word(word))
    return grams, math.sqrt(sum(count * count for count in grams.values()))


def lexical_similarity(one: str, other: str) -> float:
    """Return the cosine of the character-trigram counts of two captions' content stems, in [0, 1].

    Blind to word order and to inflection; it sees no synonyms, so it tells paraphrases of the same words (near 1) from
    texts that have nothing in common (near 0), no more. Rounded to 6 digits; 0 when a caption has no content word.
    """
    (a, a_norm), (b, b_norm) = _trigrams(one), _trigrams(other)
    if not a_norm or not b_norm:
        return 0.0
    return round(min(1.0, sum(count * b[gram] for gram, count in a.items()) / (a_norm * b_norm)), 6)
