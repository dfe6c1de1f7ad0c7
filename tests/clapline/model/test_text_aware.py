"""Text-aware pooling against the loop over clips that it replaces; its memory, its dropout, its invariances."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from clapline.model import text_aware
from clapline.model.inputs import States
from clapline.model.text_aware import TextAwarePooling, block_sizes
from clapline.params.audio_encoder import TextAwarePooling as Settings

WIDTH = 24


def pooling_of(seed: int = 0, **settings) -> TextAwarePooling:
    torch.manual_seed(seed)
    pooling = TextAwarePooling(WIDTH, Settings(**{"dimension": 40, "dropout": 0.0, **settings}))
    nn.init.normal_(pooling.norm.weight, 1.0, 0.2)
    nn.init.normal_(pooling.norm.bias, 0.0, 0.2)
    return pooling


def batch_of(texts: int, clips: int, positions: int, seed: int = 1) -> tuple[Tensor, States]:
    """Texts of any length, frames, and masks with holes; the first clip has one valid position."""
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(clips, positions, generator=draw) < 0.6
    mask[:, 0] = True
    mask[:1, 1:] = False
    frames = torch.randn(clips, positions, WIDTH, generator=draw) * 2 + 1
    return torch.randn(texts, WIDTH, generator=draw), States(frames, mask)


def loop(pooling: TextAwarePooling, text: Tensor, frames: States, weight_masks=None, output_masks=None) -> Tensor:
    """The formula as it is written: one clip after the other, torch's attention, nothing folded."""
    columns = []
    for clip, (states, mask) in enumerate(zip(frames.states, frames.mask, strict=True)):
        query = pooling.query(pooling.norm(text))
        heard = pooling.norm(states)
        key, value = pooling.key(heard), pooling.value(heard)
        if weight_masks is None:
            picked = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask.expand(len(text), -1))
        else:
            scores = (query @ key.T / query.shape[1] ** 0.5).masked_fill(~mask, -torch.inf)
            picked = (scores.softmax(dim=-1) * weight_masks[clip]) @ value
        pooled = pooling.norm(pooling.output(picked))
        if output_masks is not None:
            pooled = pooled * output_masks[clip]
        columns.append((functional.normalize(pooled, dim=-1) * functional.normalize(text, dim=-1)).sum(dim=-1))
    return torch.stack(columns, dim=1)


def with_gradients(score, pooling: TextAwarePooling, text: Tensor, frames: States) -> tuple[Tensor, list[Tensor]]:
    """Return the scores and the gradients of a weighted sum of them: parameters, texts, frames."""
    text = text.clone().requires_grad_()
    frames = States(frames.states.clone().requires_grad_(), frames.mask)
    scores = score(text, frames)
    weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(9))
    gradients = torch.autograd.grad((scores * weights).sum(), [*pooling.parameters(), text, frames.states])
    return scores.detach(), list(gradients)


@pytest.mark.parametrize(("texts", "clips", "positions"), [(3, 5, 7), (9, 4, 6), (1, 1, 1), (1, 3, 8), (8, 1, 2)])
@pytest.mark.parametrize("values_first", [None, False, True])
def test_scores_and_gradients_equal_the_loop(texts, clips, positions, values_first):
    pooling = pooling_of().eval()
    text, frames = batch_of(texts, clips, positions)
    expected, slopes = with_gradients(lambda *both: loop(pooling, *both), pooling, text, frames)
    got, own = with_gradients(lambda *both: pooling.cosines(*both, values_first=values_first), pooling, text, frames)
    assert got.shape == (texts, clips)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    for mine, theirs in zip(own, slopes, strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)


def test_parameters_are_those_of_the_thesis():
    pooling = TextAwarePooling(1024, Settings())
    assert sum(parameter.numel() for parameter in pooling.parameters()) == 8_397_824
    assert all(module.bias is not None for module in pooling.children())


def test_one_valid_position_is_that_frame_whatever_is_asked():
    pooling = pooling_of().eval()
    text, frames = batch_of(5, 1, 6)
    frame = pooling.norm(frames.states[0, 0])
    picked = pooling.norm(pooling.output(pooling.value(frame)))
    expected = functional.cosine_similarity(text, picked[None], dim=-1)
    torch.testing.assert_close(pooling.cosines(text, frames)[:, 0], expected, atol=1e-5, rtol=0)


def test_no_score_depends_on_other_texts_clips_or_padding():
    pooling = pooling_of().eval()
    text, frames = batch_of(6, 5, 7)
    whole = pooling.cosines(text, frames)
    for row in range(6):
        torch.testing.assert_close(pooling.cosines(text[row : row + 1], frames)[0], whole[row], atol=1e-6, rtol=0)
    for column in range(5):
        alone = States(frames.states[column : column + 1], frames.mask[column : column + 1])
        torch.testing.assert_close(pooling.cosines(text, alone)[:, 0], whole[:, column], atol=1e-6, rtol=0)
    padding = ~frames.mask.unsqueeze(-1)
    other = States(torch.where(padding, 1e3 * torch.randn_like(frames.states), frames.states), frames.mask)
    assert torch.equal(pooling.cosines(text, other), whole)
    torch.testing.assert_close(pooling.cosines(text * 0.03, frames), whole, atol=1e-6, rtol=0)


def test_equal_clips_get_equal_scores_in_any_block(monkeypatch):
    pooling = pooling_of().eval()
    text, frames = batch_of(6, 9, 7)
    frames.states[[4, 8]], frames.mask[[4, 8]] = frames.states[[1, 1]], frames.mask[[1, 1]]
    for bound in (2**24, 2 * 7 * WIDTH):
        monkeypatch.setattr(text_aware, "FLOATS_AT_ONCE", bound)
        with torch.no_grad():
            scores = pooling.cosines(text, frames, values_first=True)
        assert torch.equal(scores[:, 1], scores[:, 4])
    torch.testing.assert_close(scores[:, 1], scores[:, 8], atol=1e-6, rtol=0)


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any operation, forward or backward, makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        result = operation(*arguments, **(keywords or {}))
        made = [leaf.untyped_storage().nbytes() // 4 for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.numbers = max([self.numbers, *made])
        return result


@pytest.mark.parametrize(("texts", "clips"), [(120, 40), (240, 40), (120, 80), (600, 6)])
@pytest.mark.parametrize("bound", [4 * 16 * WIDTH, 10 * 16 * WIDTH])
def test_memory_is_blocks_whatever_the_number_of_pairs(monkeypatch, texts, clips, bound):
    pooling = pooling_of().eval()
    text, frames = batch_of(texts, clips, 16)
    whole, slopes = with_gradients(pooling.cosines, pooling, text, frames)
    monkeypatch.setattr(text_aware, "FLOATS_AT_ONCE", bound)
    # What is as large as the inputs, the parameters and the result cannot be avoided.
    given = max(frames.states.numel(), texts * 40, texts * clips, 40 * WIDTH)
    with Largest() as largest:
        blocks, own = with_gradients(pooling.cosines, pooling, text, frames)
    assert largest.numbers <= max(bound, given)
    assert texts * clips * WIDTH > 3 * max(bound, given)
    torch.testing.assert_close(blocks, whole, atol=1e-6, rtol=0)
    for mine, theirs in zip(own, slopes, strict=True):
        torch.testing.assert_close(mine, theirs, atol=5e-5, rtol=1e-4)


def test_nothing_of_a_block_waits_for_the_backward_pass(monkeypatch):
    pooling = pooling_of(dropout=0.2).train()
    monkeypatch.setattr(text_aware, "FLOATS_AT_ONCE", 4 * 16 * WIDTH)
    kept: dict[tuple[int, int], dict[int, int]] = {}
    for texts, clips in ((40, 20), (80, 40)):
        text, frames = batch_of(texts, clips, 16)
        held = kept.setdefault((texts, clips), {})

        def pack(tensor: Tensor, held=held) -> Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            scores = pooling.cosines(text.requires_grad_(), States(frames.states.requires_grad_(), frames.mask))
        assert scores.requires_grad
    small, large = (sum(held.values()) for held in kept.values())
    # Four times the pairs, each of which has 16 weights and 24 channels; twice the inputs.
    assert large < 2.5 * small
    assert large < 80 * 40 * 16


def test_dropout_is_drawn_per_text_clip_and_position_and_scales_what_is_left(monkeypatch):
    pooling = pooling_of(dropout=0.3, output_dropout=0.2).train()
    text, frames = batch_of(4, 3, 6)
    shapes = {}

    def drawn(values: Tensor, rate: float, training: bool) -> Tensor:
        assert training
        mask = torch.rand(values.shape, generator=torch.Generator().manual_seed(int(rate * 10)))
        shapes[rate] = (mask >= rate).float() / (1 - rate)
        return values * shapes[rate]

    monkeypatch.setattr(text_aware.functional, "dropout", drawn)
    for values_first in (False, True):
        got, own = with_gradients(
            lambda *both, v=values_first: pooling.cosines(*both, values_first=v), pooling, text, frames
        )
        assert {rate: mask.shape for rate, mask in shapes.items()} == {0.3: (3, 4, 6), 0.2: (3, 4, WIDTH)}
        expected, slopes = with_gradients(
            lambda *both: loop(pooling, *both, shapes[0.3], shapes[0.2]), pooling, text, frames
        )
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
        for mine, theirs in zip(own, slopes, strict=True):
            torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)


def test_dropout_follows_the_seed_through_the_second_computation_of_a_block(monkeypatch):
    pooling = pooling_of(dropout=0.4, output_dropout=0.1).train()
    text, frames = batch_of(20, 12, 16)
    monkeypatch.setattr(text_aware, "FLOATS_AT_ONCE", 4 * 16 * WIDTH)

    def measured() -> tuple[Tensor, list[Tensor]]:
        torch.manual_seed(3)
        return with_gradients(pooling.cosines, pooling, text, frames)

    first, again = measured(), measured()
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(one, other) for one, other in zip(first[1], again[1], strict=True))
    monkeypatch.setattr(text_aware, "checkpoint", lambda function, *inputs, use_reentrant: function(*inputs))
    kept = measured()
    assert torch.equal(first[0], kept[0])
    for one, other in zip(first[1], kept[1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    torch.manual_seed(4)
    assert not torch.equal(pooling.cosines(text, frames), first[0])
    assert not torch.equal(pooling.eval().cosines(text, frames), first[0])


def test_half_the_precision_around_it_gives_full_scores_and_gradients():
    pooling = pooling_of().eval()
    text, frames = batch_of(5, 4, 6)
    exact = pooling.cosines(text, frames)
    half = States(frames.states.bfloat16(), frames.mask)
    assert pooling.cosines(text.bfloat16(), half).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        scores, gradients = with_gradients(pooling.cosines, pooling, text.bfloat16(), half)
    assert scores.dtype == torch.float32
    assert all(gradient.isfinite().all() for gradient in gradients)
    torch.testing.assert_close(scores, exact.detach(), atol=0.05, rtol=0)


def test_block_sizes_hold_the_bound_and_never_vanish(monkeypatch):
    monkeypatch.setattr(text_aware, "FLOATS_AT_ONCE", 1000)
    for texts in (1, 7, 500):
        for shape in ((1, 1, 1), (30, 5, 20), (30, 20, 5), (3, 100, 64)):
            clips_at_once, texts_at_once = block_sizes(texts, shape)
            assert 1 <= clips_at_once <= shape[0]
            assert 1 <= texts_at_once <= texts
            assert clips_at_once == 1 or clips_at_once * shape[1] * shape[2] <= 1000
            assert texts_at_once == 1 or texts_at_once * clips_at_once * max(shape[1:]) <= 1000


def test_no_texts_and_no_clips_are_no_scores():
    pooling = pooling_of().eval()
    text, frames = batch_of(3, 4, 5)
    assert pooling.cosines(text[:0], frames).shape == (0, 4)
    assert pooling.cosines(text, States(frames.states[:0], frames.mask[:0])).shape == (3, 0)
