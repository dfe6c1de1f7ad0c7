"""The order in time that a caption tells: "A followed by B", "B after A" and "before B, A" are all A, then B."""

from __future__ import annotations

import re
from functools import lru_cache

from clapline.text.words import FUNCTION_WORDS, stem, tokens

Parts = tuple[frozenset[str], ...]

_FORWARD = {"then", "afterwards", "afterward", "thereafter", "later", "before", "finally", "lastly", "subsequently"}
_BACKWARD = {"after", "following"}
_FRONTED = re.compile(r"^\W*(?:shortly |soon |just |right )?(after|following|before) ([^,]+), (.+)$")
_OPENED = re.compile(r"^\W*(?:shortly |soon |just |right )?(after|following|before) ([^,]+)$")
_MANNER = r"(?:(?:\w+ly|soon|later|then|next|up|on|right|again|after|almost|immediately) )*"
_A_WHILE = r"(?:(?:a|an|some|several|few|little|short|long|brief|couple|of|bit|half|another) )*"
_MENTION = r"((?:(?!,|\band\b).)+?)"
_STOP = r"(?= *(?:$|[.,;]))"
_SPAN = r"(?:whiles?|times?|moments?|seconds?|minutes?|pauses?|bit|instant|beat)"
#: One way to say each thing, so that few cues need be known.
_PLAIN = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:every )?now and then\b|\btime after time\b", " "),
        (r"\b(?:the|each|every|to|a) next\b", " "),
        (r"\bnext (?:to|door)\b", "by"),
        (r"(?:,|\band) next\b", " then"),
        (rf"\bfollow(?:ed|ing) {_MANNER}(?:by|with|my|me)\b", "then"),
        (r"\bfollowed (?:(?!by\b)\w+ ){1,3}by\b", "then"),
        (r"\bprior to\b|\bpreced(?:es?|ing)\b(?! by)", "before"),
        (r"\bpreced(?:ed|ing) by\b", "after"),
        (r"\b(?:after|following) (?:which|that|this)\b", "then"),
        (rf"\bafter {_A_WHILE}{_SPAN}\b", "then"),
        (r"\b(?:and|then) (?:after|following) ([^,]+), ", r"then \1 then "),
        (r"^\W*until ([^,]+), (.+)$", r"\2 until \1"),
    )
]
#: What tells an order in one sentence and none in another: a caption is read both ways.
_VAGUE = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (
            rf"(?:, and|,|\band|\bwith|\bas) {_MENTION} follow(?:s|ing)?(?= *(?:$|[.,;]|(?:and|then|soon|shortly)\b))",
            r" then \1",
        ),
        (r"\bfollows\b", "after"),
        (rf"(?:, and|,|\band|\bwith) {_MENTION} {_A_WHILE}(?:{_SPAN} )?later(?: on)?{_STOP}", r" then \1"),
        (r"\b(?:and|,) (?:soon|shortly|right|just|immediately) (?:after|following)\b", "then"),
        (r"\b(?:end(?:s|ed|ing)?|finish(?:es|ing)?|conclud(?:es|ing)) (?:with|in|by)\b", "then"),
        (r"\b(?:lead(?:s|ing)? (?:up )?(?:in)?to|giv(?:es?|ing) way to|turn(?:s|ing)? into)\b", "then"),
        (r"\b(?:chang(?:es|ing)|transition(?:s|ing)?) (?:in)?to\b", "then"),
        (r"\bsucceeded by\b|\buntil\b|\beventually\b", "then"),
        (r"\bnext\b", "then"),
    )
]  # fmt: skip

#: Without any of these there is one part.
_ANY_CUE = re.compile(
    r"\b(?:then|after|before|follow|preced|prior|next|later|finally|lastly|subsequent|thereafter|until|eventual|succeed"
    r"|end|finish|conclud|lead|giv|turn|chang|transition)"
)


def segments(text: str) -> list[set[str]]:
    """Return the content stems of a caption's parts in the order in which they are heard.

    Parts are split at followed by, preceded by, precedes, prior to, then, before, after, following, later, afterwards,
    thereafter, finally, lastly, subsequently. "As", "while" and "and" do not split: what they join is heard at one
    time, or in no stated order.
    """
    return [set(part) for part in _parts(_plain(text))]


def same_order(one: str, other: str) -> bool:
    """Tell whether two captions state the same order: as many parts, and no pair of shared words turned round.

    Words that tell an order in some sentences only ("A until B", "B follows", "After A B" without its comma) count for
    the caption where that makes the two agree. Where both captions have the same such word, it counts in both.
    """
    shared = _vague_cues(one) & _vague_cues(other)
    return any(_agree(a, b) for a in _readings(one, shared) for b in _readings(other, shared))


@lru_cache(maxsize=8192)
def _vague_cues(text: str) -> frozenset[int]:
    """Return which of the words that tell an order in some sentences only a caption has."""
    low = _plain(text)
    if not _ANY_CUE.search(low):
        return frozenset()
    return frozenset(index for index, (pattern, _) in enumerate(_VAGUE) if pattern.search(low))


def _plain(text: str) -> str:
    low = " ".join(text.lower().replace("’", "'").split())
    if not _ANY_CUE.search(low):
        return low
    for pattern, plain in _PLAIN:
        low = pattern.sub(plain, low)
    return low


@lru_cache(maxsize=8192)
def _readings(text: str, told: frozenset[int] = frozenset()) -> tuple[Parts, ...]:
    """Return the orders that a caption may tell; the vague cues that are `told` count in every one of them."""
    low = _plain(text)
    if not _ANY_CUE.search(low):
        return (_parts(low),)
    vague = low
    for index, (pattern, plain) in enumerate(_VAGUE):
        vague = pattern.sub(plain, vague)
        if index in told:
            low = pattern.sub(plain, low)
    found = [_parts(low)]
    if vague != low:
        found.append(_parts(vague))
    opened = _OPENED.match(low)
    if opened:
        cue, rest = opened.groups()
        words = rest.split()
        found += [_parts(f"{cue} {' '.join(words[:k])}, {' '.join(words[k:])}") for k in range(1, len(words))]
    return tuple(dict.fromkeys(found))


def _parts(low: str) -> Parts:
    fronted = _FRONTED.match(low)
    if fronted:
        cue, head, tail = fronted.groups()
        sides = [_parts(head), _parts(tail)]
        return tuple(part for side in (reversed(sides) if cue == "before" else sides) for part in side)
    ordered: list[list[str]] = [[]]
    place = 0  # of the part being read, in order of time
    words = tokens(low)
    for word, nearby in zip(words, (*words[1:], ""), strict=False):
        cue = _cue(word, nearby)
        if cue is None:
            if word not in FUNCTION_WORDS:
                ordered[place].append(stem(word))
        elif ordered[place]:
            # "Y after X": X was heard just before Y.
            place = place if cue == "backward" else len(ordered)
            ordered.insert(place, [])
    return tuple(frozenset(part) for part in ordered if part)


def _cue(word: str, nearby: str) -> str | None:
    if word in _FORWARD:
        return "forward"
    return "backward" if word in _BACKWARD and nearby not in {"another", "one"} else None


def _agree(a: Parts, b: Parts) -> bool:
    if len(a) != len(b):
        return False
    return not any(
        left in b[j] and right in b[i] and left not in b[i] and right not in b[j]
        for i in range(len(a))
        for j in range(i + 1, len(a))
        for left in _only_in(a, i)
        for right in _only_in(a, j)
    )


def _only_in(parts: Parts, index: int) -> frozenset[str]:
    return parts[index].difference(*(part for k, part in enumerate(parts) if k != index))
