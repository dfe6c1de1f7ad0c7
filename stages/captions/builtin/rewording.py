"""Other words of the same meaning in the place of a text's own: synonyms that fit the part each word plays."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from clapline.text.words import FUNCTION_WORDS, jaccard, stem
from stages.captions.builtin import tagging as t
from stages.captions.builtin.lexicon import entries, far_stems, replacements
from stages.captions.builtin.tagging import Word, tagged, words_of

# Words of the frames, which carry grammar here whatever they mean elsewhere: "can be heard", "the sound of".
_GRAMMAR = FUNCTION_WORDS - {"outside", "inside", "simultaneously"}
_OBJECT = frozenset({t.DETERMINER, t.ADJECTIVE, t.NOUN, t.MODIFIER, t.PRONOUN, t.VERBAL_NOUN})
_OWN_ARTICLE = frozenset({"a", "an", "the", "one", "some", "several", "many"})


@dataclass(frozen=True)
class Place:
    """A stretch of a text and what can stand there instead; places with the same `key` change together."""

    start: int
    end: int
    key: str
    alternatives: tuple[str, ...]
    names_a_source: bool


def replaceable(text: str, purpose: str) -> list[Place]:
    """Return the replaceable words and phrases of a text, in order, not overlapping."""
    phrases = replacements(purpose, "w", "base") | replacements(purpose, "n", "base")
    found = [
        Place(m.start(), m.end(), m.group().lower(), phrases[m.group().lower()], False)
        for m in _phrases().finditer(text)
    ]
    words = tagged(text)
    for place, word in enumerate(words):
        low = word.low
        taken = any(found_place.start <= word.start < found_place.end for found_place in found)
        if taken or low in _GRAMMAR or not low.replace("-", "").isalpha():
            continue
        alternatives = _alternatives(words, place, purpose)
        if alternatives:
            found.append(Place(word.start, word.end, stem(low), alternatives, word.part in {t.NOUN, t.PRONOUN}))
    return sorted(found, key=lambda found_place: found_place.start)


@cache
def _phrases() -> re.Pattern[str]:
    listed = {entry.word for entry in entries() if " " in entry.word and entry.part in {"n", "w"}}
    ordered = sorted(listed, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(r"\b(?:" + "|".join(map(re.escape, ordered)) + r")\b", re.IGNORECASE)


def _alternatives(words: tuple[Word, ...], place: int, purpose: str) -> tuple[str, ...]:
    word = words[place]
    low, part = word.low, word.part
    after = words[place + 1] if place + 1 < len(words) else None
    named_next = after is not None and after.part in _NOUN_LIKE
    if part == t.NOUN:
        return _of_noun(words, place, purpose)
    if part == t.PRONOUN and after is not None and after.low == "else":
        return ()
    if part == t.PRONOUN:
        return replacements(purpose, "n", "base").get(low) or replacements(purpose, "w", "base").get(low, ())
    if part in {t.ADJECTIVE, t.ADVERB, t.PREPOSITION}:
        after_be = any(w.part == t.BE for w in words[max(0, place - 2) : place])
        if low in words_of("adjective") and not named_next and not after_be:
            return ()
        if named_next:
            return _single(
                replacements(purpose, "w", "base").get(low, ()) or replacements(purpose, "n", "base").get(low, ())
            )
        named = _single(replacements(purpose, "n", "base").get(low, ())) if part == t.ADJECTIVE else ()
        return replacements(purpose, "w", "base").get(low) or named
    if part == t.VERBAL_NOUN:
        return _single(_verb(low, "gerund", purpose, ("b", "vi", "v")))
    if part == t.MODIFIER and after is not None and after.low in _HEADS:
        return ()
    if part == t.MODIFIER and low in {"running", "moving", "playing", "working", "passing", "starting"}:
        return ()
    if part == t.MODIFIER:
        plain = replacements(purpose, "w", "base").get(low)
        return plain or (_single(_verb(low, "gerund", purpose, ("b", "vi", "v"))) if low.endswith("ing") else ())
    form = _FORM.get(part)
    if form is None:
        return ()
    skipped = place + 1
    while skipped < len(words) and words[skipped].part == t.ADVERB:
        skipped += 1
    acts = skipped < len(words) and words[skipped].part in _OBJECT
    kinds = ("vt", "v") if part == t.PARTICIPLE or acts else ("b", "vi", "v")
    if part == t.FINITE:
        found = _verb(low, "third", purpose, kinds) or _verb(low, "base", purpose, kinds)
        found = found or _verb(low, "past", purpose, kinds)
    else:
        found = _verb(low, form, purpose, kinds)
    # "revs up": the particle belongs to the verb.
    if after is not None and after.low in {"up", "off", "on", "over", "out", "down"}:
        return ()
    # "pours out | into a glass": a particle would stand twice.
    if after is not None and after.part == t.PREPOSITION:
        found = tuple(phrase for phrase in found if " " not in phrase or phrase.split(" ")[-1] not in _PARTICLES)
    return found


_NOUN_LIKE = frozenset({t.NOUN, t.ADJECTIVE, t.VERBAL_NOUN, t.MODIFIER})
# Nouns that make a name of their own with the word before: "washing machine", "wrapping paper", "swimming pool".
_HEADS = frozenset(
    {"paper", "car", "machine", "machines", "board", "tool", "tools", "bag", "box", "room", "pool", "pan", "band"}
)
_FORM = {t.FINITE: "third", t.GERUND: "gerund", t.INFINITIVE: "base", t.PARTICIPLE: "participle"}
_PARTICLES = words_of("preposition")


def _verb(low: str, form: str, purpose: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    for kind in kinds:
        found = replacements(purpose, kind, form).get(low)
        if found:
            return found
    return ()


def _of_noun(words: tuple[Word, ...], place: int, purpose: str) -> tuple[str, ...]:
    low = words[place].low
    after = words[place + 1] if place + 1 < len(words) else None
    compound = after is not None and after.part in {t.NOUN, t.VERBAL_NOUN, t.MODIFIER}
    found: tuple[str, ...] = ()
    for form in ("base", "plural"):
        found = found or replacements(purpose, "n", form).get(low, ())
    for form in ("base", "third"):
        found = found or _single(replacements(purpose, "b", form).get(low, ()))
    if not found:
        found = replacements(purpose, "w", "base").get(low, ())
    found = _single(found) if compound else found
    before = words[place - 1].part if place else ""
    if low in _HEADS and before in {t.NOUN, t.MODIFIER, t.VERBAL_NOUN}:
        return ()
    if before in {t.NOUN, t.MODIFIER}:
        found = _single(found)
    one = next(
        (w.low for w in reversed(words[:place]) if w.part not in {t.ADJECTIVE, t.MODIFIER, t.ADVERB, t.NOUN}), ""
    )
    if one in {"a", "an", "another", "each", "every"} and not t.plural(low):
        return tuple(phrase for phrase in found if _countable(phrase))
    bare = place == 0 or words[place - 1].part in {t.PREPOSITION, t.CONJUNCTION, t.MARK, t.JOINING}
    if (bare or one in {"some", "more", "much"}) and low in words_of("uncounted"):
        return tuple(phrase for phrase in found if not _countable(phrase))
    return found


def _countable(phrase: str) -> bool:
    """Tell whether "a" can stand before a noun phrase."""
    head = phrase.split(" of ")[0].split(" in ")[0].split(" ")[-1]
    return not t.plural(head) and head not in words_of("uncounted") and head not in words_of("stuff")


def _single(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(phrase for phrase in phrases if " " not in phrase)


def reworded(text: str, body: str, purpose: str, turn: int, enough: float) -> str:
    """Return a text with words replaced until it shares no more than `enough` of its content words with the caption.

    Words that have near synonyms are changed first. The first asking draws among them by a hash; the second takes what
    is done and how before who or what, and the nearest synonyms, the third the other way round.
    """
    places = replaceable(text, purpose)
    known = {stem(word.low) for word in tagged(body)}
    groups: dict[str, list[Place]] = {}
    for place in places:
        groups.setdefault(place.key, []).append(place)

    def rank(key: str) -> tuple[bool, bool, int]:
        late = bool(turn) and groups[key][0].names_a_source == (turn % 2 == 1)
        return key in far_stems(), late, draw(key, body, turn)

    chosen: list[tuple[Place, str]] = []
    result = text
    for key in sorted(groups, key=rank):
        if jaccard(body, result) <= enough:
            break
        picked = [(place, _pick(place, body, turn, known)) for place in groups[key]]
        if any(word is None for _, word in picked):
            continue
        chosen += [(place, str(word)) for place, word in picked]
        result = _replaced(text, sorted(chosen, key=lambda pair: pair[0].start))
    return result


def _pick(place: Place, body: str, turn: int, known: set[str]) -> str | None:
    """Return an alternative that brings in no word of the caption, which would then stand there twice."""
    fresh = [phrase for phrase in place.alternatives if not any(stem(word) in known for word in phrase.split(" "))]
    if not fresh:
        return None
    return fresh[draw(place.key, body, turn + 7) % len(fresh)] if turn == 0 else fresh[(turn - 1) % len(fresh)]


def _replaced(text: str, chosen: list[tuple[Place, str]]) -> str:
    pieces, end = [], 0
    for place, word in chosen:
        pieces += [article(text[end : place.start], word), word]
        end = place.end
    return article_after("".join([*pieces, text[end:]]))


def article(before: str, word: str) -> str:
    """Make the article that ends `before` agree with the next word; drop it where that brings its own."""
    match = re.search(r"\b(an?) $", before)
    if match is None:
        return before
    if word.split(" ", 1)[0] in _OWN_ARTICLE:
        return before[: match.start()]
    return before[: match.start()] + ("an " if vowel_sound(word) else "a ")


def article_after(text: str) -> str:
    """Drop what reads twice: "a a", "the the"."""
    return re.sub(r"\b(an?|the|some) (?=(?:an?|the|some) )", "", text)


def vowel_sound(word: str) -> bool:
    """Tell whether a word begins with a vowel as spoken: "hour" does, "unit" does not."""
    low = word.lower()
    if low.startswith(("hour", "honest", "honour")):
        return True
    return low[:1] in {"a", "e", "i", "o", "u"} and not re.match(r"(?:uni(?!n)|us[ei]|one|eu|ute|ukulele)", low)


def draw(word: str, body: str, turn: int) -> int:
    """Return a number that depends on its arguments alone."""
    return int.from_bytes(hashlib.blake2b(f"{turn}\x1f{word}\x1f{body}".encode(), digest_size=6).digest(), "big")
