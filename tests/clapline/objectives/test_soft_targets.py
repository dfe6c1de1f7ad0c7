"""Soft targets: methods/paraphrase_and_curation.md D 8 to 14 and Xie's relevance (C.4, D 23), against torch's KL."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapline.objectives.contrastive import contrastive, softmax_contrast, softmax_cross_entropy
from clapline.objectives.positives import PositivePairs
from clapline.objectives.soft_targets import (
    PairProbabilities,
    logistic,
    meaning_probabilities,
    meaning_targets,
    positive_part,
    rating,
    teacher_targets,
    threshold,
)
from tests.clapline.objectives.losses import positives_of, scores, unit

FORMS = ("raw", "normalised", "softmax")
RELEVANCE = ("logistic", "threshold", "rating", "listwise")
IDENTITY = PositivePairs.identity
EYE2 = torch.eye(2, dtype=torch.float64)


def rows_of(teacher: Tensor, beta: float, form: str = "raw", temperature: float = 0.1) -> Tensor:
    return teacher_targets(IDENTITY(len(teacher)), teacher, beta, form, temperature).rows(0, len(teacher))


def with_cosine(cosine: float) -> Tensor:
    return torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]], dtype=torch.float64)


def divergence(targets: Tensor, logits: Tensor) -> Tensor:
    """Return torch's own KL divergence, a mean over the rows, 0 ln 0 = 0."""
    return functional.kl_div(logits.log_softmax(dim=1), targets, reduction="batchmean")


@pytest.mark.parametrize(
    ("form", "temperature", "row", "entropy", "kl"),
    [
        ("raw", 0.1, (1.0, 0.15), 0.5102509406, 0.2256829429),
        ("normalised", 0.1, (1 / 1.15, 0.15 / 1.15), 0.4436964701, 0.0564840950),
        ("softmax", 0.5, (0.9193176, 0.0806824), 0.3939441139, None),
    ],
)
def test_golden_values(form: str, temperature: float, row: tuple, entropy: float, kl: float | None):
    """D 11: B = 2, S = I, β = 0.3, a teacher's cosine of 0.5; and what torch's KL gives of the same rows."""
    targets = rows_of(with_cosine(0.5), 0.3, form, temperature)
    torch.testing.assert_close(targets[0], torch.tensor(row, dtype=torch.float64), rtol=0, atol=1e-6)
    assert softmax_cross_entropy(EYE2, targets).item() == pytest.approx(entropy, abs=1e-7)
    if kl is not None:
        assert divergence(targets, EYE2).item() == pytest.approx(kl, abs=1e-7)


@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_beta_zero_is_the_hard_loss_whatever_the_teacher_says(form: str, factors: bool):
    """D 8: for all three kinds; torch's KL of raw rows too, since 0 ln 0 = 0."""
    audio, text, size = unit(5, 8, 0), unit(5, 8, 1), 5
    hard = contrastive(audio, text, 7.0, torch.eye(size))
    for seed in (2, 3):
        targets = [teacher_targets(IDENTITY(size), unit(size, 8, seed + side), 0.0, form) for side in (0, 9)]
        loss = softmax_contrast(scores(audio, text, factors), 7.0, *targets)
        torch.testing.assert_close(loss, hard, rtol=0, atol=1e-12)
    logits = 7.0 * audio @ text.T
    both = divergence(rows_of(unit(size, 8, 2), 0.0), logits) + divergence(rows_of(unit(size, 8, 3), 0.0), logits.T)
    torch.testing.assert_close(0.5 * both, hard, rtol=0, atol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_orthonormal_teacher_is_the_hard_loss_for_any_beta(beta: float):
    """D 9: raw rows; under rounding (a product of -1e-8) as well, which the clamp is for."""
    turned = torch.linalg.qr(unit(8, 8, 0)).Q
    for teacher in (torch.eye(8), turned, turned.float()):
        targets = rows_of(teacher, beta)
        assert (targets >= 0).all()
        torch.testing.assert_close(targets.double(), torch.eye(8, dtype=torch.float64), rtol=0, atol=1e-6)
        audio, text = unit(8, 8, 1), unit(8, 8, 2)
        torch.testing.assert_close(
            contrastive(audio, text, 3.0, targets), contrastive(audio, text, 3.0, torch.eye(8)), rtol=1e-6, atol=1e-6
        )


def test_temperature_of_softmax_targets():
    """D 10: τ → 0 with distinct rows is the hard loss, τ → ∞ at β = 1 the uniform one; between, the hard is left."""
    audio, text, teacher = unit(6, 8, 0), unit(6, 8, 1), unit(6, 8, 2)
    hard = contrastive(audio, text, 9.0, torch.eye(6))
    uniform = contrastive(audio, text, 9.0, torch.full((6, 6), 1 / 6))
    far = [
        abs(contrastive(audio, text, 9.0, rows_of(teacher, 1.0, "softmax", t)) - hard).item() for t in (1, 0.1, 0.01)
    ]
    assert far == sorted(far, reverse=True)
    assert far[0] > 1e-2
    assert far[-1] < 1e-9
    loose = contrastive(audio, text, 9.0, rows_of(teacher, 1.0, "softmax", 1e9))
    torch.testing.assert_close(loose, uniform, rtol=0, atol=1e-6)
    assert abs(uniform - hard) > 0.1


def test_raw_rows_are_distributions_with_weights():
    """D 12: Σ Q ln(Q/P) = m KL(Q/m ‖ P) + m ln m, with torch's KL; the least is at P = Q/m."""
    targets, logits = rows_of(unit(6, 3, 0), 0.6), torch.randn(6, 6, dtype=torch.float64)
    mass = targets.sum(dim=1)
    assert (mass > 1.01).any()
    own = divergence(targets / mass[:, None], logits)
    by_row = functional.kl_div(logits.log_softmax(1), targets / mass[:, None], reduction="none").sum(dim=1)
    expected = (mass * by_row + mass * mass.log()).mean()
    torch.testing.assert_close(divergence(targets, logits), expected)
    torch.testing.assert_close(own, by_row.mean())
    best = (targets / mass[:, None]).clamp(min=1e-300).log()
    assert softmax_cross_entropy(best, targets) < softmax_cross_entropy(best + 0.01 * logits, targets)


@pytest.mark.parametrize("factors", [False, True])
def test_gradient_of_a_raw_row(factors: bool):
    """D 12: of row i it is (mᵢ Pᵢ - Qᵢ) / 2B per direction, before the scale."""
    start = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    targets = [teacher_targets(IDENTITY(3), unit(3, 8, seed), 0.4, "raw") for seed in (5, 6)]
    softmax_contrast(scores(start, torch.eye(3, dtype=torch.float64), factors), 1.0, *targets).backward()
    logits, (rows, columns) = start.detach(), (each.rows(0, 3) for each in targets)

    def of(logits: Tensor, q: Tensor) -> Tensor:
        return (q.sum(dim=1, keepdim=True) * logits.softmax(dim=1) - q) / 6

    torch.testing.assert_close(start.grad, of(logits, rows) + of(logits.T, columns).T)


@pytest.mark.parametrize("form", FORMS)
def test_gradient_is_that_of_the_divergence(form: str):
    """B.4: cross entropy drops the entropy of the targets and no more: torch's KL has the same gradient."""
    targets = rows_of(unit(4, 5, 0), 0.3, form)
    found = []
    for loss in (lambda logits: softmax_cross_entropy(logits, targets), lambda logits: divergence(targets, logits)):
        logits = torch.linspace(-3, 3, 16, dtype=torch.float64).view(4, 4).cos().requires_grad_()
        found.append(torch.autograd.grad(loss(logits), logits)[0])
    torch.testing.assert_close(*found)


def test_negative_cosines_stay_finite_and_the_teacher_gets_no_gradient():
    """D 13."""
    teacher = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    for form in FORMS:
        targets = teacher_targets(IDENTITY(2), teacher, 0.3, form)
        rows = targets.rows(0, 2)
        assert rows.min() >= 0
        assert not rows.requires_grad
        assert contrastive(unit(2, 8, 0), unit(2, 8, 1), 5.0, rows).isfinite()


@pytest.mark.parametrize("form", FORMS)
def test_a_student_that_is_its_own_teacher(form: str):
    """D 13: finite, and gradient reaches it by the logits alone."""
    audio, text = (unit(4, 8, seed).requires_grad_() for seed in (0, 1))
    targets = [teacher_targets(IDENTITY(4), side, 0.5, form).rows(0, 4) for side in (audio, text)]
    loss = contrastive(audio, text, 5.0, *targets)
    gradient = torch.autograd.grad(loss, audio)[0]
    apart = contrastive(audio, text, 5.0, *(each.clone() for each in targets))
    assert loss.isfinite()
    torch.testing.assert_close(gradient, torch.autograd.grad(apart, audio)[0])


@pytest.mark.parametrize("form", ["normalised", "softmax"])
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_rows_are_distributions_with_the_diagonal_largest(form: str, beta: float):
    """D 14."""
    targets = rows_of(unit(6, 4, 4), beta, form)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6).double())
    assert (targets >= 0).all()
    assert (targets.diagonal() >= targets.max(dim=1).values - 1e-12).all()
    if beta == 0.3:
        assert (targets.diagonal() < 1).any()


@pytest.mark.parametrize("form", FORMS)
def test_several_captions_of_a_clip(form: str):
    """The hard part shares its mass among them, (1 - β) P; the rest is the teacher's."""
    positives, teacher = positives_of(4), unit(4, 3, 0)
    beta = 0.25
    soft = {"raw": positive_part(teacher @ teacher.T), "softmax": (teacher @ teacher.T / 0.1).softmax(dim=1)}
    hard = positives.matrix().double() / positives.counts[:, None]
    expected = (1 - beta) * hard + beta * soft["softmax" if form == "softmax" else "raw"]
    if form == "normalised":
        expected = expected / expected.sum(dim=1, keepdim=True)
    torch.testing.assert_close(teacher_targets(positives, teacher, beta, form).rows(0, 4), expected)


# Relevance of captions.


def test_golden_weights():
    """C.4: the logistic's table, the threshold's edge, the rating's line."""
    cosines = torch.tensor([0.6, 0.7, 0.8, 0.9, 1.0], dtype=torch.float64)
    expected = torch.tensor([0.00669, 0.07586, 0.5, 0.92414, 0.99331], dtype=torch.float64)
    torch.testing.assert_close(logistic(cosines), expected, rtol=0, atol=5e-6)
    torch.testing.assert_close(threshold(cosines), cosines.where(cosines > 0.7, 0.0))
    assert threshold(torch.tensor(0.7)) == 0
    assert rating(torch.tensor(1.0)).item() == pytest.approx(1 / (1 + math.exp(-1.85)))
    assert rating(torch.tensor(0.5)).item() == pytest.approx(1 / (1 + math.exp(-1.85 + 2.29)))


@pytest.mark.parametrize("form", RELEVANCE)
def test_relevance_rows_are_distributions(form: str):
    meanings = unit(6, 4, 0)
    rows = meaning_targets(IDENTITY(6), meanings, 1.0, form).rows(0, 6)
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(6).double())
    similarity = meanings @ meanings.T
    weigh = {"logistic": logistic, "threshold": threshold, "rating": rating}
    if form == "listwise":
        expected = (rating(similarity) / 0.05).softmax(dim=1)
    else:
        weights = weigh[form](similarity)
        expected = weights / weights.sum(dim=1, keepdim=True)
    torch.testing.assert_close(rows, expected)


def test_a_steep_logistic_is_the_hard_loss():
    """D 23: α → ∞ and β = α c, off-diagonal cosines below c < 1."""
    similarity = unit(5, 8, 0) @ unit(5, 8, 0).T
    off = (similarity - 2 * torch.eye(5)).max().item()
    c = (1 + off) / 2
    assert off < c < 1
    for slope in (1e2, 1e4):
        weights = logistic(similarity, slope, slope * c)
        rows = weights / weights.sum(dim=1, keepdim=True)
        far = (rows - torch.eye(5)).abs().max().item()
    assert far < 1e-12


@pytest.mark.parametrize("form", RELEVANCE)
def test_a_caption_of_which_nothing_is_known_is_like_itself_alone(form: str):
    meanings = unit(4, 3, 0)
    meanings[2] = 0
    rows = meaning_targets(IDENTITY(4), meanings, 1.0, form).rows(0, 4)
    assert rows.isfinite().all()
    assert rows[2].argmax() == 2
    if form in ("logistic", "threshold"):
        assert rows[2, 2] > 0.999999


# Probabilities, of the pairwise forms.


def test_probabilities_of_pairs():
    positives, audio, text = positives_of(4), unit(4, 3, 0), unit(4, 3, 1)
    both = PairProbabilities(positives, 0.4, (audio, text))
    expected = 0.6 * positives.matrix() + 0.4 * (positive_part(audio @ audio.T) + positive_part(text @ text.T)) / 2
    torch.testing.assert_close(both.rows(0, 4), expected)
    torch.testing.assert_close(both.rows(1, 3), expected[1:3])
    assert torch.equal(PairProbabilities(positives, 0.0, (audio,)).rows(0, 4), positives.matrix().float())
    for form in ("logistic", "threshold", "rating"):
        rows = meaning_probabilities(positives, audio, 1.0, form).rows(0, 4)
        assert ((rows >= 0) & (rows <= 1)).all()
    with pytest.raises(ValueError, match="distribution over a list"):
        meaning_probabilities(positives, audio, 1.0, "listwise")
