"""The rules that say a scene in another structure. Each has a name and serves one purpose, training or benchmarks.

A rule gives None where it does not fit. Rules of rank 0 change the sentence itself (order, voice, verb to
noun); those of rank 1 hang it in another frame; those of rank 2 fit any caption and come last. The rules of the
benchmarks are marked by words that no rule of training uses: whilst, meanwhile, preceded by, later, what, there is,
it is … that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.captions.builtin.clauses import Part, read_part
from stages.captions.builtin.scenes import Scene, leans_back, subjectless
from stages.captions.builtin.whole import FRAMES

Parts = Sequence[Part]


@dataclass(frozen=True)
class Rule:
    """A way to say a scene whose relation is one of `relations` ("any": all of them)."""

    name: str
    purpose: str
    rank: int
    relations: tuple[str, ...]
    say: Callable[[Scene, Parts], str | None]


RULES: list[Rule] = []


def _rule(purpose: str, rank: int, *relations: str) -> Callable[[Callable[[Scene, Parts], str | None]], None]:
    def register(say: Callable[[Scene, Parts], str | None]) -> None:
        RULES.append(Rule(say.__name__.strip("_"), purpose, rank, relations, say))

    return register


def templates(purpose: str) -> tuple[str, ...]:
    """Return the rules and frames that serve a purpose, "train" or "test"; the two have none in common."""
    return (*(rule.name for rule in RULES if rule.purpose == purpose), *FRAMES[purpose])


def _put(pattern: str, *pieces: str | None) -> str | None:
    """Return the pattern with the pieces in it, or None when one is missing."""
    return None if any(not piece for piece in pieces) else pattern.format(*pieces)


def _pair(parts: Parts) -> tuple[Part, Part] | None:
    """Return the two parts when both can stand alone, in any order."""
    if len(parts) != 2 or any(leans_back(part.text) for part in parts):
        return None
    return parts[0], parts[1]


def _commas(*parts: Part) -> bool:
    return any("," in part.text for part in parts)


def _earlier(part: Part) -> str | None:
    """Return what stands behind "after": "a dog barks", "loud barks"."""
    return part.text if part.kind == "noun" else part.simple_clause()


def _side(parts: Parts) -> bool:
    """Tell whether "while it passes" or "while eating" can come first."""
    told = parts[1].told or parts[1].text.split(" ")[0].endswith("ing")
    return told and bool(parts[0].clause()) and parts[0].kind != "noun" and not _commas(*parts)


# Training: order in time ────────────────────────────────────────────────────────────────────────────────────────────


@_rule("train", 0, "then")
def _after_first(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or "," in pair[0].text:
        return None
    return _put("after {}, {}", _earlier(pair[0]), pair[1].clause())


@_rule("train", 0, "then")
def _heard_after(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("{} after {}", pair[1].can_be_heard(), _earlier(pair[0])) if pair else None


@_rule("train", 0, "then")
def _told_after(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or pair[1].kind == "noun":
        return None
    return _put("{} after {}", pair[1].clause(), _earlier(pair[0]))


@_rule("train", 0, "then")
def _following(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or "," in pair[0].text:
        return None
    return _put("following {}, {}", pair[0].heard_thing(), pair[1].clause())


@_rule("train", 0, "then")
def _after_doing(scene: Scene, parts: Parts) -> str | None:
    if len(parts) != 2 or not parts[0].doing() or subjectless(parts[1].text) is None:
        return None
    return _put("after {}, {} {}", parts[0].doing(), parts[0].subject, parts[1].text)


@_rule("train", 0, "then")
def _after_all_but_last(scene: Scene, parts: Parts) -> str | None:
    if len(parts) < 3 or any(leans_back(part.text) for part in parts) or _commas(*parts):
        return None
    things = [part.heard_thing() for part in parts[:-1]]
    if None in things:
        return None
    return _put("after {}, {}", " and then ".join(str(thing) for thing in things), parts[-1].clause())


@_rule("train", 0, "then")
def _after_first_the_others(scene: Scene, parts: Parts) -> str | None:
    if len(parts) < 3 or any(leans_back(part.text) for part in parts) or _commas(*parts):
        return None
    things = [part.heard_thing() for part in parts[1:]]
    if None in things:
        return None
    return _put("after {}, {} can be heard", _earlier(parts[0]), " and then ".join(str(thing) for thing in things))


# Training: at one time ──────────────────────────────────────────────────────────────────────────────────────────────


@_rule("train", 0, "while", "with")
def _while_second(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("while {}, {}", pair[1].clause(), pair[0].clause()) if pair and "," not in pair[1].text else None


@_rule("train", 0, "while", "with")
def _as_second(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("as {}, {}", pair[1].clause(), pair[0].clause()) if pair and "," not in pair[1].text else None


@_rule("train", 0, "while", "with")
def _with_second(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or _commas(*pair):
        return None
    return _put("with {}, {}", pair[1].heard_thing(), pair[0].clause())


@_rule("train", 0, "while", "with")
def _second_as_first(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("{} as {}", pair[1].can_be_heard(), pair[0].clause()) if pair else None


@_rule("train", 0, "pronoun while", "pronoun as", "pronoun when")
def _pronoun_side_first(scene: Scene, parts: Parts) -> str | None:
    if not _side(parts):
        return None
    return f"{scene.relation.split(' ')[1]} {parts[1].text}, {parts[0].clause()}"


# Training: "and" ────────────────────────────────────────────────────────────────────────────────────────────────────


@_rule("train", 0, "and")
def _other_way_round(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or _commas(*pair):
        return None
    if pair[0].kind == pair[1].kind == "noun":
        return f"{pair[1].text} and {pair[0].text} can be heard"
    return _put("{} and {}", pair[1].clause(), pair[0].clause())


@_rule("train", 0, "and")
def _both_heard(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or _commas(*pair):
        return None
    return _put("{} and {} can be heard", pair[1].heard_thing(), pair[0].heard_thing())


# Training: one part ─────────────────────────────────────────────────────────────────────────────────────────────────


@_rule("train", 0, "one")
def _place_first(scene: Scene, parts: Parts) -> str | None:
    front = parts[0].fronted()
    if not front:
        return None
    place, rest = front
    return _put("{}, {}", place, read_part(rest).clause())


@_rule("train", 0, "one")
def _passive(scene: Scene, parts: Parts) -> str | None:
    return parts[0].passive()


@_rule("train", 0, "one")
def _active(scene: Scene, parts: Parts) -> str | None:
    return parts[0].active()


@_rule("train", 0, "one")
def _verb_to_noun(scene: Scene, parts: Parts) -> str | None:
    return _put("{} can be heard", parts[0].nominal())


@_rule("train", 0, "one")
def _place_first_heard(scene: Scene, parts: Parts) -> str | None:
    front = parts[0].fronted()
    return _put("{}, {}", front[0], read_part(front[1]).can_be_heard()) if front else None


@_rule("train", 1, "one")
def _heard(scene: Scene, parts: Parts) -> str | None:
    return parts[0].can_be_heard()


@_rule("train", 1, "one")
def _you_can_hear(scene: Scene, parts: Parts) -> str | None:
    return _put("you can hear {}", parts[0].heard_thing())


@_rule("train", 1, "one")
def _in_progress(scene: Scene, parts: Parts) -> str | None:
    part = parts[0]
    if part.kind == "participle" or (part.kind == "clause" and not part.progressive):
        return part.progressive_clause()
    if part.kind == "passive":
        return part.text if part.text != scene.parts[0] else None
    return part.simple_clause() if part.kind == "clause" else None


# Benchmarks: order in time ──────────────────────────────────────────────────────────────────────────────────────────


@_rule("test", 0, "then")
def _preceded(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("{}, preceded by {}", pair[1].heard_thing(), pair[0].heard_thing()) if pair else None


@_rule("test", 0, "then")
def _there_is_preceded(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or pair[1].definite or not pair[1].heard_thing():
        return None
    return _put("there {} {}, preceded by {}", pair[1].there, pair[1].heard_thing(), pair[0].heard_thing())


@_rule("test", 0, "then")
def _later_on(scene: Scene, parts: Parts) -> str | None:
    if len(parts) < 2 or any(leans_back(part.text) for part in parts):
        return None
    things = [part.heard_thing() for part in parts]
    if None in things:
        return None
    return f"what is heard is {' and later '.join(str(thing) for thing in things)}"


@_rule("test", 0, "then")
def _before_doing(scene: Scene, parts: Parts) -> str | None:
    doing = subjectless(parts[-1].text)
    if len(parts) != 2 or not doing or not parts[0].told:
        return None
    return f"before {doing}, {parts[0].text}"


@_rule("test", 1, "then")
def _afterwards(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or pair[0].definite or not pair[0].heard_thing():
        return None
    return _put("there {} {}, and afterwards {}", pair[0].there, pair[0].heard_thing(), pair[1].clause())


# Benchmarks: at one time ────────────────────────────────────────────────────────────────────────────────────────────


@_rule("test", 0, "while", "with")
def _whilst_second(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("whilst {}, {}", pair[1].clause(), pair[0].clause()) if pair and "," not in pair[1].text else None


@_rule("test", 0, "while", "with", "and")
def _second_whilst_first(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    return _put("{} whilst {}", pair[1].clause(), pair[0].clause()) if pair else None


@_rule("test", 0, "while", "with", "and")
def _second_meanwhile_first(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or pair[1].definite or not pair[1].heard_thing():
        return None
    return _put("there {} {} and meanwhile {}", pair[1].there, pair[1].heard_thing(), pair[0].heard_thing())


@_rule("test", 0, "pronoun while", "pronoun as", "pronoun when")
def _whilst_pronoun_side(scene: Scene, parts: Parts) -> str | None:
    if not _side(parts):
        return None
    return f"whilst {parts[1].text}, {parts[0].clause()}"


# Benchmarks: "and" ──────────────────────────────────────────────────────────────────────────────────────────────────


@_rule("test", 0, "and")
def _there_are_both(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or _commas(*pair) or pair[1].definite or not pair[1].heard_thing():
        return None
    return _put("there {} {} and also {}", pair[1].there, pair[1].heard_thing(), pair[0].heard_thing())


@_rule("test", 0, "and")
def _what_both(scene: Scene, parts: Parts) -> str | None:
    pair = _pair(parts)
    if not pair or _commas(*pair):
        return None
    return _put("what is heard is {} and also {}", pair[1].heard_thing(), pair[0].heard_thing())


# Benchmarks: one part ───────────────────────────────────────────────────────────────────────────────────────────────


@_rule("test", 0, "one")
def _what_is_heard_is_the(scene: Scene, parts: Parts) -> str | None:
    return _put("what is heard is {}", parts[0].nominal())


@_rule("test", 0, "one")
def _there_is_being_done(scene: Scene, parts: Parts) -> str | None:
    thing = parts[0].being_done()
    return _put("there {} {}", read_part(thing).there, thing) if thing and not thing.startswith("the ") else None


@_rule("test", 0, "one")
def _what_is_heard_being_done(scene: Scene, parts: Parts) -> str | None:
    return _put("what is heard is {}", parts[0].being_done())


@_rule("test", 1, "one")
def _it_is_that(scene: Scene, parts: Parts) -> str | None:
    if _commas(*parts) or len(parts[0].text.split()) > 9:
        return None
    return _put("it is {}", parts[0].relative())


@_rule("test", 0, "one")
def _it_is_there_that(scene: Scene, parts: Parts) -> str | None:
    front = parts[0].fronted()
    if not front or front[0].split(" ", 1)[0] not in {"in", "at", "on", "near", "outside", "inside", "under", "behind"}:
        return None
    return _put("it is {} that {}", front[0], read_part(front[1]).clause())


@_rule("test", 1, "one")
def _there_is(scene: Scene, parts: Parts) -> str | None:
    part = parts[0]
    if part.definite:
        return None
    return _put("there {} {}", part.there, part.heard_thing())


@_rule("test", 1, "one")
def _what_is_heard(scene: Scene, parts: Parts) -> str | None:
    return _put("what is heard is {}", parts[0].heard_thing())


@_rule("test", 1, "one")
def _what_can_be_heard(scene: Scene, parts: Parts) -> str | None:
    return _put("what can be heard is {}", parts[0].heard_thing())
