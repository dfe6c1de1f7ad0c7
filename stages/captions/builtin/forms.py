"""English forms of verbs and nouns, made by rule, and the reverse: which base and form a word is."""

from __future__ import annotations

import re

_PLURALS = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "wolf": "wolves",
    "leaf": "leaves",
    "knife": "knives",
    "lady": "ladies",
    "sheep": "sheep",
    "aircraft": "aircraft",
    "watercraft": "watercraft",
    "craft": "craft",
    "swine": "swine",
    "fowl": "fowl",
}
_PASTS = {
    "speak": "spoke",
    "sing": "sang",
    "ring": "rang",
    "blow": "blew",
    "fly": "flew",
    "run": "ran",
    "drive": "drove",
    "ride": "rode",
    "fall": "fell",
    "begin": "began",
    "hit": "hit",
    "cut": "cut",
    "strike": "struck",
    "shake": "shook",
    "spin": "spun",
    "swing": "swung",
    "slide": "slid",
    "grind": "ground",
    "go": "went",
    "come": "came",
    "drink": "drank",
    "eat": "ate",
    "weep": "wept",
    "sweep": "swept",
    "break": "broke",
    "shoot": "shot",
    "shut": "shut",
    "give": "gave",
    "draw": "drew",
    "gain": "gained",
    "say": "said",
    "creep": "crept",
    "burst": "burst",
    "throw": "threw",
    "take": "took",
    "get": "got",
    "make": "made",
    "put": "put",
    "set": "set",
    "rise": "rose",
    "grow": "grew",
    "leave": "left",
    "keep": "kept",
    "sit": "sat",
    "stand": "stood",
    "hold": "held",
    "wind": "wound",
    "write": "wrote",
    "read": "read",
    "tell": "told",
    "swim": "swam",
    "bite": "bit",
    "become": "became",
    "do": "did",
    "tear": "tore",
    "wear": "wore",
    "hear": "heard",
    "lay": "laid",
    "feed": "fed",
    "light": "lit",
    "dig": "dug",
    "bring": "brought",
    "catch": "caught",
    "build": "built",
    "stick": "stuck",
    "sleep": "slept",
    "find": "found",
    "lead": "led",
    "lose": "lost",
    "spread": "spread",
    "bend": "bent",
    "buy": "bought",
    "pay": "paid",
    "slit": "slit",
    "let": "let",
    "split": "split",
    "cast": "cast",
    "spit": "spat",
    "spring": "sprang",
    "shine": "shone",
    "sting": "stung",
    "freeze": "froze",
    "choose": "chose",
    "ooze": "oozed",
    "broadcast": "broadcast",
    "knit": "knitted",
    "bleed": "bled",
    "sink": "sank",
}
_PARTICIPLES = {
    "speak": "spoken",
    "sing": "sung",
    "ring": "rung",
    "blow": "blown",
    "fly": "flown",
    "run": "run",
    "drive": "driven",
    "ride": "ridden",
    "fall": "fallen",
    "begin": "begun",
    "shake": "shaken",
    "break": "broken",
    "give": "given",
    "draw": "drawn",
    "throw": "thrown",
    "take": "taken",
    "get": "got",
    "do": "done",
    "go": "gone",
    "come": "come",
    "drink": "drunk",
    "eat": "eaten",
    "write": "written",
    "bite": "bitten",
    "rise": "risen",
    "grow": "grown",
    "tear": "torn",
    "become": "become",
    "wear": "worn",
    "mow": "mown",
    "saw": "sawn",
    "shear": "shorn",
    "swim": "swum",
}
_DOUBLED = frozenset(
    {"begin", "rev", "refit", "emit", "occur", "transmit", "patrol", "control", "propel", "omit", "admit"}
)


def third(base: str) -> str:
    """Bark → barks, splash → splashes, cry → cries (also the regular plural of a noun)."""
    if re.search(r"(s|x|z|ch|sh)$", base) or base in {"go", "do", "echo"}:
        return base + "es"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ies"
    return base + "s"


def gerund(base: str) -> str:
    """Bark → barking, drive → driving, run → running."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        return base[:-1] + "ing"
    return _doubled(base) + "ing"


def past(base: str) -> str:
    """Bark → barked, drive → drove."""
    if base in _PASTS:
        return _PASTS[base]
    if base.endswith("e"):
        return base + "d"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ied"
    return _doubled(base) + "ed"


def participle(base: str) -> str:
    """Bark → barked, drive → driven, strike → struck."""
    return _PARTICIPLES.get(base) or past(base)


def plural(noun: str) -> str:
    """Dog → dogs, child → children."""
    return _PLURALS.get(noun, third(noun))


def _doubled(base: str) -> str:
    syllables = len(re.findall(r"[aeiouy]+", base))
    if base in _DOUBLED or (syllables == 1 and re.search(r"[^aeiou][aeiou][^aeiouwxy]$", base)) or base == "equip":
        return base + base[-1]
    if re.search(r"qu[aeiou][^aeiouwxy]$", base) and syllables <= 2 and not base.endswith("eal"):
        return base + base[-1]
    return base


def guessed_base(word: str) -> str:
    """Return the base that a third person most likely has: carries → carry, splashes → splash, hammers → hammer."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if re.search(r"(?:s|x|z|ch|sh)es$", word) else word[:-1]
