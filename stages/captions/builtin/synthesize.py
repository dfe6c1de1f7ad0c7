"""New captions of a clip by rule: facts of its captions put together anew, no two alike, without numbers or names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from clapline.text.words import NUMBERS, content_stems, tokens
from stages.captions.builtin import tagging as t
from stages.captions.builtin.clauses import read_part
from stages.captions.builtin.paraphrase import paraphrase
from stages.captions.builtin.scenes import Scene, leans_back, read_scene
from stages.captions.builtin.tagging import tagged

_LONGEST_WORDS = 20
_NEAREST = 0.6


def new_captions(captions: list[str], all_names: list[str], wanted: list[str], turn: int) -> dict[str, str]:
    """Return a text for every wanted name; each asking goes on where the last one stopped."""
    supply = _supply([_plain(caption) for caption in captions], captions)
    skipped = turn * len(all_names)
    texts = [text for _, text in zip(range(skipped + len(all_names)), supply, strict=False)]
    fresh = texts[skipped:] or texts
    return dict(zip(wanted, fresh, strict=False))


def _supply(captions: list[str], given: list[str]) -> Iterator[str]:
    """Yield captions that differ from the given ones and from each other, those that mix facts in turn with others."""
    seen = {tuple(tokens(text)) for text in given}
    late: list[str] = []
    said: list[frozenset[str]] = []
    for text in _candidates(captions):
        key = tuple(tokens(text))
        if key in seen or not 3 <= len(key) <= _LONGEST_WORDS or NUMBERS.keys() & (set(key) - {"one"}):
            continue
        seen.add(key)
        words = frozenset(content_stems(text))
        if any(len(words & other) > _NEAREST * len(words | other) for other in said):
            late.append(text)
            continue
        said.append(words)
        yield text
    yield from late


def _candidates(captions: list[str]) -> Iterator[str]:
    for turn in range(4):
        mixed = _mixed(captions, turn)
        other = [paraphrase(caption, level, "train", turn) for level in (2, 1) for caption in captions]
        for one, two in zip_longest(mixed, other):
            yield from (text for text in (one, two) if text)


def _mixed(captions: Sequence[str], turn: int) -> list[str]:
    """Return captions of one's first sound and another's second, where both tell of two sounds and share one."""
    scenes = [read_scene(caption.rstrip(" .").lower()) for caption in captions]
    found = []
    for shift in range(1, len(captions)):
        for place, scene in enumerate(scenes):
            other = scenes[(place + shift) % len(scenes)]
            text = _joined(scene, other)
            if text:
                found.append(paraphrase(text, 2, "train", turn))
    return found


def _joined(one: Scene, other: Scene) -> str | None:
    """Return one caption's first part with the other's second: the listeners agree on the first, each adds a detail."""
    if one.relation not in _SETTLED or other.relation != one.relation or len(one.parts) != 2 or len(other.parts) != 2:
        return None
    first, second = one.parts[0], other.parts[1]
    if leans_back(first) or leans_back(second) or "," in first + second:
        return None
    agreed = set(content_stems(first)) & set(content_stems(other.parts[0]))
    if not agreed or set(content_stems(first)) & set(content_stems(second)):
        return None
    link = _SETTLED[one.relation]
    left, right = read_part(first).clause(), read_part(second).clause()
    return f"{left}{link}{right}".capitalize() + "." if left and right else None


_SETTLED = {"then": ", then ", "while": " while ", "with": " while ", "and": " and "}


def _plain(caption: str) -> str:
    """Return a caption without numbers and with names as "someone"."""
    return _without_names(_without_numbers(caption))


def _without_numbers(caption: str) -> str:
    def plain(match: re.Match[str]) -> str:
        word = match.group().lower()
        if word in {"first", "second", "third", "fourth"}:
            return "another" if word != "first" else "first"
        return {"twice": "repeatedly", "thrice": "repeatedly", "once": "briefly"}.get(word, "some")

    listed = "|".join(sorted(word for word in NUMBERS if word != "one"))
    text = re.sub(r"\ba (?:couple|pair|dozen) (?:of )?", "some ", caption, flags=re.IGNORECASE)
    text = re.sub(rf"\b(?:{listed}|\d+(?:[.,]\d+)*)\b", plain, text, flags=re.IGNORECASE)
    text = re.sub(r"\b(?:a|an|the) (some|another)\b", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"\bsome times\b", "repeatedly", text)


def _without_names(caption: str) -> str:
    words = tagged(caption)
    named = [
        word for word in words[1:] if word.text[:1].isupper() and word.text not in {"I", "TV"} and word.part == t.NOUN
    ]
    for word in reversed(named):
        if not caption[: word.start].rstrip().endswith((".", "!", "?")):
            caption = caption[: word.start] + word.text.lower() + caption[word.end :]
    return caption
