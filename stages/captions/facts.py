"""Checks that a paraphrase keeps the facts of its caption: numbers, order in time, what is denied, loudness, place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clapline.text.order import same_order
from clapline.text.words import numbers, stem, tokens, word_set

_NOT = word_set("no not without never nothing none nobody neither nor cannot")
#: Said of how something goes on: "without a break", "nothing but".
_NO_DENIAL = re.compile(
    r"\bwithout (?:a |an |any |much |great )?(?:haste|hurry|rush|break|pauses?|pausing|interruptions?|interval"
    r"|stop|stopping|end|ending|ceasing|rest|letting up|let-up|delay|effort|warning|fail)\b"
    r"|\bnothing (?:but|else)\b|\bnot (?:only|just|far|long)\b|\bno sooner\b"
)
#: Words that deny that something is there, as "no" does.
_ABSENT = word_set(
    "silence silent silently wordless wordlessly lacking lacks absent absence devoid mute except excluding missing "
    "unaccompanied"
)
_FREE = re.compile(r"\bfree (?:of|from)\b|-free\b")
_STOPPED = word_set("stop stops stopped stopping cease ceases ceased ceasing halt halts halted halting")
#: With one of these a denial tells of an end: "until there is no sound", "the dog no longer barks".
_FROM_THEN = word_set("then until till after before when once finally eventually suddenly longer more anymore")
_ONE = word_set("a an single lone another each the this that")
_PAIR = re.compile(r"\bpair of\b")
_PAIR_THING = re.compile(
    r"\bpair of (?:\w+ ){0,2}(?:scissors|shears|pliers|tongs|tweezers|clippers|shoes|boots|heels|sneakers|slippers|"
    r"sandals|feet|hands|headphones|glasses|pants|jeans|bellows)\b"
)
_COUPLE = re.compile(r"\b(?:a )?couple(?: of)?\b")
_LOUD = word_set("loud loudly louder loudest noisy noisily blaring deafening booming thunderous")
_SOFT = word_set("soft softly softer quiet quietly quieter faint faintly fainter muted subdued hushed")
_FAR = word_set("distant distance distantly far faraway afar background")
_NEAR = word_set("near nearby close closely closer foreground")
_OUTSIDE = word_set("outside outdoors outdoor")
_INSIDE = word_set("inside indoors indoor")
_OPPOSITES = {"loudness": [(_LOUD, _SOFT)], "place": [(_FAR, _NEAR), (_OUTSIDE, _INSIDE)]}
#: What level 1 must keep by its stem, as the caption has it.
_KEPT = {
    "loudness": word_set("loud loudly quiet quietly soft softly faint faintly"),
    "place": word_set("distant distance background foreground nearby outside outdoors inside indoors"),
}


def same_numbers(source: str, text: str) -> str | None:
    """Every number of the source, as often, and no other; digits or words, "a pair of" and "a couple of" are two.

    "A couple of" may also become "a few"; "one dog" may become "a dog" and the other way round.
    """
    if any(_equal(a, b, source, text) for a in _counted(source) for b in _counted(text)):
        return None
    return f"numbers: the caption says {sorted(numbers(source))}, the text {sorted(numbers(text))}"


def _counted(text: str) -> Iterator[str]:
    low = _PAIR.sub("two", _PAIR_THING.sub(" ", text.lower()))
    yield _COUPLE.sub("two", low)
    if _COUPLE.search(low):
        yield low


def _equal(a: str, b: str, source: str, text: str) -> bool:
    said, told = numbers(a), numbers(b)
    gone, new = said - told, told - said
    if set(gone) | set(new) <= {"1"}:
        return (not gone or bool(_ONE & set(tokens(text)))) and (not new or bool(_ONE & set(tokens(source))))
    return False


def order_kept(source: str, text: str) -> str | None:
    """The same order in time."""
    return None if same_order(source, text) else "order: what comes first and what later is told differently"


def negation_kept(source: str, text: str) -> str | None:
    """What the caption denies stays denied, and nothing else is (no, not, without, never, nothing)."""
    denied, told = _denies(source), _denies(text)
    if denied and not told and not _as_good_as_denied(source, text):
        return f"negation: the caption says {', '.join(sorted(denied))}, the text does not"
    if told and not denied and not _as_good_as_denied(text, source):
        return f"negation: the text says {', '.join(sorted(told))}, the caption does not"
    return None


def _as_good_as_denied(denying: str, plain: str) -> bool:
    """Tell whether the plain text says by other words than "no" that something is absent or over.

    "It stops" stands for a denial of what was there before, and not where the denying text itself speaks of stopping.
    """
    here, there = set(tokens(plain)), set(tokens(denying))
    if _ABSENT & here or _FREE.search(plain.lower()):
        return True
    return bool(_STOPPED & here and not _STOPPED & there and _FROM_THEN & there)


def _denies(text: str) -> set[str]:
    plain = _NO_DENIAL.sub(" ", text.lower())
    return {word for word in tokens(plain) if word in _NOT or word.endswith("n't")}


def loudness_and_place(source: str, text: str, level: int) -> str | None:
    """How loud and how far: level 1 keeps such words (their stems), level 2 does not turn them into the opposite."""
    said, told = set(tokens(source)), set(tokens(text))
    for name, sides in _OPPOSITES.items():
        stems = {stem(word).removesuffix("ly") for word in told}
        lost = [word for word in sorted(said & _KEPT[name]) if stem(word).removesuffix("ly") not in stems]
        if level == 1 and lost:
            return f"{name}: {', '.join(lost)} is lost"
        for pair in sides:
            for here, there in (pair, pair[::-1]):
                turned = told & there
                if said & here and turned and not told & here and not said & there:
                    return f"{name}: {', '.join(sorted(turned))} is the opposite of the caption"
    return None
