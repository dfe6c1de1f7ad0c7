"""Pairs encoded piece by piece, twice, against all at once: the same loss, the same gradients (GradCache)."""

from __future__ import annotations

import contextlib

import pytest
import torch

from clapline.model.clap import Clap
from clapline.params.objective import Objective
from clapline.params.training import Training
from stages.train.cached import cached_backward
from stages.train.checkpoints import Checkpoint
from stages.train.task import Task
from tests.stages.train.spread import CONFIGURATIONS, PAIRS, batch_of, built, computed
from tests.stages.train.tiny import tiny_trainer, weights_of


@pytest.mark.parametrize("name", ["vector", "text-aware, paraphrases", "prolap"])
@pytest.mark.parametrize("at_once", [1, 3])
def test_pieces_give_the_loss_and_gradients_of_the_whole(name, at_once):
    pieces = computed(*CONFIGURATIONS[name], 0, 1, batches=2, at_once=at_once)
    whole = computed(*CONFIGURATIONS[name], 0, 1, batches=2, at_once=PAIRS)
    assert pieces["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    assert pieces["parts"] == pytest.approx(whole["parts"], rel=1e-5)
    for parameter, gradient in whole["gradients"].items():
        torch.testing.assert_close(pieces["gradients"][parameter], gradient, atol=3e-6, rtol=1e-4)


def test_both_passes_drop_the_same_and_running_statistics_move_once():
    """With dropout and batch norm: the embeddings that the loss saw are those that carry its gradients."""
    clap = built({"text": {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 200, "dropout": 0.5}})
    objective = Objective()
    task = Task(clap.train(), Training(batch_size=PAIRS, objective=objective))
    batch = batch_of(clap, 1, 0, 1, 0, objective)
    seen: list[torch.Tensor] = []
    encode = task.encode

    def watched(*arguments, **options):
        found = encode(*arguments, **options)
        seen.extend((found["text.mean"].detach().clone(), found["audio.mean"].detach().clone()))
        return found

    task.encode = watched
    norm = next(module for module in clap.modules() if isinstance(module, torch.nn.BatchNorm2d))
    before = int(norm.num_batches_tracked)
    cached_backward(task, batch.audio, batch, 3, 1.0, torch.manual_seed, contextlib.nullcontext, True)
    half = len(seen) // 2
    assert len(seen) == 12  # three pieces, two sides, two passes
    for first, second in zip(seen[:half], seen[half:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(seen[0][:, 0], seen[0][:, 1])
    assert int(norm.num_batches_tracked) == before + 3


def test_a_run_in_pieces_learns_and_resumes_to_the_bit(toy, new_clap):
    changes = {"encode_at_once": 5, "steps": 6, "validate_every_steps": 3}
    data = toy[0]
    runs = [tiny_trainer(new_clap(data), data, None, changes) for _ in range(2)]
    histories = []
    for place, run in enumerate(runs):
        with Checkpoint("student", "pieces", place) as checkpoint:
            histories.append(run.run(checkpoint))
    assert histories[0] == histories[1]
    assert torch.equal(weights_of(runs[0].clap), weights_of(runs[1].clap))
    assert histories[0].curve[-1]["loss"] > 0


def test_no_more_than_a_piece_is_encoded_at_a_time(monkeypatch):
    clap = built({})
    objective = Objective()
    task = Task(clap.train(), Training(batch_size=PAIRS, objective=objective))
    batch = batch_of(clap, 1, 0, 1, 0, objective)
    heard = []
    hear = Clap.hear
    monkeypatch.setattr(Clap, "hear", lambda clap, audio: (heard.append(len(audio)), hear(clap, audio))[1])
    cached_backward(task, batch.audio, batch, 3, 1.0, lambda piece: None, contextlib.nullcontext, True)
    assert heard == [3, 3, 2, 3, 3, 2]
