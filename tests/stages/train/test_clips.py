"""What a run knows of its clips before the first step: statistics, cutting, the weights it starts from."""

from __future__ import annotations

import pytest
import torch

from clapline.model.clap import Clap
from clapline.params.model import Model
from stages.train.clips import feature_statistics, initial_weights, may_cut, set_feature_scale

TEXT = {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100}
HEARD = {"duration_s": 1.0, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0}


def clap(features: dict, audio: dict | None = None) -> Clap:
    torch.manual_seed(0)
    settings = {"features": features, "audio": audio or {"channels": [4, 8]}, "text": TEXT, "head": {"dimension": 8}}
    return Clap.new(Model.model_validate(settings), ["a dog barks", "rain"])


def test_statistics_are_those_of_all_values():
    features = (3 * torch.randn(7, 2, 16, 13, generator=torch.Generator().manual_seed(0)) - 5).half()
    mean, deviation = feature_statistics(features)
    assert mean == pytest.approx(float(features.double().mean()), abs=1e-9)
    assert deviation == pytest.approx(float(features.double().std(correction=0)), abs=1e-9)
    assert feature_statistics(torch.full((3, 1, 2, 2), -7.0)) == (-7.0, 0.0)
    model = clap(HEARD)
    set_feature_scale(model, mean, deviation)
    assert float(model.audio.feature_mean) == pytest.approx(mean)
    assert float(model.audio.feature_deviation) == pytest.approx(deviation)


def test_only_padding_is_cut_and_no_single_segment_of_a_fixed_length():
    vit = {"kind": "passt", "config": {"width": 16, "depth": 1, "heads": 2}}
    assert not may_cut(clap(HEARD))  # repeated, not padded
    assert may_cut(clap({**HEARD, "short": "zero"}))
    assert not may_cut(clap({"kind": "passt", "duration_s": 1.28}, vit))
    assert may_cut(clap({"kind": "passt", "duration_s": 2.56, "segment_s": 1.28}, vit))


def test_other_starting_weights_are_another_run():
    model = clap(HEARD)
    before = initial_weights(model)
    assert initial_weights(clap(HEARD)) == before
    with torch.no_grad():
        model.audio_head.first.weight[0, 0] += 1e-3
    assert initial_weights(model) != before
