"""Measure models: every suite, in every way of counting; and several models together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from clapline.metrics.protocols import Protocol
from clapline.params.evaluate import Evaluate
from stages.evaluate.benchmarks import hierarchy_benchmarks, retrieval_benchmarks, zero_shot_benchmarks
from stages.evaluate.encoded import Encoded, Suites, together
from stages.evaluate.hierarchy import traversal_part
from stages.evaluate.parts import Part
from stages.evaluate.results import MODELS
from stages.evaluate.retrieval import direction_parts, retrieval_parts
from stages.evaluate.uncertainty import uncertainty_of
from stages.evaluate.understanding import twin_part, twins_of
from stages.evaluate.zero_shot import zero_shot_part

Parts = dict[tuple[str, str], Part]


@dataclass(frozen=True)
class Inputs:
    """The tables that evaluation reads."""

    retrieval: pd.DataFrame
    paraphrases: pd.DataFrame
    stress: pd.DataFrame
    judgements: pd.DataFrame
    zero_shot: pd.DataFrame
    hierarchy: pd.DataFrame


def suites_of(inputs: Inputs, settings: Evaluate, protocol: Protocol) -> Suites:
    """Return what is asked, with retrieval in the way of the protocol and, for the table of protocols, in the other."""
    by_captions = {
        captions: retrieval_benchmarks(
            inputs.retrieval, inputs.paraphrases, inputs.stress, inputs.judgements, captions=captions
        )
        for captions in ("distinct", "rows")
    }
    return Suites(
        by_captions[protocol.captions],
        zero_shot_benchmarks(inputs.zero_shot, settings.prompts),
        hierarchy_benchmarks(inputs.hierarchy),
        twins_of(by_captions[protocol.captions]),
        by_captions,
    )


@dataclass(frozen=True)
class Measured:
    """One model's parts, both directions in each way of counting captions, and what its widths say."""

    parts: Parts
    directions: dict[str, Parts]
    uncertainty: list[dict] = field(default_factory=list)


def measure(suites: Suites, model: Encoded, resamples: int, seed: int) -> Measured:
    """Measure a model on every benchmark."""
    found = [part for benchmark in suites.retrieval for part in retrieval_parts(benchmark, model, seed)]
    found += [twin_part(twins, model, seed) for twins in suites.twins]
    found += [zero_shot_part(benchmark, model, seed) for benchmark in suites.zero_shot]
    found += [traversal_part(benchmark, model, seed) for benchmark in suites.hierarchy]
    parts = _by_name(found)
    directions = {
        captions: {key: part for key, part in parts.items() if key[1] in ("t2a", "a2t")}
        if benchmarks is suites.retrieval
        else _by_name([part for benchmark in benchmarks for part in direction_parts(benchmark, model, seed)])
        for captions, benchmarks in suites.by_captions.items()
    }
    return Measured(parts, directions, uncertainty_of(suites, model, parts, resamples, seed))


def _by_name(parts: Sequence[Part]) -> Parts:
    return {(part.dataset, part.name): part for part in parts}


def measure_all(
    suites: Suites,
    ensembles: Mapping[str, Sequence[str]],
    encoded: Callable[[str], Encoded],
    resamples: int,
    seed: int,
) -> tuple[dict[str, Measured], Encoded]:
    """Measure teacher, student and the ensembles; return them by name, and the encoded student.

    `encoded` loads a model by name and encodes all that is asked. Of models that no ensemble needs, one at a time is
    held: as frames clips take gigabytes.
    """
    members = {member for names in ensembles.values() for member in names}
    held: dict[str, Encoded] = {}
    measured = {}
    for name in [*MODELS, *sorted(members - set(MODELS))]:
        for done in [done for done in held if done not in members]:
            del held[done]
        held[name] = encoded(name)
        if name in MODELS:
            measured[name] = measure(suites, held[name], resamples, seed)
    for name, names in ensembles.items():
        both = together(name, [held[member] for member in names])
        measured[name] = measure(suites, both, resamples, seed)
    return measured, held["student"] if "student" in held else encoded("student")
