"""Paraphrases by rule: the builtin model's answer to the paraphrase prompts.

A caption is taken apart into a scene of one or two sides; templates put it together in another structure. Training
and benchmarks have templates of their own, as they have synonyms of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from clapline.text.order import same_order
from clapline.text.words import jaccard, order_overlap, tokens
from stages.captions.builtin import lexicon
from stages.captions.builtin.clauses import Part, Scene, read_part, read_scene, unframed
from stages.captions.builtin.forms import gerund
from stages.captions.builtin.verbs import base_of_third

_SAME_ENOUGH = 0.88  # the rules aim a little under the bounds of the checks
_OTHER_ENOUGH = 0.55
_FINITE = frozenset({"is", "are", "was", "were", "has", "have", "had", "does", "can"})


def paraphrase(caption: str, level: int, purpose: str, turn: int) -> str:
    """Return the `turn`-th paraphrase of a caption at a level; the caption itself when the rules find none."""
    if not tokens(caption):
        return caption
    body, stop = _body(caption)
    found: list[str] = []
    for structure in structures(body, purpose):
        text = reworded(structure, body, purpose, turn) if level == 2 else structure
        if _fits(body, text, level) and text not in found:
            found.append(text)
            if len(found) > turn:
                break
    text = found[min(turn, len(found) - 1)] if found else body
    return text[0].upper() + text[1:] + stop if caption[:1].isupper() else text + stop


def _body(caption: str) -> tuple[str, str]:
    """Return the caption without its full stop, its first letter small, and the stop."""
    text = " ".join(caption.split())
    stop = "." if text.endswith(".") else ""
    text = text.rstrip(" .;,")
    text = text.lower() if text.isupper() else text
    first = text.split(" ", 1)[0]
    if text and first != "I" and not (len(first) > 1 and first.isupper()):
        text = text[0].lower() + text[1:]
    return text or caption, stop


def _fits(body: str, text: str, level: int) -> bool:
    if tokens(text) == tokens(body) or not same_order(body, text):
        return False
    if not 0.5 <= len(tokens(text)) / max(1, len(tokens(body))) <= 2.0:
        return False
    if level == 2:
        return jaccard(body, text) <= _OTHER_ENOUGH + 0.05
    return jaccard(body, text) >= 0.8 and order_overlap(body, text) <= _SAME_ENOUGH


def structures(body: str, purpose: str) -> Iterator[str]:
    """Yield the caption in other structures, the most natural first."""
    scene = read_scene(body)
    parts = [read_part(part) for part in scene.parts]
    templates = {"train": _train, "test": _test}[purpose]
    for text in templates(scene, parts):
        if not scene.setting:
            yield text
        elif scene.setting_first == (purpose == "train"):
            yield f"{text}, {scene.setting}"
        else:
            yield f"{scene.setting}, {text}"
    yield from {"train": _train_whole, "test": _test_whole}[purpose](unframed(body))


def _train(scene: Scene, parts: list[Part]) -> Iterator[str]:
    first, last = parts[0], parts[-1]
    if scene.relation == "then" and len(parts) > 1:
        if _is_action(last.text):
            if len(parts) == 2 and first.verb and _action(last.text):
                yield f"after {first.verb} {first.rest}".strip() + f", {first.subject} {last.text}"
        elif len(parts) == 2:
            yield f"after {first.text}, {last.heard()}"
            yield f"{last.heard()} after {first.text}"
            yield f"following {first.participle()}, {last.heard()}"
        elif not any(_is_action(part.text) for part in parts):
            earlier = " and then ".join(part.participle() for part in parts[:-1])
            yield f"after {earlier}, {last.heard()}"
            rest = " and then ".join(part.participle() for part in parts[1:])
            yield f"after {first.text}, {rest} can be heard"
    elif scene.relation == "while":
        if not _is_action(last.text):
            yield f"while {last.clause()}, {first.clause()}"
            yield f"as {last.clause()}, {first.clause()}"
            yield f"{last.heard()}, as {first.clause()}"
    elif scene.relation == "and" and _is_balanced(first, last):
        yield f"{last.text} and {first.text}"
        yield f"{last.heard()} and {first.heard()}"
    elif scene.relation == "one":
        yield from _train_part(first)


def _train_part(part: Part) -> Iterator[str]:
    front = part.fronted()
    if front:
        place, rest = front
        yield f"{place}, {read_part(rest).clause()}"
        yield f"{place}, {read_part(rest).heard()}"
    if part.verb or part.kind == "noun":
        yield part.heard()
    if part.verb and part.be in {"is", "are"}:
        yield f"{part.subject} {part.be} {part.verb} {part.rest}".strip()


def _train_whole(body: str) -> Iterator[str]:
    whole = read_part(body)
    if "," not in body:
        yield from _train_part(whole)
    yield f"it sounds like {body}"
    if _has_clause(body):
        yield f"it can be heard how {body}"
    else:
        yield f"{body} can be heard"
        yield f"{body} is heard"


def _test(scene: Scene, parts: list[Part]) -> Iterator[str]:
    first, last = parts[0], parts[-1]
    if scene.relation == "then" and len(parts) > 1:
        verb = _action(last.text)
        if verb and len(parts) == 2:
            yield f"before {verb}, {first.text}"
        elif not any(_is_action(part.text) for part in parts):
            earlier = " and then ".join([first.clause(), *(part.clause() for part in parts[1:-1])])
            yield f"before {last.participle()}, {earlier}"
            if len(parts) == 2:
                yield f"{last.participle()}, preceded by {first.participle()}"
                yield f"the sound of {first.participle()} comes before {last.participle()}"
    elif scene.relation == "while":
        if not _is_action(last.text):
            yield f"{last.clause()} while {first.clause()}"
            yield f"there is the sound of {last.participle()} and at the same time of {first.participle()}"
    elif scene.relation == "and" and _is_balanced(first, last):
        yield f"{last.participle()} together with {first.participle()}"
        yield f"the sound of {last.participle()} and of {first.participle()}"
    elif scene.relation == "one":
        yield from _test_part(first)


def _test_part(part: Part) -> Iterator[str]:
    if part.verb:
        yield f"there {part.be if part.be in {'is', 'are'} else 'is'} {part.participle()}"
        yield f"the sound of {part.participle()}"
    elif part.kind == "noun":
        yield f"the sound of {part.text}"
        yield f"there is the sound of {part.text}"


def _test_whole(body: str) -> Iterator[str]:
    whole = read_part(body)
    if "," not in body:
        yield from _test_part(whole)
    if whole.kind == "clause" or _has_clause(body):
        yield f"this is what it sounds like when {body}"
        yield f"you can hear that {body}"
    yield f"the sound of {body}"
    yield f"you can hear {body}"
    yield f"hear {body}"


def _has_clause(body: str) -> bool:
    sides = re.split(r",? (?:and|while|as) ", body)
    return any(read_part(side).kind == "clause" for side in sides) or bool(_FINITE & set(tokens(body)))


def _is_action(text: str) -> bool:
    """Tell whether a part lacks a subject of its own: "gurgles", "then stops", "it begins again"."""
    return _action(text) is not None or text.split(" ", 1)[0] in {"it", "he", "she", "they", "is", "are"}


def _action(text: str) -> str | None:
    """Return "gurgling loudly" for "gurgles loudly", or None when the part does not begin with a verb."""
    head, _, rest = text.partition(" ")
    base = base_of_third(head)
    if base is None or read_part(text).kind == "clause":
        return None
    return f"{gerund(base)} {rest}".strip()


def _is_balanced(left: Part, right: Part) -> bool:
    """Tell whether two sides of "and" can change places: both clauses, both participles, or both plain nouns."""
    if left.kind != right.kind or left.kind == "other" or "," in left.text + right.text:
        return False
    return left.kind != "noun" or (len(left.text.split()) < 4 and len(right.text.split()) < 4)


def reworded(text: str, body: str, purpose: str, turn: int) -> str:
    """Return a text with as many of its words replaced by synonyms as level 2 asks for, chosen by a hash."""
    places = lexicon.find(text, purpose)
    ranked = sorted(places, key=lambda place: _draw(text[place[0] : place[1]], body, turn))
    chosen: list[tuple[int, int, tuple[str, ...]]] = []
    result = text
    for place in ranked:
        chosen.append(place)
        result = _replaced(text, sorted(chosen), body, turn)
        if jaccard(body, result) <= _OTHER_ENOUGH:
            break
    return result


def _replaced(text: str, chosen: list[tuple[int, int, tuple[str, ...]]], body: str, turn: int) -> str:
    pieces, end = [], 0
    for start, stop, alternatives in chosen:
        word = alternatives[_draw(text[start:stop], body, turn + 7) % len(alternatives)]
        pieces += [_article(text[end:start], word), word]
        end = stop
    return "".join([*pieces, text[end:]])


def _article(before: str, word: str) -> str:
    """Make the article that ends `before` agree with the next word; drop it where that brings its own."""
    match = re.search(r"\b(an?) $", before)
    if match is None:
        return before
    if word.split(" ", 1)[0] in {"a", "an", "the", "one", "some", "several", "many"}:
        return before[: match.start()]
    vowel = word[0] in "aeiou" and not word.startswith(("uni", "use", "one", "eu"))
    return before[: match.start()] + ("an " if vowel or (word.startswith(("hour", "hon")) and word != "honk") else "a ")


def _draw(word: str, body: str, turn: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{turn}\x1f{word}\x1f{body}".encode(), digest_size=6).digest(), "big")
