"""The headline: each metric of the student beside the teacher's, with the difference and, where known, its interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MODELS = ("student", "teacher")
PARTS = {
    "t2a": "text to audio",
    "a2t": "audio to text",
    "t2a_level1": "text to audio, paraphrase 1",
    "t2a_level2": "text to audio, paraphrase 2",
    "t2a_stress_jargon": "text to audio, jargon",
    "t2a_stress_slang": "text to audio, slang",
    "t2a_stress_keywords": "text to audio, keywords",
    "t2a_stress_typos": "text to audio, typos",
    "t2a_judged": "text to audio, judged answers",
    "twin_order": "caption against its twin, order",
    "twin_antonym": "caption against its twin, opposite",
    "twin_verb": "caption against its twin, no verb",
    "twin_noun": "caption against its twin, no noun",
    "zero_shot": "zero-shot classification",
    "traversal": "audio traversal",
}
MEASURES = {"r1": "R@1", "r5": "R@5", "r10": "R@10", "map10": "mAP@10", "map16": "mAP@16", "mrr10": "MRR@10",
            "any1": "R@1, any hit", "any5": "R@5, any hit", "any10": "R@10, any hit",
            "median_rank": "median rank"}  # fmt: skip
# Lower is better.
FALLING = frozenset({"median_rank"})
# What stands large above the table: one measure per part, as far as there is room.
_SHOWN_LARGE = (("t2a", "map10"), ("a2t", "map10"), ("t2a_level2", "r10"), ("zero_shot", "accuracy"))
_LARGE = 6


@dataclass(frozen=True)
class Comparison:
    """One metric of both models. `low` and `high` bound student − teacher (95 %), where evaluate measured them."""

    dataset: str
    part: str
    measure: str
    student: float
    teacher: float
    count: int | None = None  # queries or clips that the metric is a mean over
    chance: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = ""  # better, worse or not significant, as evaluate tells it; empty for what it does not tell

    @property
    def task(self) -> str:
        """The part in words."""
        return task_name(self.part)

    @property
    def name(self) -> str:
        """The measure in words."""
        return MEASURES.get(self.measure, self.measure)

    @property
    def difference(self) -> float:
        """Student minus teacher."""
        return self.student - self.teacher

    @property
    def gain(self) -> float:
        """Student minus teacher, turned round where lower is better: above 0 the student does better."""
        return -self.difference if self.measure in FALLING else self.difference


def task_name(part: str) -> str:
    """Return what a part is called: "text to audio, typos", "text to audio, in de"."""
    language = part.removeprefix("t2a_stress_")
    return PARTS.get(part) or (part if language == part else f"text to audio, in {language}")


def compare(metrics: dict[str, Any], measured: list[dict[str, Any]]) -> list[Comparison]:
    """Pair the student's and the teacher's metrics, in the student's order.

    Args:
        metrics: metrics.json; model → dataset → part → measure, and n → dataset → part.
        measured: intervals.json of evaluate, one entry per dataset, part and measure; or empty.
    """
    known = {(item["dataset"], item["part"], item["measure"]): item for item in measured}
    teacher = dict(_leaves(metrics.get("teacher", {})))
    counts = dict(_leaves(metrics.get("n", {})))
    found = []
    for path, value in _leaves(metrics.get("student", {})):
        if path not in teacher or len(path) != 3:
            continue
        item = known.get(path, {})
        gap = item.get("student_minus_teacher", {})
        count = counts.get(path[:2])
        found.append(
            Comparison(
                *path,
                value,
                teacher[path],
                count,
                item.get("chance"),
                gap.get("low"),
                gap.get("high"),
                item.get("verdict", ""),
            )
        )
    return found


def highlights(comparisons: list[Comparison]) -> list[Comparison]:
    """Return the few comparisons to show large: the chief measure of each part, else the first of all."""
    chief = [item for item in comparisons if (item.part, item.measure) in _SHOWN_LARGE]
    return (chief or comparisons)[:_LARGE]


def in_words(comparisons: list[Comparison]) -> list[str]:
    """Return the highlights as lines of text, for a terminal."""
    return [
        f"{item.dataset}, {item.task}, {item.name}: student {item.student:.3f}, teacher {item.teacher:.3f}"
        + (f" ({item.verdict})" if item.verdict else "")
        for item in highlights(comparisons)
    ]


def others(metrics: dict[str, Any], comparisons: list[Comparison]) -> list[tuple[str, float]]:
    """Return the leaves of metrics.json that are in no comparison: (dotted path, value)."""
    shown = {(model, item.dataset, item.part, item.measure) for model in MODELS for item in comparisons}
    shown |= {("n", item.dataset, item.part) for item in comparisons}
    return [(".".join(path), value) for path, value in _leaves(metrics) if path not in shown]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
