"""The picture of the pipeline: stages as boxes, tables and models that flow between them as lines."""

from __future__ import annotations

from dataclasses import dataclass

BOX_WIDTH, BOX_HEIGHT = 112, 40
_COLUMN_STEP, _ROW_STEP = 150, 66
_MARGIN = 10


@dataclass(frozen=True)
class Stage:
    """A box: its stage, what it does in two or three words, its column and row, and the stages it reads from."""

    name: str
    words: str
    column: int
    row: float
    reads: tuple[str, ...] = ()


STAGES = (
    Stage("download", "fetch datasets", 0, 1),
    Stage("prepare", "decode to shards", 0, 2, ("download",)),
    Stage("fingerprint", "know recordings", 0, 3, ("prepare",)),
    Stage("catalogue", "roles, leaks out", 1, 3, ("prepare", "fingerprint")),
    Stage("rewrite", "labels to captions", 1, 2, ("catalogue",)),
    Stage("paraphrase", "reword captions", 2, 0, ("rewrite",)),
    Stage("synthesize", "new captions", 2, 1, ("rewrite",)),
    Stage("stress", "queries as typed", 2, 2, ("rewrite",)),
    Stage("mix", "clips of two", 2, 3, ("rewrite",)),
    Stage("teacher", "first model", 2, 4, ("rewrite",)),
    Stage("embed", "all clips, captions", 2, 5, ("teacher",)),
    Stage("curate", "pick pairs", 3, 5, ("embed",)),
    Stage("student", "second model", 3, 4, ("paraphrase", "synthesize", "mix", "teacher", "curate")),
    Stage("audit", "captions checked", 3, 0, ("paraphrase", "synthesize", "stress", "mix")),
    Stage("richness", "wording", 3, 1, ("paraphrase", "synthesize")),
    Stage("topics", "subjects", 3, 2, ("paraphrase", "synthesize")),
    Stage("curated_topics", "what curation adds", 4, 2, ("topics", "curate")),
    Stage("evaluate", "compare both", 4, 4, ("student", "stress")),
    Stage("report", "this page", 4, 3, ("audit", "richness", "curated_topics", "evaluate")),
)


@dataclass(frozen=True)
class Drawing:
    """Boxes with their top left corner, lines as SVG path data, and the size of the canvas."""

    boxes: list[tuple[Stage, float, float]]
    lines: list[str]
    width: int
    height: int


def draw_pipeline(stages: tuple[Stage, ...] = STAGES) -> Drawing:
    """Lay out the boxes on their grid and join each with those it reads from."""
    corners = {stage.name: (_MARGIN + stage.column * _COLUMN_STEP, _MARGIN + stage.row * _ROW_STEP) for stage in stages}
    lines = [_line(corners[source], corners[stage.name]) for stage in stages for source in stage.reads]
    boxes = [(stage, *corners[stage.name]) for stage in stages]
    width = int(max(x for x, _ in corners.values()) + BOX_WIDTH + _MARGIN)
    height = int(max(y for _, y in corners.values()) + BOX_HEIGHT + _MARGIN)
    return Drawing(boxes, lines, width, height)


def _line(source: tuple[float, float], target: tuple[float, float]) -> str:
    """Join two boxes: vertically in one column, else by a curve from the right side to the left."""
    (x, y), (to_x, to_y) = source, target
    if x == to_x:
        middle = x + BOX_WIDTH / 2
        start, end = (y + BOX_HEIGHT, to_y - 4) if to_y > y else (y, to_y + BOX_HEIGHT + 4)
        return f"M{middle:g} {start:g}V{end:g}"
    start_x, start_y, end_x, end_y = x + BOX_WIDTH, y + BOX_HEIGHT / 2, to_x - 4, to_y + BOX_HEIGHT / 2
    bend = (start_x + end_x) / 2
    return f"M{start_x:g} {start_y:g}C{bend:g} {start_y:g} {bend:g} {end_y:g} {end_x:g} {end_y:g}"
