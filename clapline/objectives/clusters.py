"""Cluster classification: clip and caption must both tell which cluster of captions theirs is in.

Formula: L = ½ [CE(W a + b, y) + CE(W t + b, y)] with one linear map (W, b) for both modalities, a and t the
embeddings before their length is set to 1, y the cluster of the caption; captions without a cluster are left out.

In words: a coarse question beside the fine one: what kind of sound is told here.

Use it: as a small addition (weight 0.05 to 0.5) in further training. The clusters are made inside training from its
own captions by k-means (`clusters.count`) over TF-IDF or a sentence encoder's embeddings.

Relations: with one cluster it is 0, and so it is where no caption has a cluster. Weight 0 leaves the rest of the
objective as it is to the bit.

Reference: the auxiliary task of AISTAT's DCASE 2025 system, arXiv 2509.16649; its text gives no details, so the
shared map, its place and the clusters are our reading.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from clapline.objectives.precision import wide


def cluster_classification(audio: Tensor, text: Tensor, clusters: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the loss, a scalar; 0, with a gradient of 0, where no caption has a cluster.

    Args:
        audio: embeddings before their length is set to 1, `(size, dimension)`.
        text: the same of the captions.
        clusters: of the captions, `(size,)` int64; -1: none.
        weight: W, `(clusters, dimension)`.
        bias: b, `(clusters,)`.
    """
    known = (clusters >= 0).sum().clamp(min=1)
    losses = [
        functional.cross_entropy(
            functional.linear(wide(view), wide(weight), wide(bias)), clusters, ignore_index=-1, reduction="sum"
        )
        for view in (audio, text)
    ]
    return 0.5 * (losses[0] + losses[1]) / known
