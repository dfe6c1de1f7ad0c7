"""The named checks of stressed queries. Each returns None, or "<name>: what it saw", which is asked again with."""

from __future__ import annotations

import re
import unicodedata

from clapline.text.language import foreign, other_language
from clapline.text.words import FUNCTION_WORDS, content_stems, jaccard, numbers, stem, tokens, word_set
from stages.captions.checks import differs, no_new_names, sentence
from stages.captions.denials import denied, same_denials
from stages.captions.facts import loudness_and_place, negation_kept, order_kept, same_numbers
from stages.captions.task_talk import about_the_task

#: Words of a jargon or slang query over words of the caption: both are terser than captions, or chattier.
MANNER_LENGTH_RATIO = (0.3, 2.5)
#: Characters of a translation over characters of the query: Chinese is short, Finnish long.
TRANSLATION_LENGTH_RATIO = (0.15, 3.0)
#: Share of the words that may be misspelt (one word always may), and edits within a word.
TYPO_SHARE = 0.34
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
#: Swallowed words of English that other languages spell the same way.
_SLANG_GRAMMAR = word_set("da de dat dem den e het an n em yo o la")
# English words of grammar that few other languages spell the same way.
_ENGLISH = word_set("the and with while followed then are being this there through someone something heard their which")
#: What the letters of a language's script are called in Unicode; languages that are not here may use any.
_SCRIPTS = {
    "ar": "ARABIC", "be": "CYRILLIC", "bg": "CYRILLIC", "bn": "BENGALI", "el": "GREEK", "fa": "ARABIC",
    "he": "HEBREW", "hi": "DEVANAGARI", "hy": "ARMENIAN", "ja": "CJK HIRAGANA KATAKANA", "ka": "GEORGIAN",
    "ko": "HANGUL", "mk": "CYRILLIC", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "ru": "CYRILLIC", "ta": "TAMIL",
    "te": "TELUGU", "th": "THAI", "uk": "CYRILLIC", "ur": "ARABIC", "yi": "HEBREW", "yue": "CJK", "zh": "CJK",
}  # fmt: skip


#: Jargon and slang for what other checks know in plain words.
_PLAIN = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\bw/o(?:ut)?\b|\bsans\b|\bminus\b|\bnil\b", "without"),
        (r"\bw/(?= ?\w)", "with "),
        (r"\b(?:ain'?t|isnt|arent|dont|doesnt|didnt|wont|cant|wasnt|werent)\b", "not"),
        (r"\b(?:nothin'?|nuthin'?|nuffin'?|nada|zilch)(?!\w)", "nothing"),
        (r"\b(?:(?:right|just) )?(?:next to|beside|by|behind|near) (?:me|us|ya|you|u)\b", "nearby"),
        (r"\b(?:right|over) here\b|\bup close\b|\bpoint[- ]blank\b|\bnear[- ]field\b", "nearby"),
        (r"\bin (?:my|your|ur|yer|ya) (?:face|ears?|grill)\b", "nearby"),
        (r"\bclose[- ](?:up|mic'?d|miked|micd|proximity|perspective|range)\b", "nearby"),
        (r"\byonder\b|\bway (?:out|off|back|over)\b|\bfar[- ](?:off|away|out|field)\b", "distant"),
        (r"\bmiles (?:off|away)\b|\b(?:a )?ways? away\b|\bin (?:the|da) back\b", "distant"),
        (r"\bhigh[- ](?:level|spl|volume|amplitude|intensity)\b|\bfull (?:volume|blast)\b", "loud"),
        (r"\bblastin[g']?(?!\w)|\bear[- ]splitting\b", "loud"),
        (r"\blow[- ](?:level|spl|volume|amplitude|intensity)\b|\blow[- ]?key\b|\bbarely there\b", "quiet"),
        (r"\bon the (?:down ?low|dl|low)\b", "quiet"),
        (r"\bexterior\b|\bext\b|\bopen[- ]air\b", "outdoors"),
        (r"\binterior\b|\bint\b", "indoors"),
    )
]


def manner(query: str, text: str) -> str | None:
    """Jargon and slang: one phrase in English, with words that are not all the query's own.

    It keeps numbers, order and names, denies what the query denies and nothing else, and turns no place and no
    loudness into the opposite.
    """
    asked, plain = _plainly(query), _plainly(text)
    return (
        _english_of_sorts(query, text)
        or sentence(text)
        or differs([query], text)
        or _length(len(tokens(text)) / max(1, len(tokens(query))), MANNER_LENGTH_RATIO, "words")
        or same_numbers(query, text)
        or no_new_names([query], text)
        or negation_kept(asked, plain)
        or same_denials(asked, plain)
        or order_kept(query, text)
        or loudness_and_place(asked, plain, 2)
        or _other_words(query, text)
    )


def keywords(query: str, text: str) -> str | None:
    """Only words of content of the query, in its order, at least one, with its numbers, and not the query itself.

    Nothing that the query denies: who types "birds" looks for birds.
    """
    words = tokens(text)
    if not words:
        return "empty: there is no word"
    if any(word in FUNCTION_WORDS for word in words):
        return f"grammar: {', '.join(word for word in words if word in FUNCTION_WORDS)} is no word of content"
    heard = [word for word, flag in zip(tokens(query), denied(query), strict=True) if not flag]
    taken_back = set(map(stem, words)) & (set(content_stems(query)) - set(map(stem, heard)))
    if taken_back:
        return f"negation: {', '.join(sorted(taken_back))} is denied in the query"
    waiting = iter(stem(word) for word in heard if word not in FUNCTION_WORDS)
    if not all(stem(word) in waiting for word in words):
        return "keywords: the words are not the query's own in its order"
    # A number that is said twice needs no second keyword, and "one" is a pronoun more often than a number.
    said, kept = (sorted({*numbers(which)} - {"1"}) for which in (" ".join(heard), text))
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
    """Text in a language's own script, surely not English, of a fitting length, on one line, no new digits.

    Not the query itself either; and not of another language, where the words of grammar tell one from another.
    """
    letters = "".join(_LETTERS.findall(text))
    if not letters:
        return "empty: there is no letter"
    if "\n" in text:
        return "one_sentence: it must be one sentence on one line"
    if talk := about_the_task(text):
        return talk
    if tokens(text) and tokens(text) == tokens(query):
        return "identical: it is the query itself"
    script = _SCRIPTS.get(language)
    if script:
        own = sum(unicodedata.name(letter, "?").startswith(tuple(script.split())) for letter in letters)
        if own < len(letters) / 2:
            return f"language: {own} of {len(letters)} letters are of the script of {language}"
    elif _is_english(query, text):
        return "language: the text is English"
    elif strange := other_language(text, language):
        return f"language: the text has {strange}"
    new = _digits(text) - _digits(" ".join([query, *numbers(query)]))
    if new:
        return f"numbers: {', '.join(sorted(new))} is not in the query"
    return _length(len(text) / max(1, len(query)), TRANSLATION_LENGTH_RATIO, "characters")


def _digits(text: str) -> set[str]:
    """Return the whole numbers that are written in digits of any script: "٢" is "2", "007" is "7"."""
    found = re.findall(r"\d+", text)
    return {"".join(str(unicodedata.decimal(digit)) for digit in word).lstrip("0") or "0" for word in found}


def _plainly(text: str) -> str:
    low = " ".join(text.lower().replace("’", "'").split())
    for pattern, plain in _PLAIN:
        low = pattern.sub(plain, low)
    return low


def _english_of_sorts(query: str, text: str) -> str | None:
    # "Da doggo n da peeps" has words of Portuguese; a word of the query is a word of English.
    own = {*tokens(query), *_SLANG_GRAMMAR}
    rest = " ".join("the" if word in own else word for word in _WORD.findall(text.lower()))
    strange = foreign(rest)
    return f"language: it must be English; there are {strange}" if strange else None


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
