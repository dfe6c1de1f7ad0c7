"""Hierarchical inclusion: an input lies inside its masked version, and that one inside a version masked further.

Formula: L_h(X) = Σ_{l=0..L} mean over masked inputs and dimensions of softplus(-c H(Z⁽ˡ⁾ ⊂ Z⁽ˡ⁺¹⁾)), Z⁽ˡ⁾ the
Gaussian of X under mask M_l, M₀ everything, M_{l+1} a subset of M_l that keeps each unit with probability 1 - q; H as
in the inclusion loss. `pairs: all` takes every i < j in the place of neighbours, `reduce: mean` the mean over the
pairs.

In words: the less is heard or read, the more may be meant, so the wider must be the Gaussian.

Use it: ProLAP's own idea, at a weight of 5e-3 with L = 1 for audio and L = 2 for text. It trains learned stand-ins
for hidden stretches and words; an eighth of each batch is encoded L + 2 times more. Form, ε and c are those of
`inclusion`, even where its weight is 0.

Relations: L = 0 is ProLIP's loss of masked inputs. With q = 0 every Z⁽ˡ⁾ is Z⁽⁰⁾ and each pair costs ln 2. A unit of
audio is one position of the encoder's states, all bands (our choice). Masking may leave an ambience as it was or
delete the one event: then there is no hierarchy to learn.

Reference: Manabe et al., arXiv 2510.18423 (q = 0.75, first 12.5 % of a batch, levels); consecutive pairs, the sum
over levels and the rest of the details are our reading.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from clapline.model.inputs import Embeddings
from clapline.objectives.inclusion import InclusionForm, inclusion, inclusion_loss


def hierarchy_loss(
    levels: Sequence[Embeddings],
    *,
    form: InclusionForm = "release",
    epsilon: float = -10.0,
    sharpness: float = 1000.0,
    pairs: Literal["consecutive", "all"] = "consecutive",
    reduce: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """Return L_h of one modality, a scalar.

    Args:
        levels: Gaussians of the same inputs under M₀, M₁, … M_{L+1}, each `(inputs, dimension)`.
        form: of H.
        epsilon: of H.
        sharpness: c.
        pairs: neighbouring levels, or all with the less masked one inside.
        reduce: over the pairs.

    Raises ValueError on fewer than two levels.
    """
    if len(levels) < 2:
        raise ValueError("a hierarchy needs two levels: the whole input and a masked one")
    chosen = itertools.pairwise(levels) if pairs == "consecutive" else itertools.combinations(levels, 2)
    terms = [
        inclusion_loss(
            inclusion(inner.mean, inner.log_variance, outer.mean, outer.log_variance, form, epsilon), sharpness
        ).mean()
        for inner, outer in chosen
    ]
    total = sum(terms[1:], start=terms[0])
    return total / len(terms) if reduce == "mean" else total
