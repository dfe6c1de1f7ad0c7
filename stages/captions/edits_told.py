"""Whether a mixture's caption tells the edits, each of the clip it was done to and in its direction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clapline.text.words import content_stems, stem, tokens, word_set
from stages.captions.recipes import Edit

#: Words of which one at least must be said of an edit, by what is edited and whether it rises.
_SAYING = {
    ("volume", True): word_set(
        "loud louder loudest loudly amplified blaring booming prominent prominently dominating dominant dominates "
        "drowning strong stronger strongly intense overpowering raised increased"
    ),
    ("volume", False): word_set(
        "quiet quieter quietly soft softer softly faint fainter faintly hushed muted dim subdued gentle gently subtle "
        "background low lower lowered barely distant reduced"
    ),
    ("pitch", True): word_set("high higher highest raised shrill squeaky treble squeaking shriller sharper heightened"),
    ("pitch", False): word_set("low lower lowest lowered deep deeper deepened bass"),
    ("speed", True): word_set(
        "fast faster quick quicker quickly rapid rapidly sped speed swift swiftly brisk briskly hurried hurriedly "
        "accelerated speedy speedily hasty"
    ),
    ("speed", False): word_set(
        "slow slower slowly slowed sluggish sluggishly unhurried unhurriedly leisurely dragging"
    ),
}
_ALL = frozenset().union(*_SAYING.values())
#: Stems that tell an edit, not a sound.
OF_EDITS = frozenset(stem(word) for word in _ALL | word_set("pitch tone pace speed volume level usual"))
_SEPARATE = re.compile(
    r"[,;]|\b(?:while|whilst|as|when|then|and|but|before|after|afterwards|followed by|together with|along with|over)\b"
)
_LESS = re.compile(r"\bless (\w+)")
_TURNED = {("volume", True): "quieter", ("volume", False): "louder"}
_PITCH = word_set("pitch pitched tone voice note notes key register")
#: They stand for a whole clip in "all slower than usual", whichever caption has them too.
_ANY_CLIP = word_set("all both played other usual normal")


@dataclass(frozen=True)
class _Said:
    """A word that may tell an edit: said of the first clip (0), the second (1), or of none that shows (None)."""

    word: str
    side: int | None
    compared: int | None  # the clip it is compared with: "louder than the dog"
    of_pitch: bool  # "in a low tone": not of the level
    stronger: bool  # "more loudly": a caption's "loudly" does not say it


def edits_told(captions: tuple[str, str], edits: Sequence[Edit | None], text: str) -> str | None:
    """Return the failure "edits", or None: every edit is told by a word that the captions did not have anyway.

    A word counts for the clip whose words stand beside it, for either where none or those of both do. What says the
    opposite of an edit of its clip is refused.
    """
    found = _beyond(captions, _said(captions, text))
    telling: list[set[int]] = []
    for side, edit in enumerate(edits):
        if edit is None:
            continue
        name = ("first", "second")[side]
        ways = [_direction(said, side, edit) for said in found]
        if -1 in ways:
            return f"edits: {found[ways.index(-1)].word} says the opposite of the {name}, which is {edit.words()}"
        telling.append({place for place, way in enumerate(ways) if way == 1})
        if not telling[-1]:
            return f"edits: that the {name} is heard {edit.words()} is not told"
    if len(telling) == 2 and len(telling[0] | telling[1]) < 2 and "both" not in tokens(text):
        return f"edits: {found[telling[0].pop()].word} tells one edit; there are two"
    return None


def _direction(said: _Said, side: int, edit: Edit) -> int:
    """Return 1 where a word tells the edit of a clip, -1 where it tells the opposite, else 0."""
    along, against = said.word in _SAYING[edit.kind, edit.rises], said.word in _SAYING[edit.kind, not edit.rises]
    if not (along or against) or (edit.kind == "volume" and said.of_pitch):
        return 0
    if said.side in (side, None) and said.compared != side:
        return 1 if along else -1 if said.side == side else 0
    # Of the other clip: it says something of this one only where the two are compared, and of nothing but the level.
    if edit.kind == "volume" and said.compared == side:
        return 1 if against else -1
    return 0


def _said(captions: tuple[str, str], text: str) -> list[_Said]:
    one, other = (set(content_stems(caption)) for caption in captions)
    neutral = OF_EDITS | {stem(word) for word in _ANY_CLIP}
    own = (one - other - neutral, other - one - neutral)
    found = []
    low = _LESS.sub(_plainly, text.lower())
    for part in _SEPARATE.split(low):
        head, _, behind = part.partition(" than ")
        compared = _side(own, behind)
        side = _side(own, head)
        if side is None and compared is not None and not set(content_stems(head)) & (own[0] | own[1]):
            side = 1 - compared
        words = tokens(head)
        for place, word in enumerate(words):
            if word in _ALL:
                stronger = words[max(0, place - 1) : place] == ("more",)
                found.append(_Said(word, side, compared, bool(_PITCH & set(words[place + 1 : place + 2])), stronger))
        # Behind "than" nothing tells an edit: "louder than the soft rain".
    return found


def _side(own: tuple[set[str], set[str]], text: str) -> int | None:
    stems = set(content_stems(text))
    here = [bool(stems & words) for words in own]
    return here.index(True) if sum(here) == 1 else None


def _beyond(captions: tuple[str, str], found: list[_Said]) -> list[_Said]:
    """Return what is left when the words that the captions had are taken away, each from its own clip."""
    had = [Counter(_key(word) for word in tokens(caption) if word in _ALL) for caption in captions]
    left = []
    for said in sorted(found, key=lambda said: said.side is None):
        key = _key(said.word)
        sides = [said.side] if said.side is not None else [0, 1]
        taken = next((side for side in sides if had[side][key]), None)
        if taken is None or said.stronger:
            left.append(said)
        else:
            had[taken][key] -= 1
    return left


def _key(word: str) -> str:
    """Return what "loud" and "loudly" share; "louder" says more and stays apart."""
    return word.removesuffix("ly").removesuffix("le")


def _plainly(match: re.Match[str]) -> str:
    """Read "less loud" as "quieter"."""
    word = match.group(1)
    for way, opposite in _TURNED.items():
        if word in _SAYING[way]:
            return opposite
    return match.group()
