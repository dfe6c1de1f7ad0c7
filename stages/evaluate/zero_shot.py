"""Zero-shot classification: accuracy, by class and fold, and what the choice of prompt moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from clapline.metrics.bootstrap import Units
from clapline.metrics.scores import Side, side_by_side
from clapline.metrics.zero_shot import class_embeddings, classify
from clapline.randomness import generator
from stages.evaluate.benchmarks import ZeroShot
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import Part


def zero_shot_part(benchmark: ZeroShot, model: Encoded, seed: int) -> Part:
    """Measure accuracy; `details` holds the predicted class of each clip, and the accuracy under each template."""
    audio = model.of_clips(benchmark.clips)
    classes = _classes(benchmark.sentences, model)
    predicted, correct = classify(audio.as_queries(), classes.as_candidates(), benchmark.truth)
    shuffled = generator(seed, "evaluate", "shuffled", benchmark.dataset, "zero_shot").permutation(benchmark.truth)
    _, by_luck = classify(audio.as_queries(), classes.as_candidates(), shuffled)
    templates = {
        name: float(classify(audio.as_queries(), _classes([words], model).as_candidates(), benchmark.truth)[1].mean())
        for name, words in benchmark.templates.items()
    }
    if len(benchmark.templates) > 1:
        all_of_them = _classes(list(benchmark.templates.values()), model).as_candidates()
        templates["all of them"] = float(classify(audio.as_queries(), all_of_them, benchmark.truth)[1].mean())
    return Part(
        benchmark.dataset,
        "zero_shot",
        benchmark.clips["clip_id"].tolist(),
        Units.one_each(len(audio)),
        benchmark.clips["clip_id"].to_numpy(),
        {"accuracy": correct},
        chance={"accuracy": 1 / len(benchmark.classes)},
        control={"accuracy": float(by_luck.mean())},
        details={"predicted": predicted, "templates": templates},
    )


def _classes(sentences: Sequence[Sequence[str]], model: Encoded) -> Side:
    """Return the classes as the mean of their prompts: of unit embeddings, and of total variances.

    An ensemble's are those of its members side by side, so that its similarity is the mean of theirs.
    """
    if model.members:
        return side_by_side([_classes(sentences, member) for member in model.members])
    prompts = [model.of_texts(words) for words in sentences]
    means = class_embeddings(np.stack([side.items for side in prompts]))
    if prompts[0].total_variance is None:
        return Side(means)
    return Side(means, np.mean([side.total_variance for side in prompts], axis=0))


def by_class(benchmark: ZeroShot, parts: dict[str, Part]) -> pd.DataFrame:
    """Return one row per class, the largest first: class, clips, then the share right for each model (recall)."""
    counts = np.bincount(benchmark.truth, minlength=len(benchmark.classes))
    table = {"dataset": benchmark.dataset, "class": benchmark.classes, "clips": counts}
    for model, part in parts.items():
        right = np.bincount(benchmark.truth, weights=part.values["accuracy"], minlength=len(counts))
        table[model] = (right / counts).round(6)
    return pd.DataFrame(table).sort_values(["clips", "class"], ascending=[False, True], ignore_index=True)


def by_fold(benchmark: ZeroShot, parts: dict[str, Part]) -> pd.DataFrame:
    """Return one row per fold: fold, clips, then each model's accuracy; no rows where the clips have no two folds."""
    folds = benchmark.clips["fold"]
    known = sorted(folds.dropna().unique())
    if len(known) < 2:
        return pd.DataFrame(columns=["dataset", "fold", "clips", *parts])
    rows = []
    for fold in known:
        own = (folds == fold).to_numpy()
        means = {model: round(float(part.values["accuracy"][own].mean()), 6) for model, part in parts.items()}
        rows.append({"dataset": benchmark.dataset, "fold": int(fold), "clips": int(own.sum()), **means})
    return pd.DataFrame(rows)
