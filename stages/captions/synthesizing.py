"""New captions of the training clips, and other texts to train on in their place; joined by clip, never by row.

Kinds: `new` (from the clip's captions and tags, after the thesis), `back_translation` (a caption through another
language), `word_edit` (a caption with a few words changed), `translation` (a caption in another language).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from clapline.chapter import Cell
from clapline.params.captions import Synthesize
from clapline.params.machine import Machine
from clapline.tables.captions import DROPPED
from clapline.text.words import tokens
from stages.captions import checks, translating, word_edits
from stages.captions.accounts import Account, dropped_row, pick
from stages.captions.asking import Dropped, Outcome, Question, ask_all
from stages.captions.events import new_event
from stages.captions.meaning import NEW, Meaning, least_by_level, load_meaning
from stages.captions.prompts import SYNTHESIZE_TRAIN
from stages.captions.stress_checks import translation

Key = tuple[str, str]  # dataset, clip_id
Words = tuple[str, ...] | str
UNMEASURED = "none"
_EXAMPLES = 4
_ENGLISH = "en"


@dataclass(frozen=True)
class Wish:
    """One text that is wanted: for which clip, from what, and under which name its outcome holds it."""

    clip: Any  # a row of the clips
    given: str
    name: str = word_edits.NAME


@dataclass
class Synthesis:
    """What was written: SYNTHETIC and DROPPED rows, an account for each kind, rows for examples."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    examples: list[list[Cell]] = field(default_factory=list)
    # Places and texts of each clip, over all kinds.
    _places: dict[Key, int] = field(default_factory=dict, init=False)
    _texts: dict[Key, set[Words]] = field(default_factory=dict, init=False)

    def dropped_table(self) -> pd.DataFrame:
        """Return the DROPPED table."""
        return DROPPED.frame(self.dropped)

    def settle(
        self,
        kind: str,
        language: str,
        wishes: Sequence[Wish],
        outcomes: Sequence[Outcome],
        account: Account,
        measure: str,
    ) -> None:
        """Take in the outcomes of one kind; a text that the clip has already is dropped."""
        self.accounts.append(account)
        shown: list[list[Cell]] = []
        for wish, outcome in zip(wishes, outcomes, strict=True):
            key = (wish.clip.dataset, wish.clip.clip_id)
            index = self._places.get(key, 0)
            self._places[key] = index + 1
            texts = self._texts.setdefault(key, _own(wish.clip.captions))
            accepted = outcome.accepted.get(wish.name)
            if accepted is not None and _plain(accepted.text, language) in texts:
                fate = Dropped("identical: the clip has this text already", accepted.attempts)
                outcome = Outcome(dropped={wish.name: fate})
                account.failures["identical"] += 1
            account.count(outcome, wish.name)
            if accepted is None or wish.name in outcome.dropped:
                fate = outcome.dropped[wish.name]
                self.dropped.append(dropped_row(*key, index, account.task, "train", wish.given, fate))
                continue
            texts.add(_plain(accepted.text, language))
            shown.append([kind, wish.given, accepted.text])
            self.rows.append(
                {
                    "dataset": key[0],
                    "clip_id": key[1],
                    "caption_index": index,
                    "text": accepted.text,
                    "model": account.model,
                    "prompt_version": account.prompt_version,
                    "attempts": accepted.attempts,
                    "similarity": math.nan if accepted.similarity is None else accepted.similarity,
                    "similarity_measure": measure,
                    "kind": kind,
                    "language": language,
                }
            )
        self.examples += pick(shown, _EXAMPLES)


def _own(captions: Sequence[str]) -> set[Words]:
    """Return a clip's captions as texts of either kind: one that came back untranslated is the caption itself."""
    return {_plain(caption, language) for caption in captions for language in (_ENGLISH, "")}


def _plain(text: str, language: str) -> Words:
    """Return what makes two texts the same: their words in English; in other languages the text, but for its case."""
    words = tokens(text) if language == _ENGLISH else ()
    return words or " ".join(text.casefold().split()).rstrip(".。")


def synthesized(paired: pd.DataFrame, section: Synthesize, machine: Machine) -> Synthesis:
    """Return further texts for the training rows of `paired`, of every kind that the section asks for."""
    clips = list(paired[paired["split"] == "train"].itertuples(index=False))
    written = Synthesis()
    if not clips:
        return written
    if section.captions_per_clip or section.back_translations or section.word_edits:
        meaning = load_meaning(section.similarity, progress=machine.progress)
        if section.captions_per_clip:
            _new(written, clips, section, machine, meaning)
        if section.back_translations:
            _back_translations(written, clips, section, machine, meaning)
        if section.word_edits:
            _word_edits(written, clips, section, meaning)
    for language in dict.fromkeys(section.languages):
        _translations(written, clips, language, section, machine)
    return written


def _new(written: Synthesis, clips: list[Any], section: Synthesize, machine: Machine, meaning: Meaning) -> None:
    names = tuple(str(number) for number in range(1, section.captions_per_clip + 1))
    least = meaning.least(NEW)
    questions = [_question_for_new(list(clip.captions), list(clip.tags), names, least) for clip in clips]
    outcomes = ask_all(questions, section.model, section, machine, "new captions", meaning)
    account = Account("synthesize_new", section.model, SYNTHESIZE_TRAIN.version, least)
    account.add_questions(outcomes)
    wishes = [Wish(clip, " | ".join(clip.captions), name) for clip in clips for name in names]
    by_wish = [outcome for outcome in outcomes for _ in names]
    written.settle("new", _ENGLISH, wishes, by_wish, account, meaning.measure)


def _question_for_new(captions: list[str], tags: list[str], names: tuple[str, ...], least: float) -> Question:
    def check(name: str, text: str, taken: Sequence[str]) -> str | None:
        return checks.new_caption(captions, taken, text) or new_event([*captions, *tags], text)

    asked = {"captions": captions, "tags": tags}
    return Question(SYNTHESIZE_TRAIN, asked, names, check, tuple(captions), dict.fromkeys(names, least))


def _back_translations(
    written: Synthesis, clips: list[Any], section: Synthesize, machine: Machine, meaning: Meaning
) -> None:
    prompt = translating.BACK_TRANSLATE_TRAIN
    wishes = _wishes(clips, "back_translation", section.back_translations)
    questions = [_question_for_back_translation(wish, meaning) for wish in wishes]
    outcomes = ask_all(questions, section.model, section, machine, "back translations", meaning)
    account = Account("synthesize_back_translation", section.model, prompt.version, meaning.least(2))
    account.add_questions(outcomes)
    written.settle("back_translation", _ENGLISH, wishes, outcomes, account, meaning.measure)


def _wishes(clips: list[Any], what: str, count: int) -> list[Wish]:
    return [Wish(clip, caption) for clip in clips for caption in translating.drawn(clip.captions, what, count)]


def _question_for_back_translation(wish: Wish, meaning: Meaning) -> Question:
    def check(name: str, text: str, taken: Sequence[str]) -> str | None:
        return translating.back_translation(wish.given, text)

    asked = {"caption": wish.given, "pivot": translating.pivot(wish.given)}
    least = {wish.name: _least(meaning, wish.given)}
    return Question(translating.BACK_TRANSLATE_TRAIN, asked, (wish.name,), check, (wish.given,), least)


def _least(meaning: Meaning, caption: str) -> float:
    return least_by_level(meaning, caption, (2,))[2]


def _word_edits(written: Synthesis, clips: list[Any], section: Synthesize, meaning: Meaning) -> None:
    wishes = _wishes(clips, "word_edit", section.word_edits)
    captions = [wish.given for wish in wishes]
    outcomes = word_edits.edit_all(captions, meaning, [_least(meaning, caption) for caption in captions])
    account = Account("synthesize_word_edit", word_edits.MODEL, word_edits.VERSION, meaning.least(2))
    account.add_failures(outcomes, word_edits.NAME)
    written.settle("word_edit", _ENGLISH, wishes, outcomes, account, meaning.measure)


def _translations(written: Synthesis, clips: list[Any], language: str, section: Synthesize, machine: Machine) -> None:
    prompt = translating.TRANSLATE_TRAIN
    wishes = _wishes(clips, f"translation {language}", 1)
    questions = [_question_for_translation(wish, language) for wish in wishes]
    outcomes = ask_all(questions, section.model, section, machine, f"translations ({language})")
    account = Account(f"synthesize_translation_{language}", section.model, prompt.version)
    account.add_questions(outcomes)
    written.settle("translation", language, wishes, outcomes, account, UNMEASURED)


def _question_for_translation(wish: Wish, language: str) -> Question:
    def check(name: str, text: str, taken: Sequence[str]) -> str | None:
        return translation(wish.given, text, language)

    asked = {"caption": wish.given, "language": language}
    return Question(translating.TRANSLATE_TRAIN, asked, (wish.name,), check)
