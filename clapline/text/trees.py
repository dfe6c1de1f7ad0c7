"""Caption trees of what a dataset has: above the caption its first event, above that its label and the label's class.

ProLAP's audio traversal needs four levels, which its authors had a language model write. Here nothing is written: the
form is that of the trees of the soundscapes, sentences from the most abstract to the most particular.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clapline.text.ontology import Ontology, name_parts
from clapline.text.words import FUNCTION_WORDS, NUMBERS, content_stems, tokens

_MINIMUM_LEVELS = 2
_ARTICLES = {"a", "an", "the"}
# What tells a second event, in the order of time or at the same time …
_CUE = (
    r"(?<!\bnow)(?<!\bnow and)(?<!little)(?<! a)(?<! the)"  # "now and then", "a little while"
    r",?(?: and| but)?(?: is| are| was| were| can be heard)?(?: shortly| immediately| suddenly| soon| right| just)*"
    r" (?:followed by|followed with|preceded by|precedes|preceding|prior to|then|before|after|until|till|while|whilst"
    r"|as|when|during|together with|along with|alongside|mixed with|at the same time)\b"
    r"|[.;:!?] "
)
# … and what joins events, but also the words of one: "a long, loud horn", "a man and a woman talk".
_JOIN = r"(?P<join>,| and\b| but\b)"
_BREAK = re.compile(f"(?:{_CUE})|{_JOIN}", re.IGNORECASE)
# What stands before the first event: its conjunction, or the place ("in a hall, …").
_OPENING = re.compile(
    r"(?:first comes|at first|first|after|before|while|whilst|as|when),? "
    r"|(?:in|on|at|with|near|inside|outside|over|under|behind|from|through|during|amid)\b[^,]*, ",
    re.IGNORECASE,
)


def built_tree(captions: Sequence[str], tags: Sequence[str], label: str | None, ontology: Ontology) -> tuple[str, ...]:
    """Return the caption tree of a clip, most abstract first; empty where there are no two levels.

    The levels are the class above the label, the label (the first of the tags and the label that the ontology knows,
    those that the caption mentions going first), the first event of the first caption, and that caption. What a clip
    lacks is left out, and so is a level that says no more than one above it.

    >>> animals = Ontology.of([{"id": "1", "name": "Animal", "child_ids": ["2"]},
    ...                        {"id": "2", "name": "Dog", "child_ids": []}], "here")
    >>> built_tree(["A dog barks, then rain falls"], ["dog"], None, animals)
    ('Animal.', 'Dog.', 'A dog barks.', 'A dog barks, then rain falls.')
    """
    caption = next((text for text in (" ".join(said.split()) for said in captions) if text), "")
    levels = _known_label([*tags, *([label] if label else [])], caption, ontology)
    if caption:
        levels += [_first_event(caption), caption]
    tree: dict[tuple[str, ...], str] = {}
    for level in levels:
        words = tuple(word for word in re.findall(r"\w+", level.casefold()) if word not in _ARTICLES)
        if words:
            tree.setdefault(words, _sentence(level))
    return tuple(tree.values()) if len(tree) >= _MINIMUM_LEVELS else ()


def _known_label(labels: Sequence[str], caption: str, ontology: Ontology) -> list[str]:
    """Return the name of the class above the label that is taken, and that label; less where there is less."""
    plain = [" ".join(label.replace("_", " ").split()) for label in labels]
    known = [(label, node) for label in plain if (node := ontology.find(label)) is not None]
    if not known:
        return []
    heard = set(content_stems(caption))
    label, node = next((pair for pair in known if _is_mentioned(pair[0], heard)), known[0])
    above = ontology.parent(node)
    return [ontology.names[above], label] if above is not None else [label]


def _is_mentioned(label: str, heard: set[str]) -> bool:
    parts = (set(content_stems(part)) for part in name_parts(label))
    return any(part and part <= heard for part in parts)


def _first_event(caption: str) -> str:
    """Return the words of a caption up to what tells or joins a second event; "" where there is none."""
    opened = _OPENING.match(caption)
    text = caption[opened.end() :] if opened else caption
    for found in _BREAK.finditer(text):
        phrase = text[: found.start()]
        # One word before a comma or an "and" is more often a part of a phrase than an event.
        if _content_words(phrase) >= (2 if found["join"] else 1):
            return phrase
    return ""


def _content_words(phrase: str) -> int:
    return sum(word not in FUNCTION_WORDS and word not in NUMBERS for word in tokens(phrase))


def _sentence(text: str) -> str:
    text = text.strip(" ,;:")
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?' else '.'}"
