"""The corrupted twin of a caption: nearly its words, and no longer what its clip sounds like.

A model that understands language ranks the caption above its twin for the clip; chance is 50 %. The rules are
word lists and patterns, without a model or chance. Where nothing sure is found there is no twin.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from clapline.text.corruption_words import (
    ADJECTIVES,
    AUXILIARIES,
    DETERMINERS,
    EXCHANGES,
    FRAMES,
    MANNERS,
    NEVER_VERBS,
    NOUNS,
    NOUNS_OR_VERBS,
    OPENERS,
    PHASES,
    PLACES,
    PLURAL_DETERMINERS,
    PLURALS,
    PREPOSITIONS,
    PRONOUNS,
    SINGLE_DETERMINERS,
    SUBJECTS,
    THINGS,
    TOUCHING,
    VERBS,
    Exchange,
)
from clapline.text.order import same_order
from clapline.text.words import content_stems, stem, tokens

KINDS = ("order", "antonym", "verb", "noun")

_SUBJECTS = NOUNS | SUBJECTS
_ALL_NOUNS = NOUNS | NOUNS_OR_VERBS
_BEFORE_NOUNS = DETERMINERS | ADJECTIVES
_LINKS = {"from", "with", "against", "in", "on", "at", "by", "to", "for", "but"}

_MARK = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")
_NO_HYPHEN = r"(?![-'’])"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_TIME = re.compile(
    r"\b(?:then|before|after|followed|follows|following|preced\w+|prior|next|later|afterwards?|finally|lastly|first"
    r"|last|subsequently|eventually|thereafter|until|till|once|when|begin\w*|end(?:s|ed|ing)?)\b"
)
_NO_TIME = re.compile(
    r"\b(?:now and then|(?:since|until|by|back|every so often) then|as before|ever before|(?:look|run|name|chas|go)\w*"
    r" after|(\w+) after \1|one after|after (?:another|all|effects?|hours|dark|midnight|school|shave|each)|before long"
    r"|than before|(?:more|less|rather|other|\w{2,}er) then(?! an?\b| the\b| some)"
    r"|(?:before|after)(?=$|[.,;]|\s+and\b))"
)
_CUE_WORD = re.compile(r"\b(before|after)\b", re.IGNORECASE)
_ADVERBIAL = re.compile(
    r"\bafter (?:(?:a|an|some|several|few|short|long|couple|of|about|half|\d+|two|three|four|five|six|seven|eight|nine"
    r"|ten) )*"
)
#: "Before a crowd" is a place.
_PLACE = re.compile(
    r" (?:an?|the|his|her|their)(?: \w+){0,2} (?:crowds?|audiences?|class|congregation|microphone)\b", re.I
)
_SPANS = re.compile(r"(?:whiles?|times?|moments?|seconds?|minutes?|pauses?|bit|which|that|this|it)\b")
_MANNER = r"(?:(?:closely|shortly|quickly|soon|immediately|directly|later|then|suddenly|eventually|briefly) )?"
_FOLLOWED = re.compile(rf"(?P<link>,?(?: is| was)? {_MANNER}followed {_MANNER}by )", re.IGNORECASE)
_THEN = re.compile(r"(?P<link>(?:, and|,| and|;|, but| but)? then,? )", re.IGNORECASE)
_FRAME_END = r"(?P<end>(?:, (?:with|over|in|at|on|by|near|inside|outside|among|amid)\b[^,.]*)?\.?)"
_FIRST = re.compile(
    rf"(?i:(?P<opening>(?:[^,.]+, )?first(?: comes)? )(?P<one>[^,.]+)(?P<link>,(?: and)? (?:then|next) )"
    rf"(?P<other>[^,.]+){_FRAME_END})"
)
_SOUND_OF = re.compile(
    rf"(?i:(?P<opening>(?:[^,.]+, )?the sounds? of )(?P<one>[^,.]+)(?P<link>,? and then of )"
    rf"(?P<other>[^,.]+){_FRAME_END})"
)
_SETTING = re.compile(
    r"(?:in|at|on|by|near|inside|outside|over|with|under|along|beside|among|amid)\b[^,]*, ", re.IGNORECASE
)
_TRAILING = re.compile(r", (?:with|over|in|at|on|by|near|inside|outside|among|amid)\b[^,]*$")
_FRAME = re.compile(r"(?:there|it|this|i|you|we|they|he|she|its|then|first|someone's)\b", re.IGNORECASE)
_REFERRING = re.compile(r"(?:it|its|he|his|she|they|their|them|more|another|other|the (?:same|other)|again|of|by)\b")


def corrupted(caption: str, kind: str) -> str | None:
    """Return the corrupted twin of a caption, or None where the rule of this kind finds nothing sure.

    order: what is heard first and what is heard then change places. antonym: the first word that has an opposite is
    exchanged for it. verb, noun: the first word for what is heard to happen, or for what sounds, is left out and
    nothing else, so that an article may stand alone: "A dog barks loudly." → "A barks loudly."
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of corruption {kind!r}: one of {', '.join(KINDS)}")
    plain = re.sub(r" +(?=[,.;:!?])", "", " ".join(caption.split()))
    twin = _RULES[kind](plain)
    return None if twin is None or twin == plain or not content_stems(twin) else twin


def _turned(caption: str) -> str | None:
    """Return the caption with its order in time turned round."""
    low = _NO_TIME.sub(lambda match: "_" * len(match.group()), caption.lower())
    cues = [(match.group(), match.start()) for match in _TIME.finditer(low)]
    twin = None
    match cues:
        case [("before" | "after", start)]:
            twin = _other_cue(caption, start)
        case [("followed", start)]:
            twin = _other_way(caption, _FOLLOWED, start, _may_follow)
        case [("then", start)]:
            twin = _framed(caption, _SOUND_OF) or _other_way(caption, _THEN, start, _may_stand_first)
        case [("first", _), ("then" | "next", _)]:
            twin = _framed(caption, _FIRST)
    if twin is None or same_order(caption, twin) or _bag(caption) != _bag(twin):
        return None
    return twin


def _framed(caption: str, frame: re.Pattern[str]) -> str | None:
    """Return the caption with the sides of a frame that names them one and other exchanged."""
    found = frame.fullmatch(caption)
    return "".join(found[name] for name in ("opening", "other", "link", "one", "end")) if found else None


def _other_cue(caption: str, start: int) -> str | None:
    """Return the caption with the "before" or "after" at `start` exchanged for the other."""
    match = _CUE_WORD.match(caption, start)
    span = _ADVERBIAL.match(caption.lower(), start)
    if match is None or (span and _SPANS.match(caption.lower(), span.end())):
        return None
    if _PLACE.match(caption, match.end()):
        return None
    if re.search(r"\b(?:day|night|morning|week|year|ever|never|the|only) $", caption[:start]):
        return None
    other = {"before": "after", "after": "before"}[match.group().lower()]
    return caption[:start] + _cased(other, match.group()) + caption[match.end() :]


def _other_way(caption: str, link: re.Pattern[str], cue: int, fits: Callable[[str, str], bool]) -> str | None:
    """Return "B link A" for "A link B", where the link holds the cue at `cue` and the sides fit."""
    body = caption.rstrip(" .!?")
    trailing = _TRAILING.search(body)
    if trailing:
        body = body[: trailing.start()]
    match = next((match for match in link.finditer(body) if match.start() <= cue < match.end()), None)
    if match is None or re.search(r"[.!?:\"“”]", body):
        return None
    left, right = body[: match.start()], body[match.end() :]
    setting = _SETTING.match(left)
    kept = setting.group() if setting else ""
    left = left[len(kept) :]
    if not left or not right or _FRAME.match(left) or _REFERRING.match(right) or not fits(left, right):
        return None
    if kept:
        return f"{kept}{right}{match['link']}{left}{caption[len(body) :]}"
    return f"{_cased(right, left)}{match['link']}{_lowered(left)}{caption[len(body) :]}"


def _may_follow(left: str, right: str) -> bool:
    """Tell whether the left side of "followed by" is whole: not "a dog being followed by a cat"."""
    return not re.search(r"\b(?:being|be|been|are|were|and|but|which|that|as|while|with|by)$", left)


def _may_stand_first(left: str, right: str) -> bool:
    """Tell whether the right side of "then" has a subject of its own, or both sides are -ing forms without one."""
    first, then = tokens(left)[0], tokens(right)
    if first.endswith("ing") and first not in {"something", "nothing", "everything"}:
        return bool(then) and then[0].endswith("ing")
    if (
        len(tokens(left)) < 2
        or len(then) < 2
        or re.search(r"\b(?:and|or|to|as|while|a|an|the|of|with|(?:and|or) \w+ing)$", left)
    ):
        return False
    if then[0] in ADJECTIVES and then[1] in {"down", "up", "off", "out", "and", "again"}:
        return False
    if then[0].endswith("ing") and stem(then[1]) not in _SUBJECTS:
        return False
    known = stem(then[0]) in _SUBJECTS and stem(then[0]) not in VERBS
    return then[0] in _BEFORE_NOUNS or then[0] in PRONOUNS or known


class _Found(NamedTuple):
    start: int
    end: int
    word: str  # what to write there


_DENIED = re.compile(r"\b(?:no|not|never|without|nor)\b|n['’]t\b")


def _opposed(caption: str) -> str | None:
    """Return the caption with the first word that has an opposite exchanged for it; None where something is denied."""
    low = caption.lower()
    if _DENIED.search(low):
        return None
    found = []
    present = {match.group() for match in _ANY_ANTONYM.finditer(low)}
    for word, family, pattern, before, opposite in _ANTONYMS:
        if word not in present:
            continue
        for match in pattern.finditer(low):
            if before.search(low, 0, match.start()):
                if not _OTHER_SIDE[family, opposite].search(low):
                    found.append(_Found(match.start(), match.end(), opposite))
                break
    if not found:
        return None
    start, end, opposite = min(found, key=lambda one: (one.start, -one.end))
    new = opposite.upper() if caption[start:end].isupper() else _cased(opposite, caption[start])
    return _with_article(caption[:start], new) + new + caption[end:]


class _Antonym(NamedTuple):
    first: str  # word of the pattern, so that most patterns need not be tried
    family: str
    pattern: re.Pattern[str]
    before: re.Pattern[str]
    opposite: str


def _antonyms() -> tuple[list[_Antonym], dict[tuple[str, str], re.Pattern[str]]]:
    """Return the exchanges, and per family and word a pattern for the words of its side."""
    found = []
    sides: dict[str, tuple[set[str], set[str]]] = {}
    for exchange in EXCHANGES:
        for one, other, ways in _pairs(exchange):
            for a, b in ((one, other), (other, one))[:ways]:
                pattern = re.compile(rf"(?<![\w'’-]){a}(?!\w){exchange.after or _NO_HYPHEN}")
                before = re.compile(rf"(?:{exchange.before})$")
                found.append(_Antonym(a.split()[0], exchange.family, pattern, before, b))
            left, right = sides.setdefault(exchange.family, (set(), set()))
            turned = one in right or other in left
            (right if turned else left).add(one)
            (left if turned else right).add(other)
    opposed = {
        (family, word): re.compile(rf"\b(?:{'|'.join(sorted(side))})\b")
        for family, both in sides.items()
        for side in both
        for word in side
    }
    return found, opposed


def _pairs(exchange: Exchange) -> Iterator[tuple[str, str, int]]:
    """Yield the words of an exchange, one and other, and in how many ways they exchange."""
    for pair in exchange.pairs.split():
        one, other = pair.replace("_", " ").split("/")
        yield one, other, 2
    for pair in exchange.also.split():
        one, other = pair.replace("_", " ").split(">")
        yield one, other, 1


_ANTONYMS, _OTHER_SIDE = _antonyms()
_ANY_ANTONYM = re.compile(rf"\b(?:{'|'.join(sorted({one.first for one in _ANTONYMS}, key=len, reverse=True))})\b")


def _without_verb(caption: str) -> str | None:
    """Return the caption without its first sure word for what is heard to happen."""
    return _without(caption, _is_verb)


def _without_noun(caption: str) -> str | None:
    """Return the caption without its first sure word for what sounds."""
    return _without(caption, _is_noun)


def _without(caption: str, sure: Callable[[list[str], int], bool]) -> str | None:
    """Return the caption without the first word that is sure by its place in the words and punctuation marks."""
    matches = list(_MARK.finditer(caption))
    words = [match.group().lower() for match in matches]
    for i, match in enumerate(matches):
        twin = _cut(caption, match.start(), match.end()) if sure(words, i) else None
        if twin is not None:
            return twin
    return None


def _cut(caption: str, start: int, end: int) -> str | None:
    """Return the caption without the word between two places, well spaced; None where punctuation would be left."""
    head, tail = caption[:start], caption[end:]
    if (head and not head.endswith(" ")) or re.match(r"[^\s,.;!?]", tail):
        return None
    opens = not head or re.search(r"[.!?] $", head) is not None
    if (opens or head.endswith((", ", "; ", ": "))) and not tail.startswith(" "):
        return None
    if tail.startswith(" "):
        rest = tail[1:]
        if opens:
            rest = _cased(rest, caption[start])
        return _with_article(head, rest) + rest if _WORD.match(rest) else None
    return head.rstrip() + tail


def _is_noun(words: list[str], i: int) -> bool:
    """Tell whether the word is surely a noun for what sounds, not a part of a name ("train" of "train horn")."""
    word, before, after = words[i], _at(words, i - 1), _at(words, i + 1)
    root = stem(word)
    if (
        root not in _ALL_NOUNS
        or before in ("to", "or")
        or after == "of"
        or after in THINGS
        or _form(word) in ("ing", "past")
    ):
        return False
    bare = before not in _BEFORE_NOUNS
    # Without it "a," or "with and" or "heavy with" would be left.
    if not after[:1].isalpha() or after in ("and", "or") or _is_place(words, i):
        return False
    if after in _LINKS and (bare or before in ADJECTIVES):
        return False
    if root in NOUNS:
        return stem(after) not in NOUNS or _form(after) in ("ing", "past")
    if stem(after) in NOUNS:
        return False
    if not bare or before in PREPOSITIONS:
        return _form(word) == "base" or before in PLURAL_DETERMINERS or before in ADJECTIVES
    opens = before in OPENERS and _form(word) == "base"
    return opens and (after in AUXILIARIES or (stem(after) in VERBS and _form(after) in ("ing", "s")))


def _is_place(words: list[str], i: int) -> bool:
    """Tell whether the noun at a place follows a word like "across", perhaps with a determiner and adjectives."""
    i -= 1
    while _at(words, i) in _BEFORE_NOUNS:
        i -= 1
    return _at(words, i) in PLACES


def _is_verb(words: list[str], i: int) -> bool:
    """Tell whether the word surely says what is heard to happen: an -ing form after its subject, a form that agrees."""
    word, after = words[i], _at(words, i + 1)
    root, form = stem(word), _form(word)
    if root not in VERBS or word in NEVER_VERBS or after in FRAMES or (i + 1 < len(words) and words[i + 1] == "-"):
        return False
    place = i - 1
    while _at(words, place).endswith("ly") or _at(words, place) in MANNERS:  # "a horn loudly blares"
        place -= 1
    before = _at(words, place)
    subject = _is_subject(before)
    noun_too = root in NOUNS_OR_VERBS
    if form == "ing":
        opens = i == 0 and after in TOUCHING
        return opens or (subject and after not in AUXILIARIES) or before in AUXILIARIES or before in PHASES
    if form == "past":
        return before in AUXILIARIES
    if noun_too and after in AUXILIARIES:
        return False
    plural = before in PLURALS or (_form(before) == "s" and before not in PRONOUNS)
    if form == "s":
        return subject and not plural and (before in PRONOUNS or not noun_too or _is_one(words, place))
    return subject and plural and stem(after) not in NOUNS


def _is_subject(word: str) -> bool:
    """Tell whether the word may be what a verb is said of."""
    return word in PRONOUNS or (stem(word) in _SUBJECTS and _form(word) in ("base", "s"))


def _is_one(words: list[str], place: int) -> bool:
    """Tell whether the noun at a place has a determiner for one thing: "a dog barks", not "loud dog barks"."""
    place -= 1
    while _at(words, place) in ADJECTIVES or stem(_at(words, place)) in NOUNS or _at(words, place).endswith("ing"):
        place -= 1
    return _at(words, place) in SINGLE_DETERMINERS


def _at(words: list[str], place: int) -> str:
    """Return the word at a place, "" outside the caption."""
    return words[place] if 0 <= place < len(words) else ""


@lru_cache(maxsize=32768)
def _form(word: str) -> str:
    """Return which inflection a word has: ing, s, past or base."""
    root = stem(word)
    if word in (root, root + "e"):
        return "base"
    if word.endswith("ing"):
        return "ing"
    return "s" if word.endswith("s") or word in PLURALS else "past"


def _bag(text: str) -> Counter[str]:
    """Return how often each word is said, "before" and "after" taken as one."""
    return Counter("after" if word == "before" else word for word in tokens(text))


def _cased(text: str, like: str) -> str:
    """Return the text with a capital first letter where `like` has one."""
    return text[0].upper() + text[1:] if like[0].isupper() else text


def _lowered(text: str) -> str:
    """Return the text with a small first letter, unless its first word is a name or "I"."""
    first = text.split()[0]
    return text if first == "I" or first.startswith(("I'", "I’")) or first[1:].isupper() else text[0].lower() + text[1:]


def _with_article(head: str, word: str) -> str:
    """Return the text before a word with the "a" or "an" at its end made right for the word."""
    vowel = re.match(r"(?!one\b|once\b|uni|use|usu|eu)[aeiou]|hour|honest", word.lower())
    return re.sub(r"(?<!\w)([Aa])n? $", r"\1n " if vowel else r"\1 ", head)


_RULES: dict[str, Callable[[str], str | None]] = {
    "order": _turned,
    "antonym": _opposed,
    "verb": _without_verb,
    "noun": _without_noun,
}
