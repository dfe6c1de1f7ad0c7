"""A caption cut short where its words allow it."""

from __future__ import annotations

import re

from clapline.text.words import FUNCTION_WORDS, tokens, word_set
from stages.captions.builtin.scenes import read_scene

#: Captions that do not begin with what is heard: they cannot follow "followed by", nor be cut behind their beginning.
FRONTED = re.compile(r"^(?:while|as|when|after|before|in|on|at|with|from|outside|inside|during|there|it|near|by)\b")
_SHORTEST_CUT = 3
_CUT_BEFORE = word_set(
    "and while as then followed before after with at from near by outside over under inside behind through along "
    "around against across towards toward which when in on but using during including or until similar of"
)
_PARTICLES = word_set("in on at up by over through from")  # behind a verb they belong to it: "is turned on"
_CLOSING = word_set("up down off on out away around over past")
_CONJUNCTIONS = word_set("and while as then followed before after")
_NO_END = word_set("all being getting very more one other some many loud large small mixed together along")


def shortened(body: str, room: int) -> str:
    """Return a caption cut before a conjunction, an order word or a preposition, the last that leaves `room` words."""
    if len(tokens(body)) <= room:
        return body
    if FRONTED.match(body):
        body = read_scene(body).parts[0]
    words = body.split(" ")
    low = [word.lower().strip(",;") for word in words]
    best = rough = None
    for place in range(_SHORTEST_CUT, len(words) + 1):
        kept = " ".join(words[:place]).rstrip(" ,;")
        if len(tokens(kept)) > room:
            break
        if place == len(words) or _may_end(low[place - 1], low[place], comma=words[place - 1].endswith(",")):
            best = kept
        elif low[place] in _CUT_BEFORE and low[place - 1] not in FUNCTION_WORDS | _NO_END:
            rough = kept  # reads worse, but a caption that is too long is none at all
    return best or rough or body


def _may_end(last: str, following: str, *, comma: bool) -> bool:
    """Tell whether a caption may end between two of its words."""
    if last in _CLOSING and (comma or following in _CONJUNCTIONS):
        return True  # "a box is picked up | and dropped"
    if last in FUNCTION_WORDS or last in _NO_END:
        return False
    if following in _PARTICLES and re.search(r"(?:ed|en|ut|ing|s)$", last):
        # "a man walks | in a wood" may end there, "a lamp is turned | on" may not; nouns in -s are no loss.
        return comma or (following in {"in", "at", "from"} and last.endswith(("ing", "s")))
    return comma or (following in _CUT_BEFORE and following != "of")
