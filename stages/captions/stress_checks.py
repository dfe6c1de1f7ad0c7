"""The named checks of stressed queries. Each returns None, or "<name>: what it saw", which is asked again with."""

from __future__ import annotations

import re
import unicodedata

from clapline.text.language import foreign
from clapline.text.words import FUNCTION_WORDS, NUMBERS, content_stems, jaccard, numbers, stem, tokens, word_set
from stages.captions.checks import differs, no_new_names, sentence
from stages.captions.facts import order_kept, same_numbers
from stages.captions.task_talk import about_the_task

#: Words of a jargon or slang query over words of the caption: both are terser than captions, or chattier.
MANNER_LENGTH_RATIO = (0.3, 2.5)
#: Characters of a translation over characters of the query: Chinese is short, Finnish long.
TRANSLATION_LENGTH_RATIO = (0.15, 3.0)
#: Share of the words that may be misspelt (one word always may), and edits within a word.
TYPO_SHARE = 0.34
_LETTERS = re.compile(r"[^\W\d_]+")
# English words of grammar that few other languages spell the same way.
_ENGLISH = word_set("the and with while followed then are being this there through someone something heard their which")
#: What the letters of a language's script are called in Unicode; languages that are not here may use any.
_SCRIPTS = {
    "ar": "ARABIC", "be": "CYRILLIC", "bg": "CYRILLIC", "bn": "BENGALI", "el": "GREEK", "fa": "ARABIC",
    "he": "HEBREW", "hi": "DEVANAGARI", "hy": "ARMENIAN", "ja": "CJK HIRAGANA KATAKANA", "ka": "GEORGIAN",
    "ko": "HANGUL", "mk": "CYRILLIC", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "ru": "CYRILLIC", "ta": "TAMIL",
    "te": "TELUGU", "th": "THAI", "uk": "CYRILLIC", "ur": "ARABIC", "yi": "HEBREW", "yue": "CJK", "zh": "CJK",
}  # fmt: skip


def manner(query: str, text: str) -> str | None:
    """Jargon and slang: one phrase with the query's numbers, order and names, in words that are not all its own."""
    return (
        sentence(text)
        or differs([query], text)
        or _length(len(tokens(text)) / max(1, len(tokens(query))), MANNER_LENGTH_RATIO, "words")
        or same_numbers(query, text)
        or no_new_names([query], text)
        or order_kept(query, text)
        or _other_words(query, text)
    )


def keywords(query: str, text: str) -> str | None:
    """Only words of content of the query, in its order, at least one, with its numbers, and not the query itself."""
    words = tokens(text)
    if not words:
        return "empty: there is no word"
    if any(word in FUNCTION_WORDS for word in words):
        return f"grammar: {', '.join(word for word in words if word in FUNCTION_WORDS)} is no word of content"
    waiting = iter(content_stems(query))
    if not all(stem(word) in waiting for word in words):
        return "keywords: the words are not the query's own in its order"
    # A number that is said twice needs no second keyword, and "one" is a pronoun more often than a number.
    said, kept = (sorted({*numbers(which)} - {"1"}) for which in (query, text))
    if said != kept:
        return f"numbers: the query says {said}, the text {kept}"
    return differs([query], text)


def typos(query: str, text: str) -> str | None:
    """As many words, each at most one slip away from the query's, at least one and few of them misspelt."""
    given, typed = _LETTERS.findall(query.lower()), _LETTERS.findall(text.lower())
    if _LETTERS.sub("", query) != _LETTERS.sub("", text) or len(given) != len(typed):
        return "words: more changed than the letters of the words"
    slips = [slip_distance(one, other) for one, other in zip(given, typed, strict=True)]
    if not any(slips):
        return "identical: no word is misspelt"
    if max(slips) > 1:
        return f"letters: {max(slips)} slips in one word; at most 1"
    misspelt = sum(map(bool, slips))
    if misspelt > max(1, TYPO_SHARE * len(given)):
        return f"share: {misspelt} of {len(given)} words are misspelt; at most {TYPO_SHARE:.0%}"
    return None


def translation(query: str, text: str, language: str) -> str | None:
    """Text in a language's own script, surely not English, of a fitting length, on one line, no new digits."""
    letters = "".join(_LETTERS.findall(text))
    if not letters:
        return "empty: there is no letter"
    if "\n" in text:
        return "one_sentence: it must be one sentence on one line"
    if talk := about_the_task(text):
        return talk
    script = _SCRIPTS.get(language)
    if script:
        own = sum(unicodedata.name(letter, "?").startswith(tuple(script.split())) for letter in letters)
        if own < len(letters) / 2:
            return f"language: {own} of {len(letters)} letters are of the script of {language}"
    elif _is_english(query, text):
        return "language: the text is English"
    new = {word for word in re.findall(r"\d+", text) if NUMBERS.get(word, word) not in numbers(query)}
    if new:
        return f"numbers: {', '.join(sorted(new))} is not in the query"
    return _length(len(text) / max(1, len(query)), TRANSLATION_LENGTH_RATIO, "characters")


def _is_english(query: str, text: str) -> bool:
    """Tell whether a text is surely English: by words of English grammar, or by the query's own words."""
    if foreign(text):
        return False
    words = tokens(text)
    told = len(_ENGLISH & set(words)) >= 2 or (len(words) >= 3 and sum(w in _ENGLISH for w in words) >= len(words) / 4)
    return told or (len(set(content_stems(query))) >= 2 and jaccard(query, text) > 0.5)


def _other_words(query: str, text: str) -> str | None:
    if set(content_stems(text)) <= set(content_stems(query)):
        return "plain: every word is the query's own"
    return None


def _length(ratio: float, bounds: tuple[float, float], unit: str) -> str | None:
    low, high = bounds
    if low <= ratio <= high:
        return None
    return f"length: {ratio:.2f} times the {unit} of the query; allowed {low} to {high}"


def slip_distance(one: str, other: str) -> int:
    """Return the least number of dropped, added, replaced or swapped neighbouring letters between two words."""
    if one == other:
        return 0
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        above, row_above = row, before
        row = [i]
        for j, right in enumerate(other, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, row_above[j - 2] + 1)
            row.append(cost)
        before = above
    return row[-1]
