"""The page of the objectives: `python tools/objective_pages.py` writes docs/objectives.md from their docstrings.

A module's docstring says formula, one plain sentence, use, relations and reference; the knobs are those of the params.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from clapline.params.objective import Objective  # noqa: E402
from clapline.params.training import Training  # noqa: E402
from clapline.storage import write_text  # noqa: E402

PAGE = ROOT / "docs/objectives.md"
# Module → where its knobs are: a part of the objective, and which of its keys; none: all of them.
MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "contrastive": ("contrastive", ("weight", "form", "ignore_similar_captions_above")),
    "sigmoid": ("contrastive", ("initial_logits",)),
    "gaussian": ("contrastive", ("form", "initial_logits")),
    "prior": ("contrastive", ("omega",)),
    "triplet": ("contrastive", ("margin",)),
    "soft_targets": (
        "contrastive",
        ("targets", "beta", "soft", "soft_temperature", "relevance", "relevance_temperature", "relevance_model"),
    ),
} | {name: (name, ()) for name in Objective.model_fields if name != "contrastive"}
FORMS = {
    "sigmoid": "contrastive.form: sigmoid",
    "gaussian": "contrastive.form: probabilistic",
    "prior": "contrastive.form: prior",
    "triplet": "contrastive.form: triplet_sum, triplet_max, triplet_weighted",
    "soft_targets": "contrastive.targets: soft, relevance",
}
PARAGRAPHS = ("Formula", "In words", "Use it", "Relations", "Reference")
_HEAD = """# Objectives

Made from the docstrings in `clapline/objectives/` and the params by `make objectives`: do not edit.

`teacher.objective` and `student.objective` in `params.yaml` hold one section per loss. The loss of a run is the sum
of the parts by their `weight`; a part of weight 0 is not computed, and costs nothing. Each part stands by its name,
unweighted, in `reports/<stage>/curve.tsv`; an unknown name or option stops the run with the list of those known.
Captions of one clip, and equal captions, are positives of each other in every loss. Losses are computed in fp32
whatever `precision` says. What the teacher cannot have (soft targets, distillation, paraphrases) is refused there.

```yaml
student:
  init: teacher
  gaussian_heads: true            # a teacher of points becomes a student of Gaussians
  objective:                      # ProLAP, with paraphrases beside it
    contrastive: {form: probabilistic, targets: hard, initial_logits: batch}
    paraphrase: {weight: 1.0}
    inclusion: {weight: 5.0e-7}
    hierarchy: {weight: 5.0e-3}
    bottleneck: {weight: 1.0e-5}
```

With Gaussian parts the curve also holds the health of the Gaussians, and a line is printed when one of its figures is
out of bounds: `log_variance_audio`, `_least`, `_largest` (bounds: -14 and 0), per masked level `log_variance_audio_1`
and the mean cosine of different inputs `cosine_audio_1` (bound: 0.95, above which they have collapsed), the share of
dimensions in which the wider Gaussian is the one that should be (`inside_caption`, `inside_text_1`, …).
"""
_MEMORY = """## Memory

**Scores.** Up to 2,048 pairs the similarities of a batch are one matrix. Above, they are never whole: work goes in
blocks of rows, and a block is computed again in the backward pass, so memory grows with the batch and not with its
square; with value and gradient of the whole matrix. Over several processes each works on its own rows.
`benchmarks/objectives.py` measures it. What a batch knows of its pairs (positives, teachers' embeddings) grows with
the batch alone, too. Whole matrices stay under text-aware pooling, whose scores come from frames, and between the
masked inputs that repulsion holds apart (an eighth of the batch).

**Encoders.** `encode_at_once: 32` encodes 32 pairs at a time, twice: once without gradients to get all embeddings,
and after the loss once more to carry each embedding's gradient to the weights (GradCache, Gao et al., arXiv
2101.06983). The batch is then bounded by the embeddings, not by the encoders, for a second forward pass. Dropout
draws the same numbers both times. Value and gradients are those of the whole batch but for batch norm, whose
statistics are those of a piece.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD, _overview(), *(_section(name) for name in MODULES), _MEMORY, _training()]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def paragraphs(module: str) -> dict[str, str]:
    """Return title and paragraphs of a module's docstring by their names. Raises ValueError when one lacks."""
    text = importlib.import_module(f"clapline.objectives.{module}").__doc__ or ""
    title, *rest = (" ".join(part.split()) for part in text.strip().split("\n\n"))
    found = {"Title": title}
    for part in rest:
        name, _, said = part.partition(": ")
        found[name] = said
    missing = [name for name in PARAGRAPHS if name not in found]
    if missing or len(found) != len(PARAGRAPHS) + 1:
        raise ValueError(f"clapline/objectives/{module}.py: paragraphs must be {PARAGRAPHS}, found {list(found)[1:]}")
    return found


def _overview() -> str:
    rows = [
        f"| [{_name(module)}](#{_anchor(module)}) | {_switch(module)} | {paragraphs(module)['In words']} |"
        for module in MODULES
    ]
    return "\n".join(["| loss | set by | in words |", "|---|---|---|", *rows])


def _section(module: str) -> str:
    said = paragraphs(module)
    title, _, sentence = said["Title"].partition(": ")
    return "\n".join(
        [
            f"## {title}",
            "",
            f"{sentence[:1].upper()}{sentence[1:]} (`clapline/objectives/{module}.py`)",
            "",
            *(f"- **{name}.** {_begun(said[name])}" for name in PARAGRAPHS),
            "",
            *_knobs(*MODULES[module]),
        ]
    )


def _begun(sentence: str) -> str:
    """Return a sentence with a capital first letter; a Greek letter is a symbol, whose capital is another one."""
    return sentence[:1].upper() + sentence[1:] if sentence[:1].isascii() else sentence


def _name(module: str) -> str:
    return paragraphs(module)["Title"].partition(": ")[0]


def _anchor(module: str) -> str:
    kept = [letter for letter in _name(module).lower() if letter.isalnum() or letter in " -"]
    return "".join(kept).replace(" ", "-")


def _switch(module: str) -> str:
    return f"`{FORMS.get(module, f'{MODULES[module][0]}.weight')}`"


def _knobs(part: str, keys: tuple[str, ...]) -> Iterator[str]:
    section = Objective.model_fields[part].annotation
    yield f"| `objective.{part}` | if left out | allowed | |"
    yield "|---|---|---|---|"
    for name, field in section.model_fields.items():
        if not keys or name in keys:
            yield f"| `{name}` | `{_default(field)}` | {_allowed(field)} | {field.description or ''} |"


def _training() -> str:
    rows = [
        f"| `{name}` | `{_default(Training.model_fields[name])}` | {Training.model_fields[name].description} |"
        for name in ("gaussian_heads", "encode_at_once")
    ]
    return "\n".join(["| beside `objective` | if left out | |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(field: FieldInfo) -> str:
    return _of_type(field.annotation, field.metadata)


def _of_type(annotation: Any, metadata: list[Any]) -> str:
    """Return what a type allows, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return ", ".join("null" if part is type(None) else _of_type(part, metadata) for part in arguments)
    if origin is list:
        return f"list of: {_of_type(arguments[0], [])}"
    if hasattr(annotation, "__metadata__"):
        inner = arguments[0]
        found = [entry for item in annotation.__metadata__ for entry in getattr(item, "metadata", [item])]
        return _of_type(inner, found)
    if annotation is bool:
        return "true, false"
    if annotation is str:
        return "text"
    bounds = [
        f"{sign} {getattr(entry, name):g}"
        for entry in metadata
        for name, sign in _SIGNS.items()
        if hasattr(entry, name)
    ]
    return " and ".join(bounds) or getattr(annotation, "__name__", str(annotation))


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def main() -> None:
    """Write the page."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
