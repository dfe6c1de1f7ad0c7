"""Audio traversal: how much of a clip's caption tree lies on the way from its caption to the root."""

from __future__ import annotations

import numpy as np

from clapline.metrics.bootstrap import Units
from clapline.metrics.scores import total_variance
from clapline.metrics.traversal import included_roots, kendall_tau, traverse
from clapline.metrics.uncertainty import stranger
from clapline.randomness import generator
from stages.evaluate.benchmarks import Hierarchy
from stages.evaluate.encoded import Encoded
from stages.evaluate.parts import Part, where_defined


def traversal_part(benchmark: Hierarchy, model: Encoded, seed: int) -> Part:
    """Measure precision, how often each level (1: most abstract) is met, and whether levels are in order.

    `tau` is Kendall's between a caption's level and its distance from the root; for Gaussians `uncertainty_tau` is the
    one between its abstraction and its total variance. Both ask the texts alone: chance is 0.
    """
    audio, captions = model.of_clips(benchmark.clips).items, model.of_texts(benchmark.captions).items
    roots = _roots(benchmark, model)
    walk = traverse(audio, captions, roots, benchmark.trees)
    # Another clip's tree, of another most abstract caption where there is one: a tree may share its upper levels.
    kinds = np.unique([tree[0] for tree in benchmark.trees], return_inverse=True)[1]
    strange = stranger(kinds, generator(seed, "evaluate", "shuffled", benchmark.dataset, "traversal"))
    astray = traverse(audio, captions, roots, [benchmark.trees[row] for row in strange]) if strange[0] >= 0 else None
    values = {"precision": walk.precision, "ordered_recall": walk.ordered_recall, "recall": _recall(walk.level_hits)}
    ratios = {f"level{level + 1}": where_defined(hits) for level, hits in enumerate(walk.level_hits.T)}
    control = {}
    if astray is not None:
        control = {"precision": astray.precision.mean(), "ordered_recall": astray.ordered_recall.mean()}
        control |= {"recall": _recall(astray.level_hits).mean()}
        control |= {f"level{level + 1}": np.nanmean(hits) for level, hits in enumerate(astray.level_hits.T)}
    radius = np.linalg.norm(captions.astype(np.float64) - model.root.astype(np.float64), axis=1)
    taus = {"tau": kendall_tau(radius, benchmark.trees)}
    if model.log_variances is not None:
        width = total_variance(model.log_variances[1][model.rows_of_texts(benchmark.captions)])
        taus["uncertainty_tau"] = kendall_tau(-width, benchmark.trees)
    ratios |= {name: where_defined(tau) for name, tau in taus.items() if not np.isnan(tau).all()}
    return Part(
        benchmark.dataset,
        "traversal",
        benchmark.clips["clip_id"].tolist(),
        Units.one_each(len(benchmark.trees)),
        benchmark.clips["clip_id"].to_numpy(),
        values,
        ratios=ratios,
        chance=dict.fromkeys(taus, 0.0),
        control={name: float(value) for name, value in control.items()},
        details={"paths": walk.paths},
    )


def _recall(level_hits: np.ndarray) -> np.ndarray:
    """Return the share of a clip's levels that were met, `(clips,)`: R@1 as the mean over levels."""
    return np.nanmean(level_hits, axis=1)


def _roots(benchmark: Hierarchy, model: Encoded) -> np.ndarray:
    """Return where walks end: the empty text; for Gaussians between it and what includes the clip most."""
    if model.log_variances is None:
        return model.root
    import torch

    from clapline.objectives.inclusion import log_product_integral

    clips, texts = model.rows_of(benchmark.clips), model.rows_of_texts(benchmark.captions)
    means = (
        torch.from_numpy(np.asarray(model.audio.take(clips).items.vectors)),
        torch.from_numpy(model.text.items[texts]),
    )
    widths = [torch.from_numpy(width[rows]) for width, rows in zip(model.log_variances, (clips, texts), strict=True)]
    best = np.empty(len(clips), dtype=np.int64)
    for row in range(len(clips)):  # one clip with all captions: (captions, dim) at a time
        per_dimension = log_product_integral(means[0][row], widths[0][row], means[1], widths[1])
        best[row] = int(per_dimension.double().sum(dim=1).float().argmax())
    return included_roots(best, model.text.items[texts], model.root)
