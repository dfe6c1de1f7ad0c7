"""Variational bottleneck: keeps the Gaussians from shrinking to points.

Formula: the mean over inputs and dimensions of KL(N(μ, v) ‖ N(0, 1)) = -½ (1 + s - μ² - v), s = log v. `release` has
s/2 in the place of s, in the exponential too, as the released code of ProLIP does.

In words: certainty costs a little, so a model claims no more of it than it needs.

Use it: with the probabilistic contrast, at a weight of 1e-5 (ProLAP) to 1e-4 (PCME++). Without it the log variances
of clear inputs may fall without bound.

Relations: 0 for a standard Gaussian. For given means both forms are smallest at s = 0, so both raise variances that
start at -10. Applies to unmasked inputs of both modalities, whose terms are added.

Reference: Alemi et al., arXiv 1612.00410; Chun et al., arXiv 2410.18857 (ProLIP); Manabe et al., arXiv 2510.18423
(ProLAP).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from clapline.objectives.precision import wide


def bottleneck(mean: Tensor, log_variance: Tensor, form: Literal["exact", "release"] = "exact") -> Tensor:
    """Return the mean of the divergence over all inputs and dimensions, a scalar ≥ 0 for `exact`.

    Args:
        mean: `(batch, dimension)`.
        log_variance: `(batch, dimension)`.
        form: `exact` or `release`, as above.
    """
    s = wide(log_variance) / (1.0 if form == "exact" else 2.0)
    return -0.5 * (1 + s - wide(mean).square() - s.exp()).mean()
