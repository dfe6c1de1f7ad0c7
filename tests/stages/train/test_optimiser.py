from __future__ import annotations

import pytest
import torch

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.params.model import Model
from clapline.params.training import Training
from stages.train.optimiser import PARTS, build_optimiser, learning_rates, parameter_groups, part_of
from tests.stages.train.conftest import MODEL

RATES = {"audio": 0.5, "text": 0.25, "heads": 0.125, "pooling": 0.0625, "logits": 0.03125}


def settings_with(**rates: float) -> Training:
    return Training.model_validate({"steps": 1, "learning_rates": rates, "weight_decay": 0.1})


@pytest.fixture(scope="module")
def clap():
    changes = {"audio": {"channels": [8, 16], "pooling": "tap", "tap": {"dimension": 8}}, "temperature": {"bias": -1.0}}
    return Clap.new(Model.model_validate(MODEL.model_dump() | changes), ["a dog"])


def test_every_parameter_follows_the_rate_of_its_part_by_name(clap):
    groups = parameter_groups(clap, settings_with(**RATES))
    found = {id(member): (group["lr"], group["weight_decay"]) for group in groups for member in group["params"]}
    assert len(found) == sum(len(group["params"]) for group in groups) == len(list(clap.parameters()))
    for name, parameter in clap.named_parameters():
        decay = 0.1 if parameter.ndim >= 2 else 0.0
        assert found[id(parameter)] == (RATES[PARTS[name.split(".")[0]]], decay), name
    assert {group["part"] for group in groups} == set(RATES)
    assert found[id(clap.log_scale)] == found[id(clap.logit_bias)] == (0.03125, 0.0)
    assert found[id(clap.text.encoder.embeddings.word_embeddings.weight)] == (0.25, 0.1)
    assert found[id(clap.pooling.query.weight)] == (0.0625, 0.1)


def test_a_rate_that_is_left_out_is_that_of_the_audio_encoder(clap):
    groups = parameter_groups(clap, settings_with(audio=0.5, text=0.25))
    assert {group["part"]: group["peak"] for group in groups} == dict.fromkeys(RATES, 0.5) | {"text": 0.25}


def test_layers_of_variances_have_a_rate_of_their_own_or_that_of_the_heads():
    gaussian = MODEL.model_dump() | {"head": MODEL.head.model_dump() | {"distribution": "gaussian"}}
    clap = Clap.new(Model.model_validate(gaussian), ["a dog"])

    def peaks(**rates: float) -> dict[str, float]:
        groups = parameter_groups(clap, settings_with(**rates))
        peak = {id(member): group["peak"] for group in groups for member in group["params"]}
        return {name: peak[id(parameter)] for name, parameter in clap.named_parameters()}

    widths = {f"{tower}_head.variance.{kind}" for tower in ("audio", "text") for kind in ("weight", "bias")}
    for rates, expected in (
        ({"audio": 0.5, "heads": 0.25, "variances": 0.125}, 0.125),
        ({"audio": 0.5, "heads": 0.25}, 0.25),
        ({"audio": 0.5}, 0.5),
    ):
        found = peaks(**rates)
        assert {name for name in found if ".variance." in name} == widths
        assert {found[name] for name in widths} == {expected}
        others = {rate for name, rate in found.items() if "_head." in name and name not in widths}
        assert others == {rates.get("heads", 0.5)}


def test_frozen_parameters_are_in_no_group():
    clap = Clap.new(MODEL, ["a dog"])
    clap.audio.requires_grad_(False)
    assert {group["part"] for group in parameter_groups(clap, settings_with())} == {"text", "heads", "logits"}
    with pytest.raises(UserError, match="frozen"):
        parameter_groups(clap.requires_grad_(False), settings_with())


def test_a_part_that_nobody_named_is_no_silent_default():
    with pytest.raises(ValueError, match="extra"):
        part_of("extra.weight")
    assert part_of("clap.audio_head.variance.bias") == "variances"
    assert part_of("clap.audio_head.first.weight") == "heads"


def test_a_floor_above_a_peak_is_refused(clap):
    settings = Training.model_validate(
        {"steps": 1, "floor_rate": 1e-4, "learning_rates": {"audio": 1e-3, "text": 1e-5}}
    )
    with pytest.raises(UserError, match=r"floor_rate 0\.0001 lies above the learning rate of text"):
        parameter_groups(clap, settings)


def test_rates_are_told_by_part(clap):
    optimiser = build_optimiser(clap, settings_with(**RATES), torch.device("cpu"))
    assert learning_rates(optimiser) == RATES
    assert isinstance(optimiser, torch.optim.AdamW)
