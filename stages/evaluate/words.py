"""The chapter in words and tables: what is sure and what is not."""

from __future__ import annotations

import numpy as np

from clapline import chapter
from clapline.comparison.tested import holm
from clapline.metrics.near_ties import TOLERANCE
from clapline.metrics.protocols import MEASURES, PROTOCOLS, Protocol
from stages.evaluate.parts import Part
from stages.evaluate.results import DROP, LEVEL, STRESS, TWIN, Estimate, Result, headlines, stress_kind

_PARTS = {
    "t2a": "text to audio",
    "a2t": "audio to text",
    "t2a_judged": "text to audio, answers judged by people",
    "t2a_level1": "text to audio, paraphrased (level 1)",
    "t2a_level2": "text to audio, paraphrased (level 2)",
    "t2a_drop1": "lost by paraphrasing (level 1)",
    "t2a_drop2": "lost by paraphrasing (level 2)",
    "zero_shot": "zero-shot classification",
    "traversal": "audio traversal",
    "twin_order": "caption against its twin, events turned round",
    "twin_antonym": "caption against its twin, a word turned into its opposite",
    "twin_verb": "caption against its twin, a verb left out",
    "twin_noun": "caption against its twin, a noun left out",
}
_MEASURES = {name: measure.title for name, measure in MEASURES.items()} | {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "R@1, mean over levels",
    "ordered_recall": "ordered recall",
    "tau": "Kendall tau, level and distance from the root",
    "uncertainty_tau": "Kendall tau, abstraction and uncertainty",
}
_TOLD = {"t2a": "map10", "a2t": "map10", "t2a_judged": "map16", "t2a_level1": "r10", "t2a_level2": "r10",
         "zero_shot": "accuracy", "traversal": "precision"}  # fmt: skip
_TOLD_IN_TABLES = {
    "traversal": ("precision", "recall", "ordered_recall", "tau", "uncertainty_tau"),
    "a2t": ("any1", "any5", "any10", "median_rank"),
    "t2a": ("median_rank",),
}
_MOVED = ("r10", "map10", "relative_r10", "rank_shift", "shared_top10", "cosine")
_MOVED_NAMES = {"r10": "R@10 lost", "map10": "mAP@10 lost", "relative_r10": "relative", "rank_shift": "shift",
                "shared_top10": "kept", "cosine": "cosine"}  # fmt: skip
BETTER, WORSE, UNSURE = "better", "worse", "not significant"
_STRESSED = {
    "jargon": "in jargon",
    "slang": "in slang",
    "keywords": "by keywords",
    "typos": "with typos",
}


def protocol_words(protocol: Protocol) -> str:
    """Return what is counted, in a paragraph."""
    queries = (
        "A query is a distinct caption; every clip that holds its text answers it."
        if protocol.captions == "distinct"
        else "Every caption of every clip is a query, answered by its own clip alone."
    )
    return (
        f"Protocol {protocol.name}. {queries} R@k is the share of the relevant items in the top k (DCASE); “any "
        "caption hit” asks for one of them. AP@k sums the precision at the relevant ranks up to k and divides by "
        "min(relevant, k); MRR@10 counts the best item alone. Equal similarities count against the model. Chance is "
        "the mean over random orders; “shuffled” is what the last model reaches with the answers exchanged, for twins "
        "and trees with a stranger's: what a model knows lies above it. Values without a control are differences, or "
        "asked of the texts alone. Intervals are 95 % bootstrap intervals over clips, clips that share a caption "
        "together, with the candidates kept; differences are paired."
    )


def verdicts(results: list[Result]) -> list[tuple[Result, str]]:
    """Return the results of one dataset that are told, one per part, and what Holm's correction over them leaves."""
    chosen = [result for result in results if told_measure(result.part) == result.measure]
    corrected = holm([1.0 if result.p_value is None else result.p_value for result in chosen])
    return [
        (
            result,
            (BETTER if result.difference.estimate > 0 else WORSE)
            if result.significant() and p_value <= LEVEL
            else UNSURE,
        )
        for result, p_value in zip(chosen, corrected, strict=True)
    ]


def told(dataset: str, results: list[Result]) -> list[str]:
    """Return paragraphs on one dataset: where the second model differs from the first beyond chance, and where not."""
    first, second = next(iter(results)).models
    named: dict[str, list[str]] = {BETTER: [], WORSE: [], UNSURE: []}
    chosen = verdicts(results)
    for result, verdict in chosen:
        named[verdict].append(f"{part_name(result.part)} ({_MEASURES[result.measure]} {_numbers(result)})")
    better, worse, open_ = named.values()
    said = []
    if better:
        said.append(f"The {second} is significantly better than the {first} in " + "; ".join(better) + ".")
    if worse:
        said.append(f"The {second} is significantly worse than the {first} in " + "; ".join(worse) + ".")
    if open_:
        unknown = all(result.difference.low is None for result in results)
        reason = "No intervals were asked for, so nothing is said to be significant" if unknown else "Not significant"
        said.append(f"{reason}: " + "; ".join(open_) + ".")
    if better or worse:
        said.append(
            f"{len(chosen)} comparisons are told here; significant is what Holm's correction for so many leaves (p as "
            "shown is not corrected). The intervals are about clips, not about the seed of training."
        )
    drops = [
        _drop(result, level)
        for level in (1, 2)
        for result in results
        if (result.part, result.measure) == (f"t2a_drop{level}", "r10")
    ]
    said += [" ".join(drops)] if drops else []
    return [f"{dataset}. {said[0]}", *said[1:]] if said else []


def told_measure(part: str) -> str | None:
    """Return the measure of a part that the report tells in words, None where it tells none."""
    if part.startswith(TWIN):
        return "accuracy"
    return "r10" if stress_kind(part) else _TOLD.get(part)


def part_name(part: str) -> str:
    """Return what a part is called in the report."""
    if not part.startswith(STRESS):
        return _PARTS[part]
    manner = stressed_name(part.removeprefix(STRESS).removesuffix(DROP))
    return f"lost when asked {manner}" if part.endswith(DROP) else f"text to audio, asked {manner}"


def stressed_name(kind: str) -> str:
    """Return how a kind of the stress set asks: "with typos", "in the language de"."""
    return _STRESSED.get(kind, f"in the language {kind}")


def _numbers(result: Result) -> str:
    gap = f"{result.difference.estimate:+.3f}"
    if result.difference.low is not None:
        gap += f", interval {result.difference.low:+.3f} to {result.difference.high:+.3f}, p = {result.p_value:.3g}"
    first, second = result.models.values()
    return f"{first.estimate:.3f} → {second.estimate:.3f}, {gap}"


def _drop(result: Result, level: int) -> str:
    parts = [f"the {model} loses {_with_interval(estimate)}" for model, estimate in result.models.items()]
    return f"Asked with level-{level} paraphrases ({result.queries:,} queries), {' and '.join(parts)} of R@10."


def _with_interval(estimate: Estimate, form: str = ".3f") -> str:
    if estimate.low is None:
        return f"{estimate.estimate:{form}}"
    return f"{estimate.estimate:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def results_table(dataset: str, results: list[Result], protocol: Protocol) -> chapter.Block:
    """Return the chief measures of one dataset with chance, both models, the difference and its p-value."""
    names = next(iter(results)).models
    first, second = names
    rows = [
        [
            part_name(result.part),
            _measure_name(result.measure),
            result.queries,
            result.chance,
            result.control[second],
            *(_with_interval(estimate) for estimate in result.models.values()),
            _with_interval(result.difference, "+.3f"),
            result.p_value,
        ]
        for result in results
        if result.measure in _in_tables(result.part, protocol)
    ]
    columns = ["", "measure", "queries", "chance", "shuffled", first, second, f"{second} − {first}", "p"]
    words = f"{dataset}: estimates with 95 % intervals. Every measure stands in intervals.json."
    return chapter.table(words, columns, rows)


def _in_tables(part: str, protocol: Protocol) -> tuple[str, ...]:
    if part.startswith(("t2a_drop", STRESS)):
        return ()  # they have a table of their own
    levels = tuple(f"level{level}" for level in range(1, 20)) if part == "traversal" else ()
    return (*headlines(part, protocol), *_TOLD_IN_TABLES.get(part, ()), *levels)


def _measure_name(measure: str) -> str:
    return _MEASURES.get(measure, measure.replace("level", "R@1, level "))


def near_ties_told(dataset: str, parts: dict[str, Part]) -> str:
    """Return how many queries' ranks hang on last bits, by direction; `parts` are one model's."""
    counts = " and ".join(
        f"{parts[name].details['near_tied']:,} of {len(parts[name].queries):,} ({part_name(name)})"
        for name in ("t2a", "a2t")
    )
    return (
        f"{dataset}: {counts} of the student's queries have a wrong answer within {TOLERANCE:g} of a right one; on "
        "another device the ranks of these may differ."
    )


def protocols_table(dataset: str, parts: dict[str, dict[str, dict[str, Part]]]) -> chapter.Block:
    """Return what each named protocol counts of the same models: `parts` is captions → model → direction → part."""
    rows: list[list[chapter.Cell]] = []
    for protocol in PROTOCOLS.values():
        models = parts[protocol.captions]
        for direction in ("t2a", "a2t"):
            for measure in protocol.measures(direction):
                kind = "medians" if MEASURES[measure].median else "values"
                cells: list[chapter.Cell] = []
                for of in models.values():
                    values = getattr(of[direction], kind)[measure]
                    cells.append(round(float(values.mean() if kind == "values" else _median(values)), 6))
                shown = list(models.values())[min(1, len(models) - 1)][direction]  # the student's
                known = [round(of[measure], 6) for of in (shown.chance, shown.control)]
                rows.append(
                    [protocol.name, part_name(direction), _MEASURES[measure], len(shown.queries), *known, *cells]
                )
    columns = ["protocol", "", "measure", "queries", "chance", "shuffled", *next(iter(parts.values()))]
    words = f"{dataset}: the same models as other tables count them; estimates (intervals: intervals.json)."
    return chapter.table(words, columns, rows)


def _median(values: np.ndarray) -> float:
    return float(np.median(values))


def robustness_table(dataset: str, results: list[Result]) -> chapter.Block | None:
    """Return what is reached and lost with other words, by kind and model; None where there are no other words."""
    found = {(result.part, result.measure): result for result in results}
    rows: list[list[chapter.Cell]] = []
    for part in dict.fromkeys(result.part for result in results):
        drop = lost_part(part)
        if drop is None or (drop, "r10") not in found:
            continue
        result = found[part, "r10"]
        for model in result.models:
            own = [(part, "r10"), (part, "map10"), *((drop, measure) for measure in _MOVED)]
            # Nothing can be lost relatively where nothing was there.
            cells = [_with_interval(found[key].models[model]) if key in found else None for key in own]
            rows.append([_asked(part), model, result.queries, result.chance, result.control[model], *cells])
    if not rows:
        return None
    columns = [
        "asked",
        "model",
        "queries",
        "chance",
        "shuffled",
        "R@10",
        "mAP@10",
        *(_MOVED_NAMES[measure] for measure in _MOVED),
    ]
    words = (
        f"{dataset}: queries in other words, beside the captions they were made of, with 95 % intervals. Lost: the "
        "original's value less this one; relative: of the original's. Shift: by how many doublings the rank moves, "
        "median. Kept: share of the original's top ten that is there again. Chance and shuffled: of R@10."
    )
    return chapter.table(words, columns, rows)


def lost_part(part: str) -> str | None:
    """Return the part that says what is lost by asking as `part` does; None where it asks with the captions."""
    if part.startswith("t2a_level"):
        return part.replace("_level", "_drop")
    return part + DROP if stress_kind(part) else None


def _asked(part: str) -> str:
    if part.startswith("t2a_level"):
        return f"paraphrased, level {part.removeprefix('t2a_level')}"
    return stressed_name(part.removeprefix(STRESS))
