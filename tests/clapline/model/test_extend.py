"""What a model is given for another objective stays in it when it is saved, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clapline import Clap
from clapline.errors import UserError
from clapline.model.extend import add_gaussian_heads, add_logit_bias, add_masks, set_logit_scale
from clapline.model.inputs import AudioInputs
from clapline.params.model import Model

TINY = {
    "features": {"duration_s": 0.5, "mel_bands": 64, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
    "audio": {"channels": [4, 8]},
    "text": {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100, "maximum_tokens": 12},
    "head": {"dimension": 8, "initial_log_variance": -6.0},
}
CAPTIONS = ["a dog barks", "rain falls on a tin roof"]


def model_of(**changes: object) -> Clap:
    torch.manual_seed(0)
    return Clap.new(Model.model_validate({**TINY, **changes}), CAPTIONS).eval()


def all_of_it(clap: Clap) -> Clap:
    return set_logit_scale(add_logit_bias(add_gaussian_heads(add_masks(clap, fill=-3.0)), -10.0), 10.0)


def same_weights(first: Clap, second: Clap) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_an_extended_model_comes_back_the_same(tmp_path: Path):
    clap = model_of()
    before = {name: weight.clone() for name, weight in clap.state_dict().items()}
    assert all_of_it(clap) is clap
    after = clap.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items() if name != "log_scale")
    clap.save(tmp_path / "model", "")
    again = Clap.from_pretrained(tmp_path / "model")
    assert same_weights(again, clap)
    assert again.settings == clap.settings
    inputs = again.text.prepare(CAPTIONS)
    visible = torch.tensor([[True, False, True, False, True, False, True]])[:, : inputs["input_ids"].shape[1]]
    visible = torch.nn.functional.pad(visible, (0, inputs["input_ids"].shape[1] - visible.shape[1])).expand(2, -1)
    features = torch.randn(2, 1, 64, clap.front_end.frames)
    units = (torch.arange(clap.mask_units) % 2 == 0).expand(2, -1)
    for model in (clap, again):
        said = model.embed_masked_text(inputs, visible)
        heard = model.embed_masked_audio(AudioInputs(torch.ones(2), features), units)
        assert said.log_variance.shape == heard.log_variance.shape == (2, 8)
    assert torch.equal(
        heard.log_variance, clap.embed_masked_audio(AudioInputs(torch.ones(2), features), units).log_variance
    )


def test_an_extended_model_has_the_settings_and_names_of_a_new_one():
    extended = all_of_it(model_of())
    new = model_of(
        masked=True,
        head={**TINY["head"], "distribution": "gaussian"},
        temperature={"initial": 0.1, "bias": -10.0},
    )
    assert extended.settings == new.settings
    assert extended.state_dict().keys() == new.state_dict().keys()
    assert all(parameter.requires_grad for parameter in extended.parameters())
    torch.testing.assert_close(extended.logit_scale(), new.logit_scale())
    assert extended.logit_bias.item() == new.logit_bias.item() == -10.0


def test_masks_start_at_the_mean_of_the_features():
    clap = add_masks(model_of(), fill=-3.0)
    assert abs(float(clap.audio_mask.detach().mean()) + 3.0) < 0.02
    assert 0.01 < float(clap.audio_mask.detach().std()) < 0.03
    assert abs(float(clap.text_mask.detach().mean())) < 0.02


def test_gaussian_heads_leave_the_means():
    clap = model_of()
    before = clap.encode_texts(CAPTIONS)
    add_gaussian_heads(clap)
    said = clap.embed_text(clap.text.prepare(CAPTIONS))
    torch.testing.assert_close(said.mean.detach().numpy(), before, rtol=0, atol=1e-6)
    assert (said.log_variance + 6.0).abs().mean() < 3
    assert clap.audio_head.variance.weight.shape == (8, 8)


@pytest.mark.parametrize("extend", [add_masks, add_gaussian_heads])
def test_what_is_there_stays(extend: Callable[[Clap], Clap]):
    clap = all_of_it(model_of())
    names = dict(clap.named_parameters())
    before = {name: weight.detach().clone() for name, weight in names.items()}
    extend(clap)
    assert all(weight is names[name] for name, weight in clap.named_parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in clap.named_parameters())


def test_a_bias_that_is_there_is_set_in_place():
    clap = model_of(temperature={"bias": 1.0})
    bias = clap.logit_bias
    assert add_logit_bias(clap, -2.0).logit_bias is bias
    assert bias.item() == -2.0
    assert clap.settings.temperature.bias == -2.0


@pytest.mark.parametrize("scale", [49.0, 100.0, 7.3, 1 / 3])
def test_the_scale_within_its_bound(scale: float):
    clap = set_logit_scale(model_of(temperature={"initial": 1.0, "maximum_scale": max(scale, 1.0)}), scale)
    assert clap.logit_scale().item() == pytest.approx(scale, rel=1e-5)
    assert clap.settings.temperature.initial == pytest.approx(1 / scale)


def test_impossible_extensions_are_one_clear_line():
    tap = model_of(audio={"channels": [4, 8], "pooling": "tap", "tap": {"dimension": 8}})
    for change, match in (
        (lambda: add_gaussian_heads(tap), "head.distribution must be point"),
        (lambda: add_masks(tap), "audio.pooling tap"),
        (lambda: add_logit_bias(tap, 1000.0), "model.temperature.bias"),
        (lambda: set_logit_scale(tap, 101.0), "at most temperature.maximum_scale = 100"),
        (lambda: set_logit_scale(tap, 0.0), "above 0"),
        (lambda: set_logit_scale(tap, 0.01), "model.temperature.initial"),
    ):
        before = {name: weight.clone() for name, weight in tap.state_dict().items()}
        settings = tap.settings
        with pytest.raises(UserError, match=match) as error:
            change()
        assert "\n" not in str(error.value)
        assert tap.settings is settings
        assert tap.state_dict().keys() == before.keys()
        assert all(torch.equal(weight, before[name]) for name, weight in tap.state_dict().items())
