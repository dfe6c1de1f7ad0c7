"""ProLAP's total in training: methods/prolap.md T16, through the objective and through a small model's own step."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from clapline import Clap
from clapline.objectives.compose import EmbeddedBatch, Learned, objective
from clapline.objectives.gaussian import column_factor, retrieval_scores, row_factor, trace
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import scores_of
from clapline.params.objective import Objective
from clapline.params.training import Training
from stages.train.task import Task
from tests.clapline.objectives.gaussian_model import batch_of, gaussian_model
from tests.clapline.objectives.losses import unit

PROLAP = {
    "contrastive": {"weight": 1.0, "form": "probabilistic"},
    "inclusion": {"weight": 0.2, "sharpness": 3.0},
    "hierarchy": {"weight": 0.5, "share": 1.0},
    "repulsion": {"weight": 0.3},
    "bottleneck": {"weight": 0.1},
}


def loss_and_gradient(form: str, audio: Tensor, text: Tensor, s: Tensor, bias: float) -> tuple[Tensor, Tensor]:
    """Return the contrast of a form alone (λ₁ = λ₂ = γ = 0), and its gradient on the clips' means."""
    leaf = audio.clone().requires_grad_()
    rows, columns = (row_factor(leaf, s), column_factor(text, s)) if form == "probabilistic" else (leaf, text)
    batch = EmbeddedBatch(scores_of(rows, [columns])[0], PositivePairs.identity(len(audio)))
    learned = Learned(torch.tensor(7.0).double(), torch.tensor(bias).double())
    outcome = objective(Objective.model_validate({"contrastive": {"form": form}}), batch, learned)
    assert set(outcome.parts) == {"contrastive"}
    return outcome.total.detach(), torch.autograd.grad(outcome.total, leaf)[0]


def test_constant_variances_are_siglip_with_another_bias():
    """T16: same loss, gradients of the means and ranking, with b shifted by -a tr."""
    audio, text = unit(6, 5, 0), unit(6, 5, 1)
    s = torch.linspace(-3, -1, 5, dtype=torch.float64).expand(6, -1)
    traced = trace(s)[0].item()
    loss, gradient = loss_and_gradient("probabilistic", audio, text, s, -2.0)
    siglip, expected = loss_and_gradient("sigmoid", audio, text, s, -2.0 - 7.0 * traced)
    torch.testing.assert_close(loss, siglip)
    torch.testing.assert_close(gradient, expected)
    order = retrieval_scores(audio, text, s).argsort(dim=1)
    assert torch.equal(order, (audio @ text.T).argsort(dim=1))
    _, unshifted = loss_and_gradient("sigmoid", audio, text, s, -2.0)
    assert not torch.allclose(gradient, unshifted, rtol=1e-2)


@pytest.fixture(scope="module")
def clap() -> Clap:
    return gaussian_model()


def weights(task: Task, of: str) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in task.named_parameters() if of in name}


def step(clap: Clap, changes: dict) -> tuple[float, dict[str, float], Task, dict[str, Tensor]]:
    """Return loss, figures, and the uncertainty heads before and after one step of SGD."""
    settings = Training.model_validate({"steps": 1, "batch_size": 3, "objective": changes})
    task = Task(copy.deepcopy(clap), settings).train()
    batch = batch_of(task.clap, settings.objective.hierarchy if settings.objective.masks else None)
    before = weights(task, "variance")
    optimiser = torch.optim.SGD([each for each in task.parameters() if each.requires_grad], lr=0.1)
    loss, figures = task(batch.audio, batch)
    loss.backward()
    optimiser.step()
    return float(loss.detach()), {name: float(value) for name, value in figures.items()}, task, before


def test_parts_as_logged_sum_to_the_total(clap: Clap):
    """T16, T20: of every part of ProLAP, as the trainer gets them; none is 0. Health comes with them, of all levels."""
    loss, figures, _, _ = step(clap, PROLAP)
    assert {f"cosine_audio_{level}" for level in range(3)} | {f"cosine_text_{level}" for level in range(4)} <= set(
        figures
    )
    assert all(abs(figures[name]) > 1e-6 for name in PROLAP)
    assert math.isclose(loss, sum(part["weight"] * figures[name] for name, part in PROLAP.items()), rel_tol=1e-5)


@pytest.mark.parametrize("part", ["contrastive", "inclusion", "hierarchy", "bottleneck"])
def test_a_step_changes_the_uncertainty_heads(clap: Clap, part: str):
    """T16: of each part that uses them, on its own beside a contrast that does not."""
    changes = {"contrastive": {"form": "sigmoid"}} | {part: PROLAP[part]}
    _, _, task, before = step(clap, changes)
    after = weights(task, "variance")
    assert len(before) >= 4
    assert all(not torch.equal(after[name], value) for name, value in before.items())


def test_no_part_of_gaussians_leaves_the_uncertainty_heads(clap: Clap):
    """The control of the above; repulsion's variances get no gradient either (T15)."""
    for changes in (
        {"contrastive": {"form": "sigmoid"}},
        {"contrastive": {"form": "sigmoid"}, "repulsion": {"weight": 1.0}, "hierarchy": {"share": 1.0}},
    ):
        _, _, task, before = step(clap, changes)
        assert all(torch.equal(value, before[name]) for name, value in weights(task, "variance").items())
