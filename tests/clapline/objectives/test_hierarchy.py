"""Hierarchical inclusion: methods/prolap.md T9 and T13, of Gaussians and a small model (T14: model/test_masked_*)."""

from __future__ import annotations

import math

import pytest
import torch

from clapline import Clap
from clapline.model.inputs import Embeddings
from clapline.objectives.hierarchy import hierarchy_loss
from clapline.objectives.inclusion import inclusion, inclusion_loss
from clapline.params.objective import Hierarchy
from stages.train.masking import encode_masked, masked_levels
from tests.clapline.model.masked_models import clips_of
from tests.clapline.objectives.gaussian_model import batch_of, gaussian_model
from tests.clapline.objectives.losses import unit

SOFT = {"form": "exact", "sharpness": 1.0}


def chain(count: int, seed: int = 0, rising: float = 0.0) -> list[Embeddings]:
    spread = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 3
    return [Embeddings(unit(3, 4, seed + level), spread + rising * level) for level in range(count)]


def with_more(levels: list[Embeddings], place: int, more: float = 0.3) -> list[Embeddings]:
    changed = list(levels)
    changed[place] = Embeddings(levels[place].mean, levels[place].log_variance + more)
    return changed


@pytest.mark.parametrize("form", ["exact", "release"])
def test_wider_masked_inputs_cost_less(form: str):
    """T9: raising s of the masked version alone lowers L_h strictly, that of the source alone raises it."""
    levels = chain(2)
    settings = {"form": form, "sharpness": 1.0}
    loss = hierarchy_loss(levels, **settings)
    assert hierarchy_loss(with_more(levels, 1), **settings) < loss < hierarchy_loss(with_more(levels, 0), **settings)


def pair(inner: Embeddings, outer: Embeddings) -> torch.Tensor:
    h = inclusion(inner.mean, inner.log_variance, outer.mean, outer.log_variance, "exact")
    return inclusion_loss(h, 1.0).mean()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_pairs_and_their_sum(count: int):
    """§3: neighbours in the right order, or every two with the less masked one inside; L = 0 is one pair."""
    levels = chain(count, rising=0.7)
    neighbours = [pair(levels[place], levels[place + 1]) for place in range(count - 1)]
    every = [pair(levels[i], levels[j]) for i in range(count) for j in range(i + 1, count)]
    for pairs, terms in (("consecutive", neighbours), ("all", every)):
        for reduce, expected in (("sum", sum(terms)), ("mean", sum(terms) / len(terms))):
            torch.testing.assert_close(hierarchy_loss(levels, **SOFT, pairs=pairs, reduce=reduce), expected)
    assert hierarchy_loss(levels[::-1], **SOFT) > hierarchy_loss(levels, **SOFT)


def test_one_level_is_no_hierarchy():
    with pytest.raises(ValueError, match="two levels"):
        hierarchy_loss(chain(1))


@pytest.fixture(scope="module")
def clap() -> Clap:
    return gaussian_model()


@torch.no_grad()
def levels_under(clap: Clap, m: int = 0, **settings) -> dict[str, list[Embeddings]]:
    chosen = Hierarchy(share=1.0, **settings)
    batch = batch_of(clap, chosen, m)
    encoded = encode_masked(clap, chosen, batch.audio, batch, slice(None))
    return {side: masked_levels(encoded, f"masked_{side}", batch) for side in ("audio", "text")}


def test_nothing_hidden_costs_log_two_per_pair(clap: Clap):
    """T13: with q = 0 every level is the input itself, in eval mode, and L_h = (L + 1) ln 2."""
    for side, levels in levels_under(clap, hidden=[0.0]).items():
        count = {"audio": 1, "text": 2}[side]
        assert len(levels) == count + 2
        for level in levels[1:]:
            torch.testing.assert_close(level.mean, levels[0].mean, rtol=0, atol=1e-6)
            torch.testing.assert_close(level.log_variance, levels[0].log_variance, rtol=0, atol=1e-6)
        assert hierarchy_loss(levels, sharpness=1.0).item() == pytest.approx((count + 1) * math.log(2), abs=1e-5)
    inputs = clips_of(clap, 1.0, 0.4, 0.9)
    plain = clap.embed_audio(inputs)
    levels = levels_under(clap, hidden=[0.0])["audio"]
    torch.testing.assert_close(levels[1].mean, plain.mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(levels[1].log_variance, plain.log_variance, rtol=0, atol=1e-6)


def test_everything_hidden_is_finite(clap: Clap):
    """T13: q = 1, with nothing that stays."""
    for levels in levels_under(clap, hidden=[1.0], minimum_audio=0).values():
        loss = hierarchy_loss(levels, sharpness=10.0)
        assert loss.isfinite()
        assert not torch.allclose(levels[1].mean, levels[0].mean)
        torch.testing.assert_close(levels[2].mean, levels[1].mean, rtol=0, atol=1e-6)


def test_the_same_step_draws_the_same_masks(clap: Clap):
    """T13: and the next one others."""
    first, again, other = levels_under(clap), levels_under(clap), levels_under(clap, m=1)
    for side, levels in first.items():
        assert all(torch.equal(one.mean, two.mean) for one, two in zip(levels, again[side], strict=True))
        assert not torch.equal(levels[1].mean, other[side][1].mean)
        assert torch.equal(levels[0].mean, other[side][0].mean)


@pytest.mark.parametrize(("sides", "expected"), [("audio_levels", "text"), ("text_levels", "audio")])
def test_one_modality_alone(clap: Clap, sides: str, expected: str):
    found = levels_under(clap, **{sides: None})
    assert len(found[expected]) > 2
    assert not found["text" if expected == "audio" else "audio"]
