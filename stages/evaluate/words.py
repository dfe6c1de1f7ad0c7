"""The chapter in words and tables: what is sure and what is not."""

from __future__ import annotations

from clapline import chapter
from stages.evaluate.results import DROP, MODELS, STRESS, Estimate, Result, stress_kind

_PARTS = {
    "t2a": "text to audio",
    "a2t": "audio to text",
    "t2a_level1": "text to audio, paraphrased (level 1)",
    "t2a_level2": "text to audio, paraphrased (level 2)",
    "t2a_drop1": "lost by paraphrasing (level 1)",
    "t2a_drop2": "lost by paraphrasing (level 2)",
    "zero_shot": "zero-shot classification",
    "traversal": "audio traversal",
}
_MEASURES = {
    "r1": "R@1", "r5": "R@5", "r10": "R@10", "map10": "mAP@10", "any1": "R@1, any caption hit", "accuracy": "accuracy",
    "any5": "R@5, any caption hit", "any10": "R@10, any caption hit", "precision": "precision",
}  # fmt: skip
_TOLD = {"t2a": "map10", "a2t": "map10", "t2a_level1": "r10", "t2a_level2": "r10", "zero_shot": "accuracy",
         "traversal": "precision"}  # fmt: skip
_STRESSED = {
    "jargon": "in jargon",
    "slang": "in slang",
    "keywords": "by keywords",
    "typos": "with typos",
}
PROTOCOL = (
    "A query is a distinct caption; every clip that holds its text answers it. R@k is the share of the relevant items "
    "in the top k (DCASE); “any caption hit” asks for one of them. AP@10 sums the precision at the relevant ranks up "
    "to 10 and divides by min(relevant, 10). Equal similarities count against the model. Chance is the mean over "
    "random orders. Intervals are 95 % bootstrap intervals over clips, with the candidates kept; differences are "
    "paired."
)


def told(dataset: str, results: list[Result]) -> str:
    """Return a paragraph on one dataset: where the student differs from the teacher beyond chance, and where not."""
    better, worse, open_ = [], [], []
    for result in results:
        if ("r10" if stress_kind(result.part) else _TOLD.get(result.part)) != result.measure:
            continue
        name = f"{part_name(result.part)} ({_MEASURES[result.measure]} {_numbers(result)})"
        if result.significant():
            (better if result.difference.estimate > 0 else worse).append(name)
        else:
            open_.append(name)
    said = []
    if better:
        said.append("The student is significantly better than the teacher in " + "; ".join(better) + ".")
    if worse:
        said.append("It is significantly worse in " + "; ".join(worse) + ".")
    if open_:
        unknown = all(result.difference.low is None for result in results)
        reason = "No intervals were asked for, so nothing is said to be significant" if unknown else "Not significant"
        said.append(f"{reason}: " + "; ".join(open_) + ".")
    for level in (1, 2):
        said += [
            _drop(result, level) for result in results if (result.part, result.measure) == (f"t2a_drop{level}", "r10")
        ]
    return f"{dataset}. " + " ".join(said)


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
    return f"{result.teacher.estimate:.3f} → {result.student.estimate:.3f}, {gap}"


def _drop(result: Result, level: int) -> str:
    parts = [f"the {model} loses {_with_interval(getattr(result, model))}" for model in MODELS]
    return f"Asked with level-{level} paraphrases ({result.queries:,} queries), {' and '.join(parts)} of R@10."


def _with_interval(estimate: Estimate) -> str:
    if estimate.low is None:
        return f"{estimate.estimate:.3f}"
    return f"{estimate.estimate:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def results_table(dataset: str, results: list[Result]) -> chapter.Block:
    """Return every measure of one dataset with chance, both models, the difference and its p-value."""
    rows = [
        [
            part_name(result.part),
            _MEASURES.get(result.measure, result.measure.replace("level", "R@1, level ")),
            result.queries,
            result.chance,
            _with_interval(result.teacher),
            _with_interval(result.student),
            _with_interval(result.difference),
            result.p_value,
        ]
        for result in results
    ]
    columns = ["", "measure", "queries", "chance", "teacher", "student", "student − teacher", "p"]
    return chapter.table(f"{dataset}: estimates with 95 % intervals.", columns, rows)


def stress_table(dataset: str, results: list[Result]) -> chapter.Block | None:
    """Return R@10 and mAP@10 of the stress set by kind and model, and what is lost; None where there is no such set."""
    found = {(result.part, result.measure): result for result in results}
    rows: list[list[chapter.Cell]] = []
    for part in dict.fromkeys(result.part for result in results):
        kind = stress_kind(part)
        if kind is None:
            continue
        for model in MODELS:
            cells: list[chapter.Cell] = [stressed_name(kind), model, found[part, "r10"].queries]
            for name in (part, part + DROP):
                cells += [_with_interval(getattr(found[name, measure], model)) for measure in ("r10", "map10")]
            rows.append(cells)
    if not rows:
        return None
    columns = ["asked", "model", "queries", "R@10", "mAP@10", "R@10 lost", "mAP@10 lost"]
    words = f"{dataset}: queries as people type them, beside the captions they were made of, with 95 % intervals."
    return chapter.table(words, columns, rows)
