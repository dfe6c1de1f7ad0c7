"""Health of Gaussian embeddings: methods/prolap.md T20."""

from __future__ import annotations

import pytest
import torch

from clapline.model.inputs import Embeddings
from clapline.objectives.health import alarms, health, mean_cosine
from clapline.objectives.inclusion import inclusion
from tests.clapline.objectives.losses import unit


def gaussians(seed: int, s: float = -3.0, spread: float = 0.5) -> Embeddings:
    drawn = torch.randn(5, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Embeddings(unit(5, 6, seed), s + spread * drawn)


def test_figures():
    """T20: mean and bounds of s per modality, its mean and the cosines per level, the shares of H > 0."""
    audio, text = gaussians(0), gaussians(1, s=-2.0)
    levels = [gaussians(2), gaussians(3, s=-1.0, spread=2.0)]
    figures = health(audio, text, (), levels)
    assert figures["log_variance_audio"] == audio.log_variance.mean()
    assert figures["log_variance_text_least"] == text.log_variance.min()
    assert figures["log_variance_text_largest"] == text.log_variance.max()
    assert not any(name.startswith("cosine_audio") for name in figures)
    for place, level in enumerate(levels):
        assert figures[f"log_variance_text_{place}"] == level.log_variance.mean()
        cosines = level.mean @ level.mean.T
        expected = cosines[~torch.eye(5, dtype=torch.bool)].mean()
        torch.testing.assert_close(figures[f"cosine_text_{place}"], expected)
    h = inclusion(audio.mean, audio.log_variance, text.mean, text.log_variance)
    torch.testing.assert_close(figures["inside_caption"], (h > 0).float().mean())
    wider = (levels[1].log_variance > levels[0].log_variance).float().mean()  # the sign of H is theirs, T7
    torch.testing.assert_close(figures["inside_text_1"], wider)
    assert 0.5 < wider < 1


def test_one_masked_input_has_no_cosine_to_another():
    one = Embeddings(unit(1, 6, 0), torch.zeros(1, 6))
    figures = health(gaussians(0), gaussians(1), [one, one])
    assert "cosine_audio_0" not in figures
    assert figures["inside_audio_1"] == 0.5  # H = 0: the mask hid nothing more, which is no fault


def test_no_gradient():
    leaf = gaussians(0).log_variance.requires_grad_()
    figures = health(Embeddings(unit(5, 6, 0), leaf), gaussians(1))
    assert not any(value.requires_grad for value in figures.values())


def test_mean_cosine():
    assert mean_cosine(torch.eye(4)).item() == 0
    assert mean_cosine(unit(1, 4).expand(5, -1)).item() == pytest.approx(1.0)
    assert mean_cosine(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item() == -1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("cosine_audio_2", 0.951, "masked audio level 2: mean cosine 0.951"),
        ("log_variance_text_least", -14.01, "text: log variances fell to -14.01"),
        ("log_variance_audio_largest", 0.01, "audio: log variances rose to 0.01"),
    ],
)
def test_alarms_beyond_the_bounds(name: str, value: float, said: str):
    """T20: cosines above .95, s below -14 or above 0; at the bound there is no alarm."""
    assert [line[: len(said)] for line in alarms({name: value})] == [said]
    bound = {"cosine_audio_2": 0.95, "log_variance_text_least": -14.0, "log_variance_audio_largest": 0.0}[name]
    assert alarms({name: bound}) == []


def test_healthy_figures_say_nothing():
    figures = health(gaussians(0), gaussians(1), [gaussians(2), gaussians(3)], [gaussians(4), gaussians(5)])
    assert alarms({name: float(value) for name, value in figures.items()}) == []
    collapsed = Embeddings(unit(1, 6).expand(5, -1), torch.full((5, 6), -15.0))
    said = alarms({n: float(v) for n, v in health(collapsed, gaussians(1), [gaussians(2), collapsed]).items()})
    assert len(said) == 2
