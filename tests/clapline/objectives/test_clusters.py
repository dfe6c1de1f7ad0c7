"""Cluster classification: methods/paraphrase_and_curation.md C.6 and D 24."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.clusters import cluster_classification
from tests.clapline.objectives.losses import unit


def leaves(clusters: int, size: int = 6) -> list[Tensor]:
    tensors = [3 * unit(size, 4, 0), 2 * unit(size, 4, 1), unit(clusters, 4, 2), torch.linspace(-1, 1, clusters)]
    return [tensor.double().requires_grad_() for tensor in tensors]


def test_equals_torch_cross_entropy():
    """C.6: L = ½ [CE(W a + b, y) + CE(W t + b, y)], one map for both."""
    audio, text, weight, bias = leaves(3)
    clusters = torch.tensor([0, 1, 2, 2, 1, 0])
    expected = 0.5 * sum(functional.cross_entropy(view @ weight.T + bias, clusters) for view in (audio, text))
    torch.testing.assert_close(cluster_classification(audio, text, clusters, weight, bias), expected)


def test_one_cluster_costs_nothing():
    """D 24: K = 1."""
    audio, text, weight, bias = leaves(1)
    loss = cluster_classification(audio, text, torch.zeros(6, dtype=torch.int64), weight, bias)
    assert loss.item() == 0


def test_captions_without_a_cluster_are_left_out():
    """The loss is that of the others alone, and no gradient reaches them."""
    audio, text, weight, bias = leaves(3)
    clusters = torch.tensor([0, -1, 2, -1, 1, 0])
    known = clusters >= 0
    loss = cluster_classification(audio, text, clusters, weight, bias)
    alone = cluster_classification(audio[known], text[known], clusters[known], weight, bias)
    torch.testing.assert_close(loss, alone)
    loss.backward()
    assert not audio.grad[~known].any()
    assert audio.grad[known].any(dim=1).all()


def test_no_caption_has_a_cluster():
    """D 24: 0 and not NaN, with a gradient of 0 that still reaches every weight, as DDP asks."""
    everything = leaves(3)
    audio, text, weight, bias = everything
    loss = cluster_classification(audio, text, torch.full((6,), -1), weight, bias)
    loss.backward()
    assert loss.item() == 0
    assert all(leaf.grad is not None and not leaf.grad.any() for leaf in everything)
