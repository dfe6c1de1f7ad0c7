"""The captions of mixtures, by rule: two captions shortened where needed, edited, and joined in one sentence."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clapline.text.words import FUNCTION_WORDS, content_stems, tokens, word_set
from stages.captions.builtin.clauses import Part, read_part
from stages.captions.builtin.forms import gerund
from stages.captions.builtin.scenes import read_scene, unframed
from stages.captions.builtin.shortening import FRONTED, shortened

_LONGEST_WORDS = 30
_JOIN_WORDS = 2  # of the shortest template of each relation
_EDIT_WORDS = 5
#: Words that are left free, and the first caption's share of the rest: tried until a wording is short enough.
_ROOMS = ((0, 0.5), (0, 0.6), (0, 0.4), (4, 0.5), (8, 0.5), (12, 0.5))
_ENOUGH = 1 / 3
_LOUDNESS = word_set(
    "loud louder loudly quiet quieter quietly soft softer softly faint fainter faintly strong strongly heavy heavily "
    "hard gently gentle lightly light distant slightly"
)
_DEGREES = {
    "": {"adverb": "{}", "more": "{}"},
    "slightly": {"adverb": "rather {}", "more": "a little {}"},
    "much": {"adverb": "very {}", "more": "much {}"},
}
#: What is heard of an edit, in words that fit behind a phrase or a clause.
_TRAILING = {
    "louder": ("{more} than the other sound", "played {more}"),
    "quieter": ("{more} than the other sound", "played {more}"),
    "higher": ("at a {more} pitch", "in a {more} tone"),
    "lower": ("at a {more} pitch", "in a {more} tone"),
    "faster": ("{more} than usual", "at a {more} pace"),
    "slower": ("{more} than usual", "at a {more} pace"),
}
_ADVERBS = {"louder": "loudly", "quieter": "quietly"}
_SPEEDS = ("faster", "slower")
_PACE = word_set("fast quick quickly rapid rapidly slow slowly steadily speed speeding")
_ADJECTIVES = {"louder": "loud", "quieter": "quiet"}
_AMOUNTS = word_set("large small big huge multiple various several many two three four five")
_ARTICLE = re.compile(r"^(?:a|an) ")
_INTRANSITIVE = re.compile(
    r"^(?:in|on|at|near|by|outside|inside|behind|through|over|under|along|around|while|as|from)\b"
)


@dataclass(frozen=True)
class _Side:
    """One of the two captions as words: as it stands, as a clause, and as a phrase, where there is such a form."""

    text: str
    clause: str | None
    phrase: str | None


def mixed_captions(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    """Return the `turn`-th wording of a mixture's caption for the wanted name; wordings come in an order of its own."""
    bodies = [_body(asked["first"]), _body(asked["second"])]
    edits = [asked["edits"].get("first", ""), asked["edits"].get("second", "")]
    seed = "\x1f".join([*bodies, *edits, asked["relation"]])
    join = _one_after_the_other if asked["relation"] == "concatenate" else _at_once
    texts: list[str] = []
    for slack, share in _ROOMS:
        rooms = _rooms(bodies, edits, slack, share)
        sides = [
            _side(shortened(body, room), edit, _draw(seed, place))
            for place, (body, edit, room) in enumerate(zip(bodies, edits, rooms, strict=True))
        ]
        made = [text for text in join(*sides) if len(tokens(text)) <= _LONGEST_WORDS]
        # The last template fits whatever the sides are: the others come first, turned by a hash so that all are used.
        start = _draw(seed, 7) % max(1, len(made) - 1)
        texts += [*made[start:-1], *made[:start], *made[-1:]]
    # What is cut short must not lose a clip: wordings that keep enough of both come first.
    texts = sorted(dict.fromkeys(texts), key=lambda text: _kept(bodies, text) < _ENOUGH)
    texts = texts or [f"{bodies[0]}, {bodies[1]}"]
    chosen = texts[turn % len(texts)]
    return {name: chosen[0].upper() + chosen[1:] + "." for name in wanted}


def _one_after_the_other(first: _Side, second: _Side) -> Iterator[str]:
    if second.phrase:
        yield f"{first.text}, followed by {second.phrase}"
        yield f"{first.text}, and then {second.phrase}"
    if first.phrase and second.phrase:
        yield f"first {first.phrase}, then {second.phrase}"
    if first.clause and second.clause:
        yield f"{first.clause}, and then {second.clause}"
        yield f"{first.clause}, and afterwards {second.clause}"
    yield f"{first.text}, then {second.text}"


def _at_once(first: _Side, second: _Side) -> Iterator[str]:
    if first.clause and second.clause:
        comma = "," if "," in first.clause else ""
        yield f"{first.clause}{comma} while {second.clause}"
        yield f"{second.clause}, and at the same time {first.clause}"
    if second.phrase:
        yield f"{first.text}, together with {second.phrase}"
    if first.phrase:
        yield f"{second.text}, along with {first.phrase}"
    if first.phrase and second.phrase and "," not in first.phrase + second.phrase:
        yield f"{first.phrase} and {second.phrase} at the same time"
    yield f"{first.text}, and at the same time {second.text}"


def _side(body: str, edit: str, draw: int) -> _Side:
    scene = read_scene(body)
    part = read_part(body)
    single = scene.relation == "one" and not scene.setting and "," not in body
    if single:
        text, clause, phrase = body, _clause_of(part), _phrase_of(part)
    else:
        text = body
        clause = body if _is_clause(body) else None
        phrase = _long_phrase(body, clause is not None)
    if not edit:
        return _Side(text, clause, phrase)
    word, degree = _read_edit(edit)
    if single and word in _ADVERBS and draw % 2 and not _LOUDNESS & set(tokens(body)):
        said = _DEGREES[degree]["adverb"]
        if part.kind in {"clause", "participle"}:
            phrase, clause = _with_adverb(part, said.format(_ADVERBS[word]))
            return _Side(phrase, clause, phrase)
        if part.kind == "noun":
            loud = _with_adjective(body, said.format(_ADJECTIVES[word]))
            if loud:
                return _Side(loud, f"{loud} can be heard", loud)
    choices = _TRAILING[word]
    place = draw // 2 % len(choices)
    if single and (part.kind == "noun" or (word in _SPEEDS and _PACE & set(tokens(body)))):
        place = 1  # "a drill faster than usual", "it runs fast faster than usual"
    elif single and word in _ADVERBS:
        place = 0  # "it barks played louder"
    said = choices[place]
    more = {"slightly": f"slightly {word}"}.get(degree) if " a {" in said else None
    trail = said.format(more=more or _DEGREES[degree]["more"].format(word))
    trail = f" {trail}" if single else f", all {trail}"
    return _Side(*(form and form + trail for form in (text, clause, phrase)))


def _clause_of(part: Part) -> str | None:
    # "A hum with things moving": it is not the hum that moves.
    if part.kind == "participle" and re.search(r" (?:with|from|in|on|at|by|near) ", part.subject):
        return f"{part.text} can be heard"
    return part.clause()


def _phrase_of(part: Part) -> str | None:
    return None if FRONTED.match(part.text) else part.heard_thing()


def _is_clause(body: str) -> bool:
    """Tell whether a caption of several parts begins with a clause, not with a phrase."""
    scene = read_scene(body)
    return read_part(unframed(scene.parts[0])).told


def _long_phrase(body: str, clause: bool) -> str | None:
    """Return a caption of several parts in a form that can follow "followed by"."""
    if FRONTED.match(body):
        return None
    if not clause:
        return body
    scene = read_scene(body)
    if scene.relation not in {"while", "and"} or scene.setting_first:
        return None
    head, *rest = [read_part(part) for part in scene.parts]
    tails = [part.clause() if scene.relation == "while" else part.heard_thing() for part in rest]
    forms = [head.heard_thing(), *tails]
    whole = {"while": " while ", "and": " and "}[scene.relation].join(form for form in forms if form)
    return None if None in forms else whole + (f", {scene.setting}" if scene.setting else "")


def _with_adverb(part: Part, adverb: str) -> tuple[str, str]:
    """Return "a dog barking loudly in a yard" and "a dog is barking loudly in a yard"."""
    verb = " ".join(word for word in (part.adverbs, gerund(part.base)) if word)
    rest = (part.heard_thing() or "").removeprefix(f"{part.subject} {verb}").strip()
    told = [adverb, rest] if _INTRANSITIVE.match(rest) else [rest, adverb]
    done = " ".join(piece for piece in (verb, *told) if piece)
    return f"{part.subject} {done}", f"{part.subject} {part.be} {done}"


def _with_adjective(phrase: str, adjective: str) -> str | None:
    """Return "a loud engine" for "an engine", "loud rain" for "rain"; None behind other determiners."""
    if _ARTICLE.match(phrase):
        return f"a {adjective} {_ARTICLE.sub('', phrase)}"
    head = phrase.split(" ", 1)[0]
    if head == "the":
        return f"the {adjective} {phrase[4:]}"
    return None if head in FUNCTION_WORDS | _AMOUNTS else f"{adjective} {phrase}"


def _read_edit(edit: str) -> tuple[str, str]:
    """Return the direction and the degree that an edit's words name."""
    words = tokens(edit)
    word = next((word for word in words if word in _TRAILING), "louder")
    return word, next((word for word in words if word in _DEGREES), "")


def _body(caption: str) -> str:
    """Return a caption without its full stop and frame, its first letter small."""
    text = " ".join(caption.split()).rstrip(" .;,!?")
    text = text.lower() if text.isupper() else text
    first = text.split(" ", 1)[0]
    if text and first != "I" and not (len(first) > 1 and first.isupper()):
        text = text[0].lower() + text[1:]
    body = unframed(re.sub(r"^first,? (?:comes )?", "", text)) or caption
    body = re.sub(r" (?:can be heard|is heard|are heard), ", ", ", body)
    scene = read_scene(body)
    if scene.relation == "while" and not scene.setting and re.match(r"(?:while|as|when)\b", body):
        return " while ".join(scene.parts)
    if scene.relation == "then" and not scene.setting and re.match(r"(?:before|after|following)\b", body):
        return " and then ".join(scene.parts)
    return body


def _rooms(bodies: list[str], edits: list[str], slack: int, share: float) -> tuple[int, int]:
    """Return how many words each caption may have: its share of the room, and what the other leaves."""
    room = _LONGEST_WORDS - slack - _JOIN_WORDS - _EDIT_WORDS * sum(map(bool, edits))
    first, second = (len(tokens(body)) for body in bodies)
    own = round(room * share)
    return max(own, room - second), max(room - own, room - first)


def _kept(bodies: list[str], text: str) -> float:
    """Return the smaller of the shares of the two captions' content words that a text holds."""
    said = set(content_stems(text))
    stems = [set(content_stems(body)) for body in bodies]
    return min(len(words & said) / len(words) if words else 1.0 for words in stems)


def _draw(text: str, place: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{place}\x1f{text}".encode(), digest_size=6).digest(), "big")
