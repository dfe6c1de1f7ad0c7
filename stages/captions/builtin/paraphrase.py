"""Paraphrases by rule: the builtin model's answer to the paraphrase prompts.

A caption is taken apart into a scene; rules put it together in another structure, and at level 2 in other words.
Training and benchmarks have rules of their own, as they have synonyms of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from clapline.text.order import same_order
from clapline.text.words import content_stems, jaccard, order_overlap, tokens
from stages.captions.builtin.clauses import read_part
from stages.captions.builtin.reserves import reserved
from stages.captions.builtin.rewording import article, draw, reworded
from stages.captions.builtin.rules import RULES
from stages.captions.builtin.scenes import read_scene, unframed
from stages.captions.builtin.whole import whole_texts

_SAME_ENOUGH = 0.88  # a little under the bound of the check
_OTHER_ENOUGH = 0.6


def paraphrase(caption: str, level: int, purpose: str, turn: int) -> str:
    """Return the `turn`-th paraphrase of a caption at a level; the caption itself when the rules find none.

    `level`: 1 changes the structure, 2 also the words. `purpose`: "train" or "test". `turn` counts from 0.
    """
    if not tokens(caption):
        return caption
    body, stop = _body(caption)
    found: list[str] = []
    for text in _worded(body, purpose, turn) if level == 2 else structures(body, purpose):
        text = _tidy(text)
        if _fits(body, text, level) and text not in found:
            found.append(text)
            if len(found) > (turn if level == 1 else turn % 2):
                break
    text = found[-1] if found else body
    return text[0].upper() + text[1:] + stop if caption[:1].isupper() else text + stop


def _body(caption: str) -> tuple[str, str]:
    """Return the caption as one sentence without its full stop, its first letter small, and the stop."""
    text = " ".join(caption.replace("“", '"').replace("”", '"').split())
    stop = "." if re.search(r"[.!?]$", text) else ""
    text = text.lower() if text.isupper() else text
    text = _one_sentence(text.rstrip(" .;,!?"))
    first = text.split(" ", 1)[0]
    if text and first != "I" and not (len(first) > 1 and first.isupper()):
        text = text[0].lower() + text[1:]
    return text or caption, stop


def _one_sentence(text: str) -> str:
    """Join sentences: "A dog barks. Then a man talks" → "A dog barks, then a man talks"."""
    pieces = [piece.strip(" .!?;") for piece in re.split(r"[.!?]+[\"')]*\s+|\s*;\s*", text)]
    pieces = [piece for piece in pieces if piece]
    joined = pieces[0] if pieces else text
    for piece in pieces[1:]:
        small = piece if piece.split(" ")[0] == "I" else piece[0].lower() + piece[1:]
        link = ", " if re.match(r"(?:and|then|but|while|after|followed|later|finally)\b", small) else " and "
        joined += link + small
    return joined


def _tidy(text: str) -> str:
    text = re.sub(r"\s+([,;])", r"\1", " ".join(text.split()))
    text = re.sub(r"(?<=[\w])(,)(?=[,])", "", text)
    fixed = ""
    end = 0
    for match in re.finditer(r"\b(an?) (\w+)", text):
        fixed += article(text[end : match.start()] + match.group(1) + " ", match.group(2))
        end = match.start(2)
    return fixed + text[end:]


def _fits(body: str, text: str, level: int) -> bool:
    words = tokens(text)
    if words == tokens(body) or not same_order(body, text):
        return False
    if not 0.5 <= len(words) / max(1, len(tokens(body))) <= 2.0:
        return False
    if _doubled(words) and not _doubled(tokens(body)):
        return False
    if level == 2:
        return jaccard(body, text) <= _OTHER_ENOUGH
    return jaccard(body, text) >= 0.8 and order_overlap(body, text) <= _SAME_ENOUGH


def _doubled(words: Sequence[str]) -> bool:
    """Tell whether a word stands twice in a row."""
    return any(one == other and one not in {"very", "that", "had"} for one, other in pairwise(words))


def structures(body: str, purpose: str, turn: int = 0) -> Iterator[str]:
    """Yield the caption in other structures: changes of the sentence itself first, then frames around it."""
    scene = read_scene(body)
    parts = [read_part(part) for part in scene.parts]
    # A heap of cue words leaves no part that a rule could say.
    rules = [rule for rule in RULES if parts and rule.purpose == purpose and scene.relation in rule.relations]
    for rule in sorted(rules, key=lambda rule: (rule.rank, draw(rule.name, body, turn))):
        text = rule.say(scene, parts)
        if text:
            yield _with_setting(text, scene.setting, scene.setting_first == (purpose == "train"))
    bare = unframed(body)
    if scene.relation in {"and", "with"} and "," not in bare:
        whole = read_part(bare)
        one = [rule for rule in RULES if rule.purpose == purpose and "one" in rule.relations]
        for rule in sorted(one, key=lambda rule: (rule.rank, draw(rule.name, body, turn))):
            text = rule.say(scene, [whole])
            if text:
                yield text
    frames = whole_texts(body, bare, purpose)
    kinds = len(frames) - 3
    yield from sorted(frames[:kinds], key=lambda text: draw(text, body, turn))
    yield from sorted(frames[kinds:], key=lambda text: draw(text, body, turn))


def _with_setting(text: str, setting: str, last: bool) -> str:
    if not setting:
        return text
    return f"{text}, {setting}" if last else f"{setting}, {text}"


def _worded(body: str, purpose: str, turn: int) -> Iterator[str]:
    source = reserved(body, purpose, turn, _OTHER_ENOUGH)
    found = list(structures(source, purpose, turn + 11))
    if turn:
        # Asked again: the less a structure adds, the nearer it stays.
        found.sort(key=lambda text: abs(len(tokens(text)) - len(tokens(source))))
    if turn > 1 and len(content_stems(body)) < 4:
        # So short a caption is changed enough by its words.
        yield reworded(source, body, purpose, turn, _OTHER_ENOUGH)
    for text in found:
        yield reworded(text, body, purpose, turn, _OTHER_ENOUGH)
    if len(content_stems(body)) < 3:
        yield reworded(source, body, purpose, turn, _OTHER_ENOUGH)
