"""The stress set: the benchmarks' queries in jargon and slang, as keywords, with typos, in further languages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from clapline.chapter import Cell
from clapline.params.captions import Stress
from clapline.params.machine import Machine
from clapline.storage import content_key
from clapline.tables.captions import DROPPED, STRESS
from clapline.text.similarity import MEASURE, lexical_similarity
from stages.captions import as_typed, stress_checks
from stages.captions.accounts import Account, dropped_row
from stages.captions.asking import Accepted, Dropped, Outcome, Question, ask_all
from stages.captions.meaning import Meaning, load_meaning
from stages.captions.prompts import Prompt

#: What the table calls the model of texts that are made by rule, whichever model is configured.
RULE = "rule"
#: The kind of texts in further languages; their language tells them apart.
TRANSLATION = "translation"
_TEXT = "text"
_RULES: dict[str, tuple[Callable[[str], str], Callable[[str, str], str | None]]] = {
    "keywords": (as_typed.keywords, stress_checks.keywords),
    "typos": (as_typed.typos, stress_checks.typos),
}
#: In the table's column of prompt versions: another number, other texts.
_RULE_VERSIONS = {"keywords": "keywords-2", "typos": "typos-1"}
PROMPTS = {
    "jargon": Prompt(
        "stress_jargon-test-2",
        """Note the given search query the way a field recordist or sound engineer enters it in a catalogue.
Rules:
1. English terms of the trade for sources, actions, distance and level; no articles, no full sentence, small letters, \
no full stop.
2. Every source, number, place, loudness and order in time stays. What is absent (no, not, without) stays absent.
3. Nothing unsaid, no device and no name is added.
Form, for "Two dogs bark loudly in the distance":
{"answers": {"text": "two canine vocalisations at high level, distant perspective"}}""",
    ),
    "slang": Prompt(
        "stress_slang-test-2",
        """Say the given search query the way one types it to a friend.
Rules:
1. Casual English words, slang, swallowed endings, small letters, all in one line.
2. Every source, number (as a number), place, loudness and order in time stays. What is absent (no, not, without) \
stays absent.
3. Nothing unsaid and no name is added; nothing rude.
Form, for "Two dogs bark while a man talks":
{"answers": {"text": "two doggos goin woof while some dude yaps"}}""",
    ),
    TRANSLATION: Prompt(
        "stress_translation-test-2",
        """Translate the given search query into the language with the ISO 639 code under "language", the way a native \
speaker types it.
Rules:
1. In that language alone and in its own script, in one line.
2. Every source, number, place and order in time stays; nothing is added.
Form, for language "de" and "Two dogs bark":
{"answers": {"text": "Zwei Hunde bellen"}}""",
    ),
}
#: Least similarity to the query by a sentence encoder. Encoders know little jargon and less slang: by all-MiniLM-L6-v2,
#: 99 % and 98 % of the texts that the rules made of 1,000 real captions reach these, 23 % and 59 % of those made of
#: other captions. So they refuse what is far off, no more; the lexical measure sees no other words and refuses nothing.
LEAST = {"jargon": 0.25, "slang": 0.1}


@dataclass(frozen=True)
class Query:
    """One query: its place in the benchmark, and its words."""

    dataset: str
    clip_id: str
    caption_index: int
    words: str


@dataclass(frozen=True)
class StressSet:
    """The STRESS table, what was dropped, an account per kind, and rows for examples under `columns`."""

    table: pd.DataFrame
    dropped: pd.DataFrame
    accounts: list[Account]
    columns: list[str]
    examples: list[list[Cell]]


def chosen_queries(retrieval: pd.DataFrame, per_dataset: int | None) -> list[Query]:
    """Return the captions of every benchmark: all, or those of `per_dataset` distinct texts, drawn by their hash.

    The draw depends on the texts alone, so that a query stays in the set whatever the run's seed. Clips that share a
    text all keep it.
    """
    queries = [
        Query(row.dataset, row.clip_id, index, caption)
        for row in retrieval.itertuples(index=False)
        for index, caption in enumerate(row.captions)
    ]
    if per_dataset is None:
        return queries
    kept: set[tuple[str, str]] = set()
    for dataset in sorted({query.dataset for query in queries}):
        texts = {query.words for query in queries if query.dataset == dataset}
        kept |= {(dataset, text) for text in sorted(texts, key=content_key)[:per_dataset]}
    return [query for query in queries if (query.dataset, query.words) in kept]


def stressed_queries(retrieval: pd.DataFrame, section: Stress, machine: Machine) -> StressSet:
    """Return every chosen query in every kind and language; what failed its checks to the end is dropped and listed."""
    queries = chosen_queries(retrieval, section.queries_per_dataset)
    manners = [(kind, "en") for kind in dict.fromkeys(section.kinds)]
    manners += [(TRANSLATION, language) for language in dict.fromkeys(section.languages)]
    meaning = load_meaning(section.similarity, progress=machine.progress) if set(section.kinds) - set(_RULES) else None
    rows: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    accounts: list[Account] = []
    columns: list[list[Cell]] = [[query.words for query in queries]]
    for kind, language in manners:
        name = language if kind == TRANSLATION else kind
        if kind in _RULES:
            account, outcomes = Account(f"stress_{name}", RULE, _RULE_VERSIONS[kind]), _by_rule(queries, kind)
        else:
            account = Account(f"stress_{name}", section.model, PROMPTS[kind].version)
            least = _least(kind, section, meaning)
            account.least_similarity = least
            questions = [_question(query.words, kind, language, least) for query in queries]
            what = f"queries in {name}"
            outcomes = ask_all(questions, section.model, section, machine, what, meaning if least is not None else None)
        account.add_questions(outcomes)
        accounts.append(account)
        shown: list[Cell] = []
        for query, outcome in zip(queries, outcomes, strict=True):
            account.count(outcome, _TEXT)
            place = (query.dataset, query.clip_id, query.caption_index)
            if _TEXT in outcome.dropped:
                fate = outcome.dropped[_TEXT]
                dropped.append(dropped_row(*place, account.task, "test", query.words, fate))
                shown.append("(dropped)")
                continue
            accepted = outcome.accepted[_TEXT]
            rows.append(_row(query, kind, language, accepted, account, meaning))
            shown.append(accepted.text)
        columns.append(shown)
    names = ["query", *(language if kind == TRANSLATION else kind for kind, language in manners)]
    examples = [list(cells) for cells in zip(*columns, strict=True)]
    return StressSet(STRESS.frame(rows), DROPPED.frame(dropped), accounts, names, examples)


def _row(
    query: Query, kind: str, language: str, accepted: Accepted, account: Account, meaning: Meaning | None
) -> dict[str, Any]:
    similarity, measure = lexical_similarity(query.words, accepted.text), MEASURE
    if kind == TRANSLATION:
        similarity, measure = math.nan, "none"
    elif meaning is not None and accepted.similarity is not None:
        similarity, measure = accepted.similarity, meaning.measure
    return {
        "dataset": query.dataset,
        "clip_id": query.clip_id,
        "caption_index": query.caption_index,
        "text": accepted.text,
        "model": account.model,
        "prompt_version": account.prompt_version,
        "attempts": accepted.attempts,
        "similarity": similarity,
        "similarity_measure": measure,
        "kind": kind,
        "language": language,
        "original": query.words,
    }


def _by_rule(queries: list[Query], kind: str) -> list[Outcome]:
    """Return the outcome of each query; equal queries share one, as with a model."""
    known = {words: _ruled(words, kind) for words in dict.fromkeys(query.words for query in queries)}
    return [known[query.words] for query in queries]


def _ruled(words: str, kind: str) -> Outcome:
    make, check = _RULES[kind]
    text = make(words)
    failure = check(words, text)
    if failure is None:
        return Outcome(accepted={_TEXT: Accepted(text, 1)})
    outcome = Outcome(dropped={_TEXT: Dropped(failure, 1)})
    outcome.refuse(_TEXT, failure)
    return outcome


def _least(kind: str, section: Stress, meaning: Meaning | None) -> float | None:
    """Return the least similarity to the query; None for translations, which no English encoder can compare."""
    if kind == TRANSLATION or meaning is None:
        return None
    if section.similarity.level_2 is not None:
        return section.similarity.level_2
    return 0.0 if meaning.measure == MEASURE else LEAST[kind]


def _question(words: str, kind: str, language: str, least: float | None) -> Question:
    def check(name: str, text: str, taken: object) -> str | None:
        if kind == TRANSLATION:
            return stress_checks.translation(words, text, language)
        return stress_checks.manner(words, text)

    asked = {"query": words, "kind": kind} | ({"language": language} if kind == TRANSLATION else {})
    return Question(PROMPTS[kind], asked, (_TEXT,), check, (words,), {} if least is None else {_TEXT: least})
