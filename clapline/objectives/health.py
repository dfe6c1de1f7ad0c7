"""Health of Gaussian embeddings in training: figures that show a collapse early, and what to say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from clapline.model.inputs import Embeddings
from clapline.objectives.inclusion import InclusionForm, inclusion

FIGURES = ("log_variance_", "cosine_", "inside_")  # how the names of all figures begin
COLLAPSED_COSINE = 0.95
SMALLEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE = -14.0, 0.0


@torch.no_grad()
def health(
    audio: Embeddings,
    text: Embeddings,
    masked_audio: Sequence[Embeddings] = (),
    masked_text: Sequence[Embeddings] = (),
    form: InclusionForm = "release",
    epsilon: float = -10.0,
) -> dict[str, Tensor]:
    """Return scalars by name, without gradients.

    Per modality mean, least and largest log variance; per masked level its mean, and the mean cosine between different
    inputs (1: all fell together); the share of dimensions in which clips lie inside their captions, and masked levels
    around the level before (H > 0; H = 0 counts half).

    Args:
        audio: Gaussians of the clips, `(batch, dimension)`.
        text: of the captions.
        masked_audio: of the masked clips per level, M₀ first.
        masked_text: the same of captions.
        form: of H.
        epsilon: of H.
    """
    found: dict[str, Tensor] = {}
    for name, whole, levels in (("audio", audio, masked_audio), ("text", text, masked_text)):
        found[f"log_variance_{name}"] = whole.log_variance.mean()
        found[f"log_variance_{name}_least"] = whole.log_variance.amin()
        found[f"log_variance_{name}_largest"] = whole.log_variance.amax()
        for level, masked in enumerate(levels):
            if level:
                found[f"inside_{name}_{level}"] = _inside(levels[level - 1], masked, form, epsilon)
            found[f"log_variance_{name}_{level}"] = masked.log_variance.mean()
            if len(masked.mean) > 1:
                found[f"cosine_{name}_{level}"] = mean_cosine(masked.mean)
    found["inside_caption"] = _inside(audio, text, form, epsilon)
    return found


def mean_cosine(means: Tensor) -> Tensor:
    """Return the mean cosine between different rows of unit vectors `(n, dimension)`, n > 1."""
    count = len(means)
    # The sum over all pairs is the squared length of the sum of all rows.
    return (means.sum(dim=0).square().sum() - count) / (count * (count - 1))


def alarms(figures: Mapping[str, float]) -> list[str]:
    """Return one line for each figure of `health` that is out of bounds."""
    said = []
    for name, value in figures.items():
        # Level 0 is what is not masked: there a young model has such cosines, and no mask is to blame.
        if name.startswith("cosine_") and not name.endswith("_0") and value > COLLAPSED_COSINE:
            what = name.removeprefix("cosine_").replace("_", " level ")
            said.append(
                f"masked {what}: mean cosine {value:.3f} between different inputs, above "
                f"{COLLAPSED_COSINE:g}: they have collapsed; try objective.repulsion, or fewer levels"
            )
        if name.startswith("log_variance_") and name.endswith("_least") and value < SMALLEST_LOG_VARIANCE:
            what = name.removeprefix("log_variance_").removesuffix("_least")
            said.append(
                f"{what}: log variances fell to {value:.2f}, below {SMALLEST_LOG_VARIANCE:g}, where means and "
                "variances pull at each other; raise objective.bottleneck.weight"
            )
        if name.startswith("log_variance_") and name.endswith("_largest") and value > LARGEST_LOG_VARIANCE:
            what = name.removeprefix("log_variance_").removesuffix("_largest")
            said.append(
                f"{what}: log variances rose to {value:.2f}, above {LARGEST_LOG_VARIANCE:g}: wider than the "
                "unit sphere; lower objective.hierarchy.weight or the learning rate"
            )
    return said


def _inside(inner: Embeddings, outer: Embeddings, form: InclusionForm, epsilon: float) -> Tensor:
    """Return the share of dimensions with H > 0; H = 0, where a mask hid nothing more, counts half."""
    h = inclusion(inner.mean, inner.log_variance, outer.mean, outer.log_variance, form, epsilon)
    return (0.5 + 0.5 * h.sign().float()).mean()
