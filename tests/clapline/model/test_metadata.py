"""Late fusion of tags: what it adds, and that a clip without tags is its audio to the bit."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clapline.model.inputs import Embeddings
from clapline.model.metadata import MetadataFusion
from clapline.params.model import Head

HAS = torch.tensor([True, False, True, False])


def batch() -> tuple[Embeddings, torch.Tensor]:
    draw = torch.Generator().manual_seed(2)
    mean = functional.normalize(torch.randn(4, 6, generator=draw), dim=-1)
    return Embeddings(mean, torch.randn(4, 6, generator=draw)), torch.randn(4, 9, generator=draw)


def fusion_of(kind: str = "linear", **settings) -> MetadataFusion:
    torch.manual_seed(0)
    return MetadataFusion(9, Head(kind=kind, dimension=6, **settings)).eval()


@pytest.mark.parametrize("kind", ["residual", "linear", "mlp"])
def test_the_sum_is_scaled_to_length_one(kind):
    audio, tags = batch()
    fusion = fusion_of(kind)
    with torch.no_grad():
        fusion.weight.fill_(0.4)
    fused = fusion(audio, tags, HAS)
    expected = functional.normalize(audio.mean + 0.4 * fusion.head(tags).mean, dim=-1)
    torch.testing.assert_close(fused.mean[HAS], expected[HAS], atol=1e-6, rtol=0)
    torch.testing.assert_close(fused.mean.norm(dim=-1), torch.ones(4), atol=1e-6, rtol=0)
    assert (fused.mean[HAS] - audio.mean[HAS]).abs().max() > 0.01


def test_without_tags_a_clip_is_its_audio_to_the_bit():
    audio, tags = batch()
    for has_tags in (HAS, torch.zeros(4, dtype=torch.bool)):
        for spoilt in (tags, torch.full_like(tags, torch.nan)):
            state = torch.where(has_tags[:, None], tags, spoilt)
            assert torch.equal(fusion_of()(audio, state, has_tags).mean[~has_tags], audio.mean[~has_tags])


def test_absent_tags_reach_no_gradient():
    audio, tags = batch()
    fusion = fusion_of()
    spoilt = torch.where(HAS[:, None], tags, torch.full_like(tags, torch.nan)).requires_grad_()
    mean = audio.mean.clone().requires_grad_()
    fusion(Embeddings(mean), spoilt, HAS).mean.square().mul(torch.arange(6)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters())
    assert fusion.weight.grad.abs() > 0
    assert (spoilt.grad[~HAS] == 0).all()
    assert (spoilt.grad[HAS] != 0).any()
    assert mean.grad.isfinite().all()


def test_a_gaussian_keeps_the_variance_of_the_audio():
    audio, tags = batch()
    fusion = fusion_of(distribution="gaussian")
    assert torch.equal(fusion(audio, tags, HAS).log_variance, audio.log_variance)
    assert not [name for name in fusion.state_dict() if "variance" in name]
    assert fusion_of()(Embeddings(audio.mean), tags, HAS).log_variance is None


def test_half_precision_around_it_gives_unit_float32():
    audio, tags = batch()
    with torch.autocast("cpu", torch.bfloat16):
        fused = fusion_of()(audio, tags.bfloat16(), HAS)
    assert fused.mean.dtype == torch.float32
    torch.testing.assert_close(fused.mean.norm(dim=-1), torch.ones(4), atol=1e-6, rtol=0)
    assert torch.equal(fused.mean[~HAS], audio.mean[~HAS])
