from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest
import torch
from torch.nn import functional

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs
from clapline.params.model import Model
from stages.train.checkpoints import Checkpoint
from stages.train.data import Known, TeacherView
from stages.train.loop import Trainer, compile_encoders
from stages.train.optimiser import build_optimiser
from stages.train.validation import Validation
from tests.stages.train.conftest import MODEL
from tests.stages.train.tiny import tiny_trainer, weights_of


@pytest.fixture
def trainer(toy, new_clap):
    def make(changes=None, data=None, validated=True, **more) -> Trainer:
        clap = new_clap(data or toy[0])
        validation = Validation(toy[1], toy[2]) if validated else None
        return tiny_trainer(clap, data or toy[0], validation, changes, **more)

    return make


def train(trainer: Trainer, *key):
    with Checkpoint("student", *key) as checkpoint:
        return trainer.run(checkpoint)


def test_it_learns_the_toy_world(trainer):
    run = trainer({"steps": 120, "validate_every_steps": 30})
    before = run.validation.map10(run.clap)
    history = train(run)
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]
    assert run.validation.map10(run.clap) > before + 0.2
    assert history.best == max(row["val_map10"] for row in history.rows)


def test_the_best_weights_are_kept_and_measured(trainer):
    """Known trap 10: the metric of the last epoch though the best was saved."""
    run = trainer()
    history = train(run)
    assert run.validation.map10(run.clap) == pytest.approx(history.best)
    assert history.kept_step in {row["step"] for row in history.rows}


def test_two_runs_are_equal_to_the_bit_and_the_seed_matters(trainer):
    runs = [trainer(), trainer(), trainer(seed=1)]
    for place, run in enumerate(runs):
        train(run, place)
    assert torch.equal(weights_of(runs[0].clap), weights_of(runs[1].clap))
    assert not torch.equal(weights_of(runs[0].clap), weights_of(runs[2].clap))


@pytest.mark.parametrize(("killed_at", "save_every_s", "goes_on_at"), [(11, 1e9, 10), (20, 1e9, 20), (37, 1e-9, 37)])
def test_a_broken_run_goes_on_where_it_was_saved(trainer, monkeypatch, capsys, killed_at, save_every_s, goes_on_at):
    machine = {"save_every_s": save_every_s}
    whole, broken, resumed = trainer(machine={"save_every_s": 1e9}), trainer(machine=machine), trainer(machine=machine)
    expected = train(whole, "whole")
    draw = broken.feeder.sampler.draw

    def die(m):
        if m == killed_at:
            raise KeyboardInterrupt
        return draw(m)

    monkeypatch.setattr(broken.feeder.sampler, "draw", die)
    with pytest.raises(KeyboardInterrupt):
        train(broken, "broken")
    drawn = []
    draw_again = resumed.feeder.sampler.draw
    monkeypatch.setattr(resumed.feeder.sampler, "draw", lambda m: (drawn.append(m), draw_again(m))[1])
    history = train(resumed, "broken")
    assert drawn == list(range(goes_on_at, 40))
    assert f"resumed at step {goes_on_at} of 40" in capsys.readouterr().err
    assert torch.equal(weights_of(resumed.clap), weights_of(whole.clap))
    assert history == expected


def test_a_run_that_another_process_finished_is_taken_over(trainer, monkeypatch):
    first, second = trainer(), trainer()
    with Checkpoint("student", 1) as checkpoint:
        history = first.run(checkpoint)
    monkeypatch.setattr(second.feeder.sampler, "draw", None)
    assert train(second, 1) == history
    assert torch.equal(weights_of(first.clap), weights_of(second.clap))


def test_live_curves_show_what_the_history_has(trainer, tmp_path, capsys):
    history = train(trainer({"steps": 20}, live=tmp_path / "live"))
    said = capsys.readouterr().err
    assert "logit_scale" in said
    assert "learning_rate" not in said, "rates are for the curve: a line of progress is to be read"
    for name in ("loss", "logit_scale", "learning_rate_text", "gradient_norm"):
        shown = pd.read_csv(tmp_path / f"live/plots/metrics/{name}.tsv", sep="\t")
        assert list(shown.step) == [10, 20]
        assert list(shown[name]) == pytest.approx([row[name] for row in history.curve])
    scores = pd.read_csv(tmp_path / "live/plots/metrics/val_map10.tsv", sep="\t")
    assert list(scores.val_map10) == pytest.approx([row["val_map10"] for row in history.rows])


def test_rows_are_means_of_the_steps_since_the_row_before(trainer):
    """Every step in one row, against rows of several: the same values, averaged."""
    changes = {"steps": 10, "validate_every_steps": 5, "accumulation": 2}
    fine = train(trainer(changes | {"log_every_steps": 1}), 1)
    coarse = train(trainer(changes | {"log_every_steps": 4}), 2)
    each = [row["loss"] for row in fine.curve]
    assert [row["step"] for row in fine.curve] == list(range(1, 11))
    assert [row["step"] for row in coarse.curve] == [4, 8, 10]
    assert [row["step"] for row in coarse.rows] == [5, 10]
    wanted = [sum(each[:4]) / 4, sum(each[4:8]) / 4, sum(each[8:]) / 2]
    assert [row["loss"] for row in coarse.curve] == pytest.approx(wanted, rel=1e-12)
    assert [row["loss"] for row in coarse.rows] == pytest.approx([sum(each[:5]) / 5, sum(each[5:]) / 5], rel=1e-12)
    for name in ("contrastive", "gradient_norm", "logit_scale", "learning_rate_audio", "learning_rate_logits"):
        assert math.isfinite(coarse.curve[0][name])


def test_accumulated_gradients_are_the_mean_of_the_batches_gradients(trainer, monkeypatch):
    """One step of two batches, against two steps of one batch each that move the weights by next to nothing."""
    seen = []
    original = torch.optim.AdamW.step

    def step(optimiser, *arguments):
        seen.append([p.grad.clone() for group in optimiser.param_groups for p in group["params"]])
        return original(optimiser, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    still = {"learning_rates": {"audio": 1e-30}, "gradient_norm": None}
    train(trainer(still | {"steps": 1, "accumulation": 2}), 1)
    train(trainer(still | {"steps": 2}), 2)
    for both, first, second in zip(*seen, strict=True):
        torch.testing.assert_close(both, (first + second) / 2, rtol=1e-4, atol=1e-7)


def test_soft_targets_and_paraphrases_train(trainer, toy):
    data = toy[0]
    texts = data.texts()
    random = torch.Generator().manual_seed(0)
    unit = functional.normalize(torch.randn(32 + len(texts), 16, generator=random), dim=-1)
    view = TeacherView(unit[:32], dict(zip(texts, unit[32:], strict=True)))
    changes = {"objective": {"contrastive": {"targets": "soft"}, "paraphrase": {"weight": 1.0}}}
    data = dataclasses.replace(data, paraphrases={1: {text: [text] for text in texts}, 2: {}})
    rows = train(trainer(changes, data, known=Known(teacher=view))).rows
    assert rows[-1]["loss"] == pytest.approx(rows[-1]["contrastive"] + rows[-1]["paraphrase"], rel=1e-4)
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_no_steps_is_the_model_as_it_starts_and_one_row(trainer):
    run = trainer({"steps": 0})
    before = weights_of(run.clap)
    history = train(run)
    assert torch.equal(weights_of(run.clap), before)
    assert [row["step"] for row in history.rows] == [0]
    assert history.rows[0]["val_map10"] == history.best
    assert history.curve == []


def test_the_last_weights_are_kept_where_asked_or_where_nothing_validates(trainer):
    last = trainer({"choose": "last"})
    history = train(last, 1)
    assert history.kept_step == 40
    blind = trainer(validated=False)
    assert train(blind, 2).kept_step == 40
    assert torch.equal(weights_of(last.clap), weights_of(blind.clap))
    assert "val_map10" not in train(trainer(validated=False), 3).rows[0]


def test_the_model_is_trained_in_training_mode_and_left_in_evaluation(trainer):
    run = trainer()
    run.clap.text.eval()  # as a pretrained encoder comes
    modes = []
    run.clap.text.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    train(run)
    assert modes[0] is True
    assert modes.count(True) == 40
    assert not any(module.training for module in run.clap.modules())


@pytest.mark.parametrize("every", [1, 10])
def test_a_diverging_run_stops_with_one_line_and_keeps_what_was_made(trainer, every):
    run = trainer({"log_every_steps": every})
    original = run.feeder.__class__.__getitem__

    class Poisoned(run.feeder.__class__):
        def __getitem__(self, m):
            batch = original(self, m)
            if m < 24:
                return batch
            audio = dataclasses.replace(batch.audio, features=batch.audio.features * float("nan"))
            return dataclasses.replace(batch, audio=audio)

    run.feeder.__class__ = Poisoned
    where = "at step 25" if every == 1 else "between steps 21 and 30"
    with pytest.raises(UserError, match=f"{where}; lower the learning rate"):
        train(run, "poisoned")
    with Checkpoint("student", "poisoned") as checkpoint:
        state = checkpoint.load()
    assert state["step"] == 20
    assert all(tensor.isfinite().all() for tensor in state["model"].values())


def test_a_user_error_of_a_batch_comes_through_with_loaders_too(trainer):
    for loaders in (0, 1):
        run = trainer({"steps": 2}, machine={"loaders": loaders})
        run.feeder.sampler = Broken()
        with pytest.raises(UserError, match=r"^shard 3 is gone$"):
            train(run, loaders)


class Broken:
    source_of_step = (0, 0)

    def draw(self, step):
        raise UserError("shard 3 is gone")


def test_bf16_encoders_give_nearly_the_losses_of_fp32_ones(trainer):
    plain = train(trainer({"steps": 4, "log_every_steps": 1}), 1)
    half = train(trainer({"steps": 4, "log_every_steps": 1, "precision": "bf16"}), 2)
    first, second = (torch.tensor([row["loss"] for row in history.curve]) for history in (plain, half))
    assert not torch.equal(first, second)
    torch.testing.assert_close(first, second, rtol=0.02, atol=0.0)


def test_compiled_encoders_train_alike_under_the_same_names(trainer, monkeypatch):
    """Traced and run without code generation, which takes a compiler and minutes."""
    plain, compiled = trainer({"steps": 3}), trainer({"steps": 3}, machine={"compile": True})
    names = list(compiled.clap.state_dict())
    monkeypatch.setattr("stages.train.loop.compile_encoders", lambda clap: compile_encoders(clap, backend="eager"))
    train(plain, 1)
    train(compiled, 2)
    assert compiled.clap.audio._compiled_call_impl is not None
    assert list(compiled.clap.state_dict()) == names
    torch.testing.assert_close(weights_of(compiled.clap), weights_of(plain.clap), rtol=1e-4, atol=1e-6)


PASST = {
    "features": {
        "kind": "passt", "duration_s": 0.5, "sample_rate_hz": 8000, "maximum_hz": 3500.0,
        "window_samples": 256, "hop_samples": 64, "mel_bands": 32,
    },
    "audio": {
        "kind": "passt", "config": {"patch": [8, 8], "width": 16, "depth": 1, "heads": 2, "hidden": 32},
        "patchout_bands": 1, "patchout_frames": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("model", [{}, PASST], ids=["cnn", "passt"])
def test_what_a_clap_calls_of_its_encoders_is_what_is_compiled(model):
    torch.manual_seed(0)
    clap = Clap.new(Model.model_validate(MODEL.model_dump() | model), ["a dog"]).train()
    names, front_end = list(clap.state_dict()), clap.front_end
    features = torch.randn(4, front_end.segments, front_end.settings.mel_bands, front_end.frames)
    audio, text = AudioInputs(valid=torch.ones(4), features=features), clap.text.prepare(["a dog", "a bell"])

    def embedded(embed, inputs):
        torch.manual_seed(1)  # dropout and patchout
        return embed(inputs).mean

    plain = [embedded(clap.embed_audio, audio), embedded(clap.embed_text, text)]
    graphs = []

    def counting(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compile_encoders(clap, backend=counting)
    heard = embedded(clap.embed_audio, audio)
    of_audio = len(graphs)
    said = embedded(clap.embed_text, text)
    torch._dynamo.reset()
    assert of_audio > 0
    assert len(graphs) > of_audio
    assert list(clap.state_dict()) == names
    torch.testing.assert_close([heard, said], plain)


def test_a_logit_scale_that_was_pushed_to_its_bound_stops_there_and_comes_back(trainer):
    run = trainer({"steps": 40, "log_every_steps": 1, "learning_rates": {"audio": 1e-3, "logits": 0.1}, "warm_up": 0.0})
    bound = run.clap.settings.temperature.maximum_scale
    with torch.no_grad():
        run.clap.log_scale.fill_(math.log(bound) + 1.0)
    used, pushes = [], iter([-1.0] * 5 + [1.0] * 35)
    run.clap.log_scale.register_hook(lambda gradient: torch.full_like(gradient, next(pushes)))
    forward = run.clap.logit_scale
    run.clap.logit_scale = lambda: (used.append(float(forward().detach())), forward())[1]
    history = train(run)
    scales = [row["logit_scale"] for row in history.curve]
    assert max(used) <= bound * (1 + 1e-6)  # before the first step too
    assert scales[:5] == pytest.approx([bound] * 5)
    assert scales[-1] < 0.5 * bound


def test_a_logit_scale_at_its_bound_has_a_gradient(trainer):
    """A clamp on the way to the loss has none: the toy world wants a smaller scale, and would wait for it for ever."""
    run = trainer({"steps": 20, "learning_rates": {"audio": 1e-3, "logits": 0.05}})
    with torch.no_grad():
        run.clap.log_scale.fill_(math.log(run.clap.settings.temperature.maximum_scale) + 1.0)
    assert train(run).rows[-1]["logit_scale"] < 0.9 * run.clap.settings.temperature.maximum_scale


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_the_logit_bias_learns_where_the_loss_knows_it(toy, form, monkeypatch):
    torch.manual_seed(0)
    clap = Clap.new(Model.model_validate(MODEL.model_dump() | {"temperature": {"bias": -1.0}}), toy[0].texts())
    clap.logit_bias.requires_grad_(form == "softmax")  # as a run of the other form would leave it
    run = tiny_trainer(clap, toy[0], None, {"steps": 2, "objective": {"contrastive": {"form": form}}})
    held, build = [], build_optimiser
    monkeypatch.setattr("stages.train.loop.build_optimiser", lambda *given: (held.append(build(*given)), held[0])[1])
    history = train(run)
    members = {id(parameter) for group in held[0].param_groups for parameter in group["params"]}
    assert (id(clap.logit_bias) in members) == (form == "sigmoid")
    assert (history.rows[-1]["logit_bias"] != -1.0) == (form == "sigmoid")


def test_a_resumed_run_takes_the_number_of_threads_it_began_with(trainer, monkeypatch):
    """Sums are split among threads: another number gives other last bits."""
    before = torch.get_num_threads()
    broken, resumed = trainer({"steps": 20}), trainer({"steps": 20})
    draw = broken.feeder.sampler.draw

    def die(m):
        if m == 15:
            raise KeyboardInterrupt
        return draw(m)

    monkeypatch.setattr(broken.feeder.sampler, "draw", die)
    try:
        torch.set_num_threads(3)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
        torch.set_num_threads(2)
        seen = []
        resumed.clap.text.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
        train(resumed)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {3}


def test_a_run_that_ended_unrecorded_is_not_trained_again(trainer, monkeypatch, tmp_path):
    """Killed after its end and before DVC recorded it; once recorded, whoever forces it wants it trained again."""
    monkeypatch.chdir(tmp_path)
    runs = [trainer({"steps": 10}) for _ in range(3)]
    histories, drawn = [], []
    for place, run in enumerate(runs):
        draw = run.feeder.sampler.draw
        run.feeder.sampler.draw = lambda m, place=place, draw=draw: (drawn.append(place), draw(m))[1]
        with Checkpoint("student", 1) as checkpoint:
            histories.append(run.run(checkpoint))
            checkpoint.finish()
        if place == 1:
            (tmp_path / "dvc.lock").touch()
    assert drawn == [0] * 10 + [2] * 10
    assert histories[0] == histories[1] == histories[2]
    assert torch.equal(weights_of(runs[0].clap), weights_of(runs[1].clap))
    assert torch.equal(weights_of(runs[0].clap), weights_of(runs[2].clap))


def test_a_batch_that_processes_cannot_share_is_refused(trainer, monkeypatch):
    run = trainer()
    monkeypatch.setattr("stages.train.loop.world_size", lambda: 3)
    with pytest.raises(UserError, match="multiple"):
        Trainer(run.clap, run.feeder, run.settings, stage="s", seed=0, machine=run.machine, validate_every=1)
