"""The order in time that a caption tells: "A followed by B", "B after A" and "before B, A" are all A, then B."""

from __future__ import annotations

import re

from clapline.text.words import FUNCTION_WORDS, stem, tokens

_FORWARD = {"then", "afterwards", "later", "before", "next", "finally", "lastly", "subsequently"}
_BACKWARD = {"after", "following"}
_FRONTED = re.compile(r"^\W*(?:shortly |soon |just |right )?(after|following|before) ([^,]+), (.+)$", re.IGNORECASE)


def segments(text: str) -> list[set[str]]:
    """Return the content stems of a caption's parts in the order in which they are heard.

    Parts are split at followed by, preceded by, then, next, before, after, following, later, afterwards, finally.
    "As", "while" and "and" do not split: what they join is heard at one time, or in no stated order.
    """
    fronted = _FRONTED.match(text)
    if fronted:
        cue, head, tail = fronted.groups()
        parts = [segments(head), segments(tail)]
        return [part for side in (reversed(parts) if cue.lower() == "before" else parts) for part in side]
    ordered: list[list[str]] = [[]]
    place = 0  # of the part being read, in order of time
    words = tokens(text)
    for word, nearby in zip(words, (*words[1:], ""), strict=False):
        cue = _cue(word, nearby)
        if cue is None:
            if word not in FUNCTION_WORDS:
                ordered[place].append(stem(word))
        elif ordered[place]:
            # "Y after X": X was heard just before Y.
            place = place if cue == "backward" else len(ordered)
            ordered.insert(place, [])
    return [set(part) for part in ordered if part]


def _cue(word: str, nearby: str) -> str | None:
    if word in {"followed", "preceded"} and nearby == "by":
        return "forward" if word == "followed" else "backward"
    if word == "next" and nearby in {"to", "door"}:
        return None
    if word in _FORWARD:
        return "forward"
    return "backward" if word in _BACKWARD and nearby not in {"another", "one"} else None


def same_order(one: str, other: str) -> bool:
    """Tell whether two captions state the same order: as many parts, and no pair of shared words turned round."""
    a, b = segments(one), segments(other)
    if len(a) != len(b):
        return False
    return not any(
        left in b[j] and right in b[i] and left not in b[i] and right not in b[j]
        for i in range(len(a))
        for j in range(i + 1, len(a))
        for left in _only_in(a, i)
        for right in _only_in(a, j)
    )


def _only_in(parts: list[set[str]], index: int) -> set[str]:
    return parts[index].difference(*(part for k, part in enumerate(parts) if k != index))
