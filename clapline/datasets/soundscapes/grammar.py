"""Captions of a scene: templates per relation of the events, filled with clauses and noun phrases of the lexicon.

A slot is an event and a form: F a finite clause ("a dog barks"), G a participle clause ("a dog barking"),
N a noun phrase ("dog barks"), X either G or N. {a}, {b}, {c} are the events in order of onset.
"""

from __future__ import annotations

import re

import numpy as np

from clapline.datasets.soundscapes.lexicon import LEXICON, SETTINGS, TRAITS, class_phrase
from clapline.datasets.soundscapes.scene import Scene
from clapline.datasets.soundscapes.taxonomy import FAMILY_PHRASES, KIND_PHRASES, PLACES

CAPTIONS_PER_CLIP = 5
_TRAIT_SHARE = 0.4
_SETTING_SHARE = 0.3

TEMPLATES: dict[str, tuple[str, ...]] = {
    "one": (
        "{aF}",
        "{aF}",
        "{aG}",
        "{aN}",
        "{aN} can be heard",
        "the sound of {aX}",
        "you can hear {aX}",
        "a recording of {aX}",
        "we hear how {aF}",
        "nothing but {aX}",
    ),
    "then": (
        "{aX} followed by {bX}",
        "{aG} is followed by {bX}",
        "{aF}, then {bF}",
        "{aF} and then {bF}",
        "{aF} before {bF}",
        "{bF} after {aF}",
        "{bX} after {aX}",
        "after {aX}, {bF}",
        "before {bF}, {aF}",
        "first {aF}, next {bF}",
        "first comes {aX}, then {bX}",
        "the sound of {aX}, and then of {bX}",
    ),
    "while": (
        "{aF} while {bF}",
        "{aF} as {bF}",
        "while {aF}, {bF}",
        "as {aF}, {bF}",
        "{aX} together with {bX}",
        "{aX} and {bX} at the same time",
        "{aF} and at the same time {bF}",
        "you can hear {aX} and {bX} at once",
        "{aN} mixed with {bN}",
        "{aX} alongside {bX}",
    ),
    "then then": (
        "{aX}, then {bX}, and finally {cX}",
        "{aF}, then {bF}, and finally {cF}",
        "{aX} followed by {bX} and then {cX}",
        "first {aF}, next {bF}, and last {cF}",
        "{aF} before {bF}, and then {cF}",
        "after {aX} and then {bX}, {cF}",
        "{aG} is followed by {bX}, then by {cX}",
    ),
    "pair then": (
        "{aF} while {bF}, and then {cF}",
        "{aX} together with {bX}, followed by {cX}",
        "{aX} and {bX} at the same time, then {cX}",
        "{cF} after {aX} mixed with {bX}",
        "after {aX} together with {bX}, {cF}",
        "as {aF}, {bF}, and then {cF}",
        "first {aX} and {bX} at once, next {cX}",
    ),
    "then pair": (
        "{aF}, and then {bF} while {cF}",
        "{aX} followed by {bX} together with {cX}",
        "{aX}, then {bX} and {cX} at the same time",
        "{bX} mixed with {cX} after {aX}",
        "after {aX}, {bF} as {cF}",
        "first {aF}, next {bF} while {cF}",
        "{aF} before {bX} and {cX} at once",
    ),
}
# Events that sound together may be told in either order.
_TOGETHER = {"while": "ab", "pair then": "ab", "then pair": "bc"}


def captions(scene: Scene, traits: tuple[tuple[str, ...], ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Return five different captions of a scene, each from another template."""
    templates = TEMPLATES[scene.relation]
    found: dict[str, None] = {}
    while len(found) < CAPTIONS_PER_CLIP:
        for place in rng.permutation(len(templates)):
            if len(found) < CAPTIONS_PER_CLIP:
                found[_caption(scene, traits, templates[place], rng)] = None
    return tuple(found)


def caption_tree(scene: Scene, full_captions: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Return family, kind and class of the first event and one full caption: from abstract to particular."""
    sound = scene.events[0].sound
    family, kind = PLACES[sound]
    levels = (FAMILY_PHRASES[family], KIND_PHRASES[kind], class_phrase(sound))
    return (*map(_sentence, levels), full_captions[rng.integers(len(full_captions))])


def _caption(scene: Scene, traits: tuple[tuple[str, ...], ...], template: str, rng: np.random.Generator) -> str:
    order = dict(zip("abc", range(3), strict=True))
    together = _TOGETHER.get(scene.relation)
    if together and rng.random() < 0.5:
        first, second = together
        order[first], order[second] = order[second], order[first]

    def fill(slot: re.Match[str]) -> str:
        index = order[slot[1]]
        return _phrase(scene.events[index].sound, traits[index], slot[2], rng)

    text = re.sub(r"\{([abc])([FGNX])\}", fill, template)
    if rng.random() < _SETTING_SHARE:
        text = _set(text, scene.background, rng)
    return _sentence(text)


def _phrase(sound: str, traits: tuple[str, ...], form: str, rng: np.random.Generator) -> str:
    words = LEXICON[sound]
    trait = TRAITS[_pick(traits, rng)] if traits and rng.random() < _TRAIT_SHARE else None
    if form == "X":
        form = "G" if rng.random() < 0.5 else "N"
    if form == "N":
        noun = _pick(words.nominals, rng)
        return noun if trait is None else _with_adjective(noun, _pick(trait.adjectives, rng))
    clause = f"{_pick(words.subjects, rng)} {_pick(words.verbs, rng)[0 if form == 'F' else 1]}"
    return clause if trait is None else f"{clause} {_pick(trait.adverbs, rng)}"


def _set(text: str, background: str, rng: np.random.Generator) -> str:
    """Add the place or the noise behind to a caption."""
    places, noises = SETTINGS[background]
    place, noise = _pick(places, rng), _pick(noises, rng)
    forms = (f"{place}, {text}", f"{text}, {place}", f"{text}, with {noise} in the background", f"{text}, over {noise}")
    return forms[rng.integers(len(forms))]


def _with_adjective(noun: str, adjective: str) -> str:
    article, rest = re.fullmatch(r"((?:an?|the) )?(.*)", noun).groups()  # type: ignore[union-attr]
    if article in ("a ", "an "):
        article = "an " if adjective[0] in "aeiou" else "a "
    return f"{article or ''}{adjective} {rest}"


def _pick(items: tuple, rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
