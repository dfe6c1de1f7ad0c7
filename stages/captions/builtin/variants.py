"""What a round trip through another language does to a caption, by rule: other articles and tenses, calques, drift.

A translator keeps what is heard and loses how it was put: "is barking" comes back as "barks", "a car engine" as "the
engine of a car", "you can hear" as "it is possible to hear", "next to" as "beside". A hash of the caption draws which
of these happen; words come from the training half of the lexicon alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from clapline.text.order import same_order
from clapline.text.words import numbers, tokens, word_set
from stages.captions.builtin.clauses import Part, read_part
from stages.captions.builtin.places import EDGE, agreed, fitting_synonyms
from stages.captions.builtin.rewording import draw
from stages.captions.builtin.verbs import base_of_gerund, base_of_third

# Not "one can hear": the checks would count it.
_HEARD = "it is possible to hear"
_LONGEST = 1.9  # times the caption's words; the check allows twice as many
_STRUCTURES = 2  # changes of each sort in one text, where as many apply
_PHRASES = 2
_JOINING = re.compile(r"(,? and then |,? and |,? while |,? as (?!well\b|if\b|though\b|it\b|they\b|he\b|she\b))")
_EDGE = (
    r"(?=$|,| (?:in|on|at|and|while|as|with|near|nearby|outside|inside|from|over|into|then|followed|before|after)\b)"
)
# A participle after these stands for a noun: it cannot become a sentence of its own.
_NOMINAL = re.compile(
    r"\b(?:followed|before|after|during|with|without|by|sounds?|noises?|recordings?|of|heard|being|like|from|for|until)\b"
)
_STATES = word_set(
    "contain seem sound include have need want appear become consist remain follow accompany get like come clip"
)
_PRONOUNS = frozenset({"they", "we", "you", "both", "others", "some", "many", "several", "two", "three"})
_NO_MANNER = word_set("only early family likely fly daily finally lastly subsequently simultaneously possibly barely")
_VEHICLES = (
    "car|truck|bus|train|motorcycle|vehicle|boat|motorboat|airplane|aeroplane|plane|jet|helicopter|tractor|aircraft"
)
_PARTS_OF_VEHICLES = "engines?|motors?|horn|siren|whistle|wheels?|tires?|door"
#: What comes back otherwise; the first alternative serves the first asking.
_DRIFT = {
    "in the distance": ("at a distance", "from a distance"),
    "next to": ("beside",),
    "outside of": ("outside",),
    "inside of": ("inside",),
    "on top of": ("on",),
    "someone": ("a person", "somebody"),
    "somebody": ("someone", "a person"),
    "each other": ("one another",),
    "one another": ("each other",),
    "a few": ("some",),
    "multiple": ("several",),
    "various": ("different",),
    "at the same time": ("simultaneously",),
    "simultaneously": ("at the same time",),
    "starts to": ("begins to",),
    "start to": ("begin to",),
    "begins to": ("starts to",),
    "begin to": ("start to",),
    "passes by": ("goes by", "goes past"),
    "passing by": ("going by", "going past"),
    "drives by": ("drives past",),
    "driving by": ("driving past",),
    "a large": ("a big", "a great big"),
    "a big": ("a large",),
    "a lot of": ("a great deal of",),
    "back and forth": ("to and fro",),
    "high pitched": ("high",),
    "high-pitched": ("high",),
    "low pitched": ("low",),
    "in the air": ("through the air",),
    "and then": ("and afterwards", "then"),
    "for a while": ("for some while",),
    "at a steady pace": ("at a constant speed",),
    "down the street": ("along the street",),
    "down the road": ("along the road",),
}
#: The same at the end of a clause only: "constantly ringing" must not come back as "all the time ringing".
_DRIFT_OF_MANNER = {
    "over and over": ("again and again",),
    "over and over again": ("again and again",),
    "repeatedly": ("again and again", "over and over"),
    "continuously": ("without interruption", "without a break"),
    "continually": ("without interruption",),
    "constantly": ("all the time", "the whole time"),
    "once again": ("once more",),
    "again": ("once more",),
    "loudly": ("with much noise", "noisily"),
    "quickly": ("fast",),
    "nearby": ("close by",),
}
#: The same before a noun: "near the road", but "both near and far".
_DRIFT_OF_PLACE = {"near": ("close to",), "inside": ("within",), "beside": ("next to",), "onto": ("on",)}


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_AND_THEN = {"followed by": ("and then",)}  # but not "is followed by"
_ALL_DRIFT = _DRIFT | _AND_THEN | _DRIFT_OF_MANNER | _DRIFT_OF_PLACE
_DRIFTING = re.compile(
    rf"(?<![\w'-])(?:(?:(?<!then )(?<!is )(?<!are )(?<!was )(?<!be )(?<!ly )followed by|{_any_of(_DRIFT)})(?![\w'-])"
    rf"|(?<!^)(?:{_any_of(_DRIFT_OF_MANNER)})(?! and\b){EDGE}"
    rf"|(?:{_any_of(_DRIFT_OF_PLACE)})(?= (?:an?|the|some|his|her|their|its|another) ))"
)
# The lexicon knows these as things; in captions they stand in set phrases.
_IN_PHRASES = frozenset({"distance", "background", "foreground", "mouth"})

Rule = Callable[[str], str | None]


def back_translations(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
    """Return the caption, under every wanted name, as if it had been to another language and back."""
    return {name: round_trip(asked["caption"], turn) for name in wanted}


def round_trip(caption: str, turn: int) -> str:
    """Return another wording of a caption; another turn draws another. The caption itself where no rule applies."""
    if not tokens(caption):
        return caption
    body, stop, capital = _opened(caption)
    text, changes = body, 0
    structures = sorted(_RULES, key=lambda name: draw(name, body, turn))
    for name in structures:
        # The frame would fit every caption without a verb.
        if changes < _STRUCTURES and not (name == "frame" and draw("framed", body, turn) % 2):
            text, done = _kept(body, text, _RULES[name](text))
            changes += done
    if changes < 2 or draw("synonym", body, turn) % 2:
        text = _with_synonym(text, body, turn)
    text = _drifted(text, body, turn)
    if text == body or draw("article", body, turn) % 3 == 0:
        text, _ = _kept(body, text, _other_article(text))
    if text == body:
        text, done = _kept(body, text, _framed(body) or f"{_HEARD} how {body}")
        sides = body.split(" and ")
        if not done and len(sides) == 2:
            text, _ = _kept(body, text, " and ".join(reversed(sides)))
    text = agreed(text)
    return (text[0].upper() + text[1:] if capital else text) + stop


def _opened(caption: str) -> tuple[str, str, bool]:
    """Return the caption with a small first letter and no stop, the stop, and whether it began with a capital."""
    text = " ".join(caption.split())
    text = text.lower() if text.isupper() else text
    stop = "." if text.endswith(".") else ""
    text = re.sub(r"[.!?]+ (\w)", lambda match: f"; {match.group(1).lower()}", text.rstrip(" .;,") or text)
    first = text.split(" ", 1)[0]
    named = first == "I" or (len(first) > 1 and not first[1:].islower() and first.isalpha())
    return (text if named else text[0].lower() + text[1:]), stop, caption[:1].isupper()


def _kept(body: str, text: str, changed: str | None) -> tuple[str, bool]:
    """Return the changed text and True, if there is one of about that length, with the same numbers and order."""
    if not changed or changed in (body, text) or len(tokens(changed)) > _LONGEST * len(tokens(body)):
        return text, False
    if not same_order(body, changed) or numbers(body) != numbers(changed):
        return text, False
    return changed, True


def _retold(text: str, told: Callable[[Part], str | None]) -> str | None:
    """Return the text with every clause of it told otherwise, or None where one has no such form."""
    pieces = _JOINING.split(text)
    if any(read_part(p).kind in {"noun", "other"} or base_of_gerund(p.split(" ")[0]) for p in pieces[2::2]):
        pieces = [text]  # "a tap is running and dripping": the second verb leans on the first
    for place in range(0, len(pieces), 2):
        changed = told(read_part(pieces[place]))
        if changed is None:
            return None
        pieces[place] = changed
    return "".join(pieces)


def _simple_tense(text: str) -> str | None:
    """Return "a dog barks" for "a dog is barking"."""
    return _retold(
        text, lambda part: part.simple_clause() if part.kind == "clause" else (part.told and part.text) or None
    )


def _progressive(text: str) -> str | None:
    """Return "a dog is barking while birds are singing" for "a dog barks while birds sing"."""

    def told(part: Part) -> str | None:
        if part.kind == "clause" and part.base not in _STATES:
            return part.progressive_clause()
        return part.text if part.told else None

    return _retold(text, told)


def _finite(text: str) -> str | None:
    """Return "a man is speaking and birds are chirping" for "a man speaking and birds chirping"."""
    if _NOMINAL.search(text):
        return None
    return _retold(text, lambda part: part.progressive_clause() if part.kind == "participle" else None)


def _manner_moved(text: str) -> str | None:
    """Return "Barks loudly" → "loudly barks", "loudly barking" → "barking loudly"."""
    after = re.search(rf"\b(\w+) (\w+ly){EDGE}", text)
    if after and after.group(2) not in _NO_MANNER and (base_of_gerund(after.group(1)) or base_of_third(after.group(1))):
        return f"{text[: after.start()]}{after.group(2)} {after.group(1)}{text[after.end() :]}"
    before = re.search(rf"\b(\w+ly) (\w+ing){EDGE}", text)
    if before and before.group(1) not in _NO_MANNER and base_of_gerund(before.group(2)):
        return f"{text[: before.start()]}{before.group(2)} {before.group(1)}{text[before.end() :]}"
    return None


def _place_moved(text: str) -> str | None:
    """Return "A dog barks in the distance" → "in the distance, a dog barks", and back."""
    front = re.fullmatch(r"(in the (?:background|distance|foreground)|outside|outdoors|indoors),? (.+)", text)
    if front and not _JOINING.search(text):
        return f"{front.group(2)} {front.group(1)}"
    last = re.fullmatch(r"(.+\w) (in the (?:background|distance|foreground)|outside|outdoors|indoors)", text)
    if last and not _JOINING.search(text) and not re.search(r"\b(?:with|followed|before|after|then)\b|,", text):
        return f"{last.group(2)}, {last.group(1)}"
    return None


def _framed(text: str) -> str | None:
    """Return "Birds can be heard" → "it is possible to hear birds"; and so "there are", "you hear", a mere noun."""
    seen = re.fullmatch(r"((?:you|we) (?:can )?hear|there (?:is|are)) (?!that\b|how\b|as\b)(.+)", text)
    if seen:
        return None if _has_finite(seen.group(2)) else f"{_HEARD} {seen.group(2)}"
    heard = re.fullmatch(r"([^,]+?) (?:can be|is|are) heard\b( .+)?", text)
    if heard and not _JOINING.search(heard.group(1)) and not _has_finite(heard.group(1)):
        return f"{_HEARD} {heard.group(1)}{heard.group(2) or ''}"
    if heard or "," in text or re.search(r"\b(?:then|before|after|when|that|which|who)\b", text):
        return None
    pieces = _JOINING.split(text)
    if any(read_part(piece).kind not in {"noun", "participle"} for piece in pieces[::2]) or _has_finite(text):
        return None
    if any(re.search(r"while|as", joint) for joint in pieces[1::2]):
        return None
    longer = f"{_HEARD} {text}"
    return longer if len(longer.split()) <= _LONGEST * len(text.split()) else _to_be_heard(text)


def _to_be_heard(text: str) -> str:
    be = "are" if " and " in text else read_part(text).be
    return f"{text} {be} to be heard"


def _has_finite(text: str) -> bool:
    words = tokens(text)
    return bool({"is", "are", "was", "were", "has", "have", "can", "does"} & set(words)) or any(
        read_part(piece).told or read_part(piece).kind == "other" for piece in _JOINING.split(text)[::2]
    )


def _compound_undone(text: str) -> str | None:
    """Return "A car engine" → "the engine of a car", "a man's voice" → "the voice of a man"."""
    changed = re.sub(rf"\b(an?|the) ({_VEHICLES}) ({_PARTS_OF_VEHICLES})\b", r"the \3 of \1 \2", text)
    owner = re.search(
        r"\b(an?|the) (\w+)'s (\w+)(?= (?:is|are|can)\b|$|,| (?:in|on|at|and|while|as|with|near)\b)", text
    )
    if changed == text and owner:
        article, name, thing = owner.groups()
        changed = f"{text[: owner.start()]}the {thing} of {article} {name}{text[owner.end() :]}"
    return changed


def _against_background(text: str) -> str | None:
    """Return "… with people talking in the background" → "… against a background of people talking"."""
    return re.sub(
        r"\bwith (?!the\b)((?:(?!with\b|and\b|in\b)\S+ ){1,5})in the background$", r"against a background of \1", text
    ).rstrip()


def _meanwhile(text: str) -> str | None:
    """Let "while" and "as" take each other's place before a clause."""
    joint = re.search(r"(,?) (while|as) (?!well\b|if\b|though\b|it\b|they\b|he\b|she\b)(.+)$", text)
    if joint is None or not read_part(_JOINING.split(joint.group(3))[0]).told:
        return None
    other = "as" if joint.group(2) == "while" else "while"
    return f"{text[: joint.start()]}{joint.group(1)} {other} {joint.group(3)}"


_RULES: dict[str, Rule] = {
    "simple_tense": _simple_tense,
    "progressive": _progressive,
    "finite": _finite,
    "manner": _manner_moved,
    "place": _place_moved,
    "frame": _framed,
    "compound": _compound_undone,
    "background": _against_background,
    "meanwhile": _meanwhile,
}


def _drifted(text: str, body: str, turn: int) -> str:
    """Replace a few set phrases, drawn by a hash, by what comes back for them."""
    found = list(_DRIFTING.finditer(text))
    drawn = sorted(found, key=lambda match: draw(match.group(), body, turn))[:_PHRASES]
    for match in sorted(drawn, key=lambda match: -match.start()):
        options = _ALL_DRIFT[match.group()]
        changed = text[: match.start()] + options[turn % len(options)] + text[match.end() :]
        text, _ = _kept(body, text, changed)
    return text


def _with_synonym(text: str, body: str, turn: int) -> str:
    """Replace the first word, in the order of a hash, that has a synonym which fits its place."""
    places = [p for p in fitting_synonyms(text) if text[p[0] : p[1]].lower() not in _IN_PHRASES]
    for start, end, options in sorted(places, key=lambda place: draw(text[place[0] : place[1]], body, turn)):
        word = options[draw("word", body, turn) % len(options)]
        changed, done = _kept(body, text, text[:start] + word + text[end:])
        if done:
            return changed
    return text


def _other_article(text: str) -> str | None:
    """Return "A dog barks" → "the dog barks", "birds sing" → "the birds sing"."""
    if re.match(r"an? (?!lot\b|few\b|couple\b|group\b|number\b|bit\b|great\b|series\b)", text):
        return re.sub(r"^an? ", "the ", text)
    part = read_part(text)
    plural = part.kind == "clause" and part.many and len(part.subject.split()) == 1
    return f"the {text}" if plural and part.subject not in _PRONOUNS else None
