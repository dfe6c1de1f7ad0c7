"""The captions of mixtures: one sentence for two clips that are joined and edited, asked for and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from clapline.params.captions import Mix
from clapline.params.machine import Machine
from clapline.tables.captions import DROPPED
from clapline.text.order import segments
from clapline.text.words import content_stems, numbers, tokens
from stages.captions import checks
from stages.captions.accounts import Account, dropped_row
from stages.captions.asking import Accepted, Question, ask_all
from stages.captions.denials import same_denials
from stages.captions.edits_told import OF_EDITS, edits_told
from stages.captions.events import new_event
from stages.captions.facts import negation_kept
from stages.captions.prompts import Prompt
from stages.captions.recipes import Edit, Recipe

MIX_TRAIN = Prompt(
    "mix-train-2",
    """Two audio clips were joined into one. Given are the caption of the "first" and of the "second", their \
"relation" ("concatenate": the second begins when the first has ended; "mix": both are heard at once), and "edits": \
what was done to one or both of them. Write one caption of the joined clip.
Rules:
1. One English sentence of at most 30 words. Shorten where needed.
2. It tells the sounds of both clips, and whether they come one after the other (and in which order) or at once.
3. It tells every edit (louder, quieter, higher, lower, faster, slower), said of the clip it was done to.
4. Nothing of any other sound; no number and no name that the captions lack. What they deny (no, not, without) stays \
denied.
5. No word about clips or editing.
Example, for first "A bell rings", second "A man coughs in a hall", relation "mix" and edits {"first": "played \
quieter than the other"}:
{"answers": {"caption": "A bell rings more quietly than a man who coughs in a hall at the same time"}}""",
)
NAME = "caption"
WORDS = (4, 30)
#: Of the content words of each caption, at least this share (and at least one word) is in the joint caption.
SHARE_KEPT = 0.3


@dataclass(frozen=True)
class Captioned:
    """A recipe whose caption was accepted."""

    recipe: Recipe
    accepted: Accepted


def captioned(
    recipes: Sequence[Recipe], section: Mix, machine: Machine
) -> tuple[list[Captioned], pd.DataFrame, Account]:
    """Return the recipes with a caption in order, what was dropped (a DROPPED table), and the account."""
    outcomes = ask_all([_question(recipe) for recipe in recipes], section.model, section, machine, "captions of mixes")
    account = Account("mix", section.model, MIX_TRAIN.version)
    account.add_questions(outcomes)
    made, dropped = [], []
    for recipe, outcome in zip(recipes, outcomes, strict=True):
        account.count(outcome, NAME)
        if NAME in outcome.accepted:
            made.append(Captioned(recipe, outcome.accepted[NAME]))
        else:
            given, fate = " | ".join(recipe.captions), outcome.dropped[NAME]
            dropped.append(dropped_row("mix", recipe.clip_id, 0, "mix", "train", given, fate))
    return made, DROPPED.frame(dropped), account


def asked(recipe: Recipe) -> dict[str, object]:
    """Return the request's data: the two captions, the relation, and the edits in words."""
    sides = zip(("first", "second"), recipe.edits, strict=True)
    return {
        "first": recipe.captions[0],
        "second": recipe.captions[1],
        "relation": recipe.relation,
        "edits": {side: edit.words() for side, edit in sides if edit is not None},
    }


def _question(recipe: Recipe) -> Question:
    def check(name: str, text: str, taken: object) -> str | None:
        return joint_caption(recipe.captions, recipe.relation, recipe.edits, text)

    return Question(MIX_TRAIN, asked(recipe), (NAME,), check, sources=recipe.captions)


def joint_caption(captions: tuple[str, str], relation: str, edits: Sequence[Edit | None], text: str) -> str | None:
    """Return the first failure of a mixture's caption, "<name of the check>: what it saw", or None."""
    given = ", ".join(caption.rstrip(" .") for caption in captions)
    return (
        checks.english(text)
        or checks.sentence(text)
        or _length(text)
        or checks.differs(captions, text)
        or _numbers(captions, text)
        or checks.no_new_names(captions, text)
        or negation_kept(given, text)
        or same_denials(given, text)
        or _contents(captions, text)
        or new_event(captions, text)
        or edits_told(captions, edits, text)
        or _order(captions, relation, text)
    )


def _length(text: str) -> str | None:
    words, (low, high) = len(tokens(text)), WORDS
    return None if low <= words <= high else f"length: {words} words; allowed {low} to {high}"


def _numbers(captions: Sequence[str], text: str) -> str | None:
    # A shortened caption may lose a count; none may come from nowhere.
    new = numbers(text) - numbers(" , ".join(captions))
    return f"numbers: {', '.join(sorted(new))} is not in the captions" if new else None


def _contents(captions: Sequence[str], text: str) -> str | None:
    said = set(content_stems(text))
    for side, caption in zip(("first", "second"), captions, strict=True):
        stems = set(content_stems(caption))
        kept = len(stems & said)
        if stems and (not kept or kept < SHARE_KEPT * len(stems)):
            return f"content: {kept} of {len(stems)} content words of the {side} caption are told"
    return None


def _order(captions: tuple[str, str], relation: str, text: str) -> str | None:
    """The order in time of the two, and within each, as far as words that only one place of the text holds show it."""
    where = _only_places(segments(text))
    first, second = (set(content_stems(caption)) for caption in captions)
    before = {where[word] for word in first - second - OF_EDITS if word in where}
    after = {where[word] for word in second - first - OF_EDITS if word in where}
    if relation == "concatenate":
        if len(segments(text)) < 2:
            return "order: it is not told which of the two comes first"
        if before and after and max(before) >= min(after):
            return "order: the second clip begins when all of the first has been heard"
    elif before and after and not before & after:
        return "order: the two clips are heard at once"
    for caption, others in zip(captions, (second, first), strict=True):
        told: dict[int, list[int]] = {}
        for word, place in sorted(_only_places(segments(caption)).items()):
            if word in where and word not in others:
                told.setdefault(place, []).append(where[word])
        if any(max(told[earlier]) > min(told[later]) for earlier, later in combinations(sorted(told), 2)):
            return "order: what comes first and what later within one clip is told differently"
    return None


def _only_places(parts: Sequence[set[str]]) -> dict[str, int]:
    """Return the place in time of every stem that stands in one part only."""
    found = Counter(word for part in parts for word in part)
    return {word: place for place, part in enumerate(parts) for word in part if found[word] == 1}
