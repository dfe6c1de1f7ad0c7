"""Frames around a whole caption, for those whose structure the rules cannot read."""

from __future__ import annotations

import re

from stages.captions.builtin import tagging as t
from stages.captions.builtin.clauses import read_part
from stages.captions.builtin.tagging import tagged

_FINITE = {
    "train": ("it can be heard how {}", "you can hear how {}", "{}, as can be heard"),
    "test": ("this is what it sounds like when {}", "what can be heard is how {}", "what is heard is that {}"),
}
_THING = {
    "train": ("{} can be heard", "you can hear {}", "{} is heard"),
    "test": ("what is heard is {}", "what can be heard is {}", "there is {}"),
}
_ANY = {
    "train": ("heard in this recording: {}", "{}: this can be heard", "to be heard in this recording: {}"),
    "test": ("what can be heard here: {}", "what is heard: {}", "{}: this is what can be heard"),
}
_TERSE = {"train": ("{} heard", "hearing {}", "{} audible"), "test": ("what sounds: {}", "here {}", "hear {}")}


#: Every frame of a purpose.
FRAMES = {
    purpose: (*_FINITE[purpose], *_THING[purpose], *_ANY[purpose], *_TERSE[purpose]) for purpose in ("train", "test")
}


def whole_texts(body: str, bare: str, purpose: str) -> list[str]:
    """Return a caption in the frames of a purpose; `bare` is the caption without a frame of its own."""
    kind = read_part(bare).kind
    finite = _is_told(bare)
    if len(bare.split()) < 3:
        frames = _TERSE[purpose]
    elif finite:
        frames = _FINITE[purpose]
    elif kind in {"noun", "participle"}:
        frames = _THING[purpose]
    else:
        frames = ()
    listed = [frame.format(bare) for frame in frames]
    return listed + [frame.format(body if finite else bare) for frame in _ANY[purpose]]


def _is_told(text: str) -> bool:
    """Tell whether a text is a full clause that begins with its subject."""
    words = tagged(text)
    if not words or words[0].part in {t.PREPOSITION, t.INFINITIVE, t.JOINING, t.ADVERB}:
        return False
    kind = read_part(text).kind
    return kind in {"clause", "passive", "finite"} or read_part(re.split(r", | and ", text)[0]).told
