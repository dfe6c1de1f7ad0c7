"""Prior-matrix revised contrast: a pair counts as far as both directions agree on it.

Formula: L = ½ [CE(s · C ⊙ Pr) + CE(s · (C ⊙ Pr')ᵀ)] with C the cosines, Pr = B · softmax over the clips of ω C (each
caption's view of the clips) in the direction from clip to caption, Pr' = B · softmax over the captions of ω C in the
other; CE with hard targets as in the softmax contrast.

In words: a clip that likes a caption which likes other clips better is held back, and so is the other way round.

Use it: as an alternative to the softmax contrast where one-sided matches (hub captions) hurt; in batches, since the
prior is that of the batch. The cosines of right pairs should be above 0 already, so start from a trained model: a
sharp prior turns the sign of the gradient where all cosines of a row are negative.

Relations: ω = 0 is the softmax contrast exactly, which the factor B is for (without it all logits would be B times
smaller).

Reference: Xin et al., arXiv 2303.05681, after the dual softmax loss of Cheng et al., arXiv 2109.04290. The direction
of the prior and the factor B are those of the dual softmax; the paper's own formula was not at hand, so this is our
reading.
"""

from __future__ import annotations

from torch import Tensor

from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.targets import HardTargets


def prior_contrast(scores: Scores, scale: Tensor | float, positives: PositivePairs, omega: float) -> Tensor:
    """Return the prior-matrix revised loss, a scalar; in blocks where the scores are factors.

    Args:
        scores: cosines of clips (rows) and captions (columns).
        scale: 1 / temperature.
        positives: of the batch; they share a row's mass.
        omega: sharpness ω ≥ 0 of the prior.
    """
    size, targets = scores.size, HardTargets(positives)
    pulls = 1 / targets.counts

    def log_priors(similarity: Tensor, start: int, stop: int) -> tuple[Tensor]:
        return ((omega * similarity).logsumexp(dim=0),)

    def block(similarity: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        sharp = omega * similarity
        by_caption = size * (sharp - column_logs).exp()
        by_clip = size * (sharp - sharp.logsumexp(dim=1, keepdim=True)).exp()
        to_captions, to_clips = scale * similarity * by_caption, scale * similarity * by_clip
        rows, columns = positives.within(start, stop)
        pulled = pulls[rows] * to_captions[rows - start, columns] + pulls[columns] * to_clips[rows - start, columns]
        return to_captions.logsumexp(dim=1).sum() - pulled.sum(), to_clips.logsumexp(dim=0)

    column_logs = scores.logsumexp([logs for (logs,) in scores.blocks(log_priors)])
    parts = scores.blocks(block)
    rows = scores.total([lost for lost, _ in parts])
    return (rows + scores.logsumexp([logs for _, logs in parts]).sum()) / (2 * size)
