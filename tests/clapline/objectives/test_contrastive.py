"""Softmax contrast: D 1 and D 2, several positives, ignored pairs, and parity with other people's code."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from clapline.objectives.contrastive import contrastive, contrastive_of_cosines, softmax_contrast, softmax_cross_entropy
from clapline.objectives.ignored import Ignored
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.targets import HardTargets
from tests.clapline.objectives.losses import scores, unit

EYE = torch.eye(2, dtype=torch.float64)
SWAPPED = EYE.flip(0)
WAYS = [pytest.param(False, id="whole"), pytest.param(True, id="factors")]


def infonce(audio: Tensor, text: Tensor, scale: Tensor | float, factors: bool) -> Tensor:
    return softmax_contrast(scores(audio, text, factors), scale, HardTargets(PositivePairs.identity(len(audio))))


@pytest.mark.parametrize("factors", WAYS)
@pytest.mark.parametrize(
    ("first", "second", "scale", "expected"),
    [(EYE, EYE, 1.0, 0.3132616875), (EYE, EYE, 1 / 0.07, 6.2487476e-07), (EYE, SWAPPED, 1.0, 1.3132616875)],
)
def test_golden_values(first: Tensor, second: Tensor, scale: float, expected: float, factors: bool):
    """D 1: the small one to eight digits too."""
    loss = infonce(first, second, scale, factors).item()
    assert loss == pytest.approx(expected, rel=1e-7 if expected < 1e-3 else 0, abs=0 if expected < 1e-3 else 1e-10)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9))
def test_equals_torch_cross_entropy_and_is_symmetric(seed: int, rows: int):
    """D 2, and torch's own cross entropy in both directions."""
    audio, text = unit(rows, 6, seed), unit(rows, 6, seed + 1)
    logits, places = 5.0 * audio @ text.T, torch.arange(rows)
    expected = 0.5 * (functional.cross_entropy(logits, places) + functional.cross_entropy(logits.T, places))
    loss = contrastive(audio, text, 5.0, torch.eye(rows))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(loss, contrastive(text, audio, 5.0, torch.eye(rows)))


def test_one_direction_is_torch_with_probabilities():
    """Value and gradient of torch's cross entropy with soft labels, of rows that sum to 1."""
    random = torch.Generator().manual_seed(0)
    targets = torch.rand(6, 6, generator=random, dtype=torch.float64).softmax(dim=1)
    found = []
    for loss in (softmax_cross_entropy, functional.cross_entropy):
        logits = (9 * torch.randn(6, 6, generator=random.manual_seed(1), dtype=torch.float64)).requires_grad_()
        value = loss(logits, targets)
        found.append((value, torch.autograd.grad(value, logits)[0]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("factors", WAYS)
def test_constant_embeddings_give_log_batch(factors: bool):
    """D 2."""
    same = unit(1, 4).expand(6, 4)
    assert infonce(same, same, 3.0, factors).item() == pytest.approx(math.log(6), abs=1e-12)


def clip_loss(audio: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Return OpenCLIP's ClipLoss as its whole matrix, written out: log-softmax by hand, in float64."""
    logits = scale * torch.einsum("id,jd->ij", audio, text)
    total = 0.0
    for matrix in (logits, logits.T):
        shifted = matrix - matrix.max(dim=1, keepdim=True).values.detach()
        total = total - (shifted.diagonal() - shifted.exp().sum(dim=1).log()).mean()
    return total / 2


def value_and_gradients(loss, *leaves: Tensor) -> tuple[Tensor, ...]:
    leaves = tuple(leaf.clone().requires_grad_() for leaf in leaves)
    value = loss(*leaves)
    return value.detach(), *torch.autograd.grad(value, leaves)


@pytest.mark.parametrize("factors", WAYS)
def test_value_and_gradient_of_clip(factors: bool):
    """D 2: the plain formula in the place of OpenCLIP, which cannot be imported beside a CPU torch."""
    leaves = unit(33, 8, 0), unit(33, 8, 1), torch.tensor(14.2857, dtype=torch.float64)
    ours = value_and_gradients(lambda *each: infonce(*each, factors), *leaves)
    theirs = value_and_gradients(clip_loss, *leaves)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other)


def test_value_and_gradient_of_open_clip():
    open_clip = pytest.importorskip("open_clip", exc_type=ImportError)
    leaves = unit(33, 8, 0), unit(33, 8, 1), torch.tensor(14.2857, dtype=torch.float64)
    for factors in (False, True):
        ours = value_and_gradients(lambda *each: infonce(*each, factors), *leaves)  # noqa: B023
        for own, other in zip(ours, value_and_gradients(open_clip.ClipLoss(), *leaves), strict=True):
            torch.testing.assert_close(own, other)


class Given(nn.Module):
    """A sentence transformer whose embeddings are its parameters: text i has the i-th row."""

    def __init__(self, *rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.stack(rows))

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": self.rows[features["side"], features["input_ids"][:, 0]]}

    def __getitem__(self, place: int) -> None:
        return None


def test_value_and_gradient_of_sentence_transformers():
    """Its cached loss (cosine similarity, scale 20, gradients cached chunk by chunk): one direction, and both."""
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    audio, text, scale, size = unit(13, 8, 0), unit(13, 8, 1), 20.0, 13
    ids = torch.arange(size)[:, None]
    features = [{"input_ids": ids, "side": torch.full((size,), side)} for side in (0, 1)]
    ways = {
        ("query_to_doc",): lambda audio, text: softmax_cross_entropy(scale * audio @ text.T, torch.eye(size)),
        ("query_to_doc", "doc_to_query"): lambda audio, text: infonce(audio, text, scale, False),
    }
    for directions, ours in ways.items():
        model = Given(audio, text)
        loss = CachedMultipleNegativesRankingLoss(
            model, scale, mini_batch_size=4, directions=directions, partition_mode="per_direction"
        )
        theirs = loss(features, torch.zeros(size))
        theirs.backward()
        value, *gradients = value_and_gradients(
            lambda *each: ours(*(functional.normalize(rows, dim=1) for rows in each)),  # noqa: B023
            audio,
            text,
        )
        torch.testing.assert_close(value, theirs.detach())
        torch.testing.assert_close(torch.stack(gradients), model.rows.grad)


@pytest.mark.parametrize("factors", WAYS)
def test_captions_of_one_clip_are_positives(factors: bool):
    """Rows 0 and 1 are of one clip: pulling row 0 to caption 1 must lower the loss, not raise it."""
    positives = PositivePairs.from_matrix(torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool())
    targets = HardTargets(positives)
    torch.testing.assert_close(targets.rows(0, 3)[0], torch.tensor([0.5, 0.5, 0.0]))
    audio = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)  # every cosine 0, its gradient the logit's
    softmax_contrast(scores(audio, torch.eye(3, dtype=torch.float64), factors), 1.0, targets).backward()
    assert audio.grad[0, 0] < 0
    torch.testing.assert_close(audio.grad[0, 1], audio.grad[0, 0])
    assert audio.grad[0, 2] > 0


def test_mean_over_pairs_is_the_mean_of_the_thesis():
    """NT-Xent of the thesis is a mean over positive pairs; with equally many captions per clip it is this one."""
    clips = torch.tensor([0, 0, 1, 1, 2, 2])
    positives = PositivePairs.from_matrix(clips[:, None] == clips)
    logits = 3.0 * unit(6, 4, 0) @ unit(6, 4, 1).T
    places = positives.rows, positives.columns
    thesis = -0.5 * (logits.log_softmax(1)[places].mean() + logits.T.log_softmax(1)[places].mean())
    torch.testing.assert_close(softmax_contrast(Scores(logits), 1.0, HardTargets(positives)), thesis)


@pytest.mark.parametrize("factors", WAYS)
def test_ignored_pairs_are_left_out(factors: bool):
    """They get no gradient, and the loss is that of the others alone."""
    states = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    positives = PositivePairs.identity(3)
    ignored, targets = Ignored(positives, states, 0.9), HardTargets(positives)
    start = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    audio, text = start.requires_grad_(), torch.eye(3, dtype=torch.float64)
    loss = softmax_contrast(scores(audio, text, factors), 2.0, targets, ignored=ignored)
    loss.backward()
    assert audio.grad[0, 1] == audio.grad[1, 0] == 0
    assert audio.grad[0, 2] > 0
    logits = (2.0 * start.detach()).masked_fill(ignored.rows(0, 3), -torch.inf)
    places = torch.arange(3)
    expected = 0.5 * (functional.cross_entropy(logits, places) + functional.cross_entropy(logits.T, places))
    torch.testing.assert_close(loss.detach(), expected)


def test_of_cosines_as_of_embeddings():
    audio, text = unit(5, 4, 0), unit(5, 4, 1)
    by_cosines = contrastive_of_cosines(audio @ text.T, 7.0, torch.eye(5))
    torch.testing.assert_close(by_cosines, contrastive(audio, text, 7.0, torch.eye(5)))
