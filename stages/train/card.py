"""The model card: README.md of a model folder, from the run's own settings and figures; readable by model hubs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from clapline.model.clap import Clap
from clapline.params.training import Training
from stages.train.loop import History

_FRONT = """---
library_name: clapline
pipeline_tag: feature-extraction
tags:
- audio
- language-audio retrieval
- clap
---
"""


def model_card(
    stage: str, clap: Clap, history: History, sources: Sequence[Sequence[Any]], words: str, training: Training
) -> str:
    """Return the card's Markdown.

    Args:
        stage: teacher or student.
        clap: the trained model.
        history: what happened in training.
        sources: rows of (name, weight, clips, captions).
        words: one paragraph about where the pairs came from.
        training: the section that trained it.
    """
    settings = clap.settings
    features, text = settings.features, settings.text
    learned = sum(parameter.numel() for parameter in clap.parameters() if parameter.requires_grad)
    every = sum(parameter.numel() for parameter in clap.parameters())
    segments = f" in {features.segments} segments" if features.segments > 1 else ""
    written = text.model or text.architecture or text.kind
    how = "the best by" if training.choose == "best" else "the last;"
    chosen = f", {how} validation mAP@10, {history.best:.3f}" if history.best >= 0 else ""
    steps = history.rows[-1]["step"]
    unsaid = {"objective", "augmentation", "model", "sources"}
    return "\n".join(
        [
            _FRONT,
            f"# clapline {stage}",
            "",
            words,
            "",
            f"- audio: {settings.audio.kind}{f' ({settings.audio.weights})' if settings.audio.weights else ''}, "
            f"{features.kind} features at {features.sample_rate_hz} Hz, {features.duration_s:g} s{segments}, "
            f"{features.mel_bands} mel bands, pooling {settings.audio.pooling}",
            f"- text: {written}{' (frozen)' if text.frozen else ''}, pooling {text.pooling}",
            f"- embedding: {settings.head.dimension} dimensions, {settings.head.kind} head, "
            f"{settings.head.distribution}",
            f"- parameters: {every:,}, of which {learned:,} learn",
            f"- logit scale {float(clap.logit_scale().detach()):.2f}",
            f"- kept: step {history.kept_step} of {steps:.0f}{chosen}",
            *[
                f"- source {name}: weight {weight:g}, {clips} clips, {captions} captions"
                for name, weight, clips, captions in sources
            ],
            "",
            "```python",
            "from clapline import Clap",
            f'clap = Clap.from_pretrained("models/{stage}")',
            'clap.encode_texts(["a dog barks in the distance"])',
            "```",
            "",
            "## Training",
            "",
            "```json",
            json.dumps({"objective": training.objective.model_dump(), **training.model_dump(exclude=unsaid)}, indent=1),
            "```",
            "",
        ]
    )
