"""The composition: parts by name and weight, what is not computed, what is missing; ProLAP's total and D 24."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clapline.model.inputs import Embeddings
from clapline.objectives import compose
from clapline.objectives.compose import EmbeddedBatch, Learned, Outcome, objective
from clapline.objectives.contrastive import contrastive
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.sigmoid import sigmoid
from clapline.params.objective import Objective
from tests.clapline.objectives.losses import both_ways, unit

SIZE, WIDTH = 4, 8
PARTS = tuple(Objective.model_fields)
LEARNED = Learned(torch.tensor(5.0), torch.tensor(-2.0), (unit(3, WIDTH, 90, torch.float32), torch.zeros(3)))
# Every part at once, at weights that are no two alike.
WEIGHTS = {part: 0.25 + 0.125 * place for place, part in enumerate(PARTS)}


def rows(seed: int) -> torch.Tensor:
    return unit(SIZE, WIDTH, seed, torch.float32)


def gaussians(seed: int) -> Embeddings:
    spread = torch.randn(SIZE, WIDTH, generator=torch.Generator().manual_seed(seed))
    return Embeddings(rows(seed), spread - 3, projected=3 * rows(seed))


def batch(**changes) -> EmbeddedBatch:
    values = {
        "audio_text": Scores(rows(0) @ rows(1).T),
        "positives": PositivePairs.identity(SIZE),
        "audio_paraphrases": [Scores(rows(0) @ rows(seed).T) for seed in (2, 3)],
        "text_paraphrases": [Scores(rows(1) @ rows(seed).T) for seed in (2, 3)],
        "audio": gaussians(0),
        "text": gaussians(1),
        "masked_audio": [gaussians(seed) for seed in (4, 5)],
        "masked_text": [gaussians(seed) for seed in (6, 7, 8)],
        "teacher_audio": rows(9),
        "teacher_text": rows(10),
        "distilled_audio": rows(11),
        "distilled_text": rows(12),
        "caption_states": rows(13),
        "caption_meanings": rows(14),
        "clusters": torch.tensor([0, 1, -1, 2]),
    }
    return EmbeddedBatch(**(values | changes))


def settings(weights: dict[str, float], **more: dict) -> Objective:
    """Return an objective of parts by weight; the form has a bias, as the repulsion asks."""
    sections = {part: {"weight": weights.get(part, 0.0)} for part in PARTS}
    sections["contrastive"]["form"] = "sigmoid"
    for name, section in more.items():
        sections[name] |= section
    return Objective.model_validate(sections)


def test_the_list_of_parts_is_that_of_the_settings():
    """A part that composing forgets would be dropped."""
    assert set(PARTS) == set(compose._PARTS) == set(TAKES)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_counts_by_its_weight(part: str):
    """T16: the parts add up to the weighted sum; doubling one weight adds that part once more, and changes no part."""
    outcome = objective(settings(WEIGHTS), batch(), LEARNED)
    assert set(outcome.parts) == set(PARTS)
    expected = sum(WEIGHTS[name] * value for name, value in outcome.parts.items())
    torch.testing.assert_close(outcome.total, expected)
    assert outcome.parts[part].abs() > 1e-3
    other = objective(settings(WEIGHTS | {part: 2 * WEIGHTS[part]}), batch(), LEARNED)
    torch.testing.assert_close(other.total, outcome.total + WEIGHTS[part] * outcome.parts[part])
    assert all(torch.equal(other.parts[name], value) for name, value in outcome.parts.items())


def test_weights_are_linear():
    """The total of summed weights is the sum of the totals."""
    first = {part: 0.3 + place for place, part in enumerate(PARTS)}
    second = {part: 2.0 / (1 + place) for place, part in enumerate(PARTS)}
    both = {part: first[part] + 3 * second[part] for part in PARTS}
    one, other, sums = (objective(settings(weights), batch(), LEARNED).total for weights in (first, second, both))
    torch.testing.assert_close(sums, one + 3 * other, rtol=1e-5, atol=1e-5)


class Poisoned:
    """Whatever is done with it fails."""

    def _fail(self, *_, **__):
        raise AssertionError("something was touched that no part asks for")

    __getattr__ = __iter__ = __len__ = __bool__ = __getitem__ = __add__ = __mul__ = __matmul__ = __ge__ = _fail

    @classmethod
    def __torch_function__(cls, *_, **__):
        raise AssertionError("something was touched that no part asks for")


# What each part takes of a batch, and of what is learned; everything else it must leave alone.
TAKES = {
    "contrastive": ("audio_text",),
    "paraphrase": ("audio_paraphrases", "text_paraphrases"),
    "distillation": ("audio_text", "distilled_audio", "distilled_text"),
    "clusters": ("audio", "text", "clusters"),
    "inclusion": ("audio", "text"),
    "hierarchy": ("masked_audio", "masked_text"),
    "repulsion": ("masked_audio", "masked_text", "masked_places"),
    "bottleneck": ("audio", "text"),
}
FIELDS = [field.name for field in dataclasses.fields(EmbeddedBatch)]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_weight_zero_is_not_computed(part: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*_):
        raise AssertionError(f"{part} was computed")

    monkeypatch.setitem(compose._PARTS, part, fail)
    weights = WEIGHTS | {part: 0.0}
    taken = {name for other, names in TAKES.items() if other != part for name in names} | {"positives"}
    if any(weights[name] for name in ("inclusion", "hierarchy", "repulsion", "bottleneck")):
        taken |= {"audio", "text", "masked_audio", "masked_text"}  # by the health figures
    poison = {name: Poisoned() for name in FIELDS if name not in taken | {"audio_text_means"}}
    outcome = objective(settings(weights), batch(**poison), LEARNED)
    assert set(outcome.parts) == set(PARTS) - {part}
    with pytest.raises(AssertionError, match="was computed"):
        objective(settings(WEIGHTS), batch(), LEARNED)


@pytest.mark.parametrize("part", ["contrastive", "paraphrase", "distillation", "clusters"])
def test_a_part_alone_touches_only_its_own(part: str):
    """All that it does not take is poisoned, and so is what it does not learn."""
    poison = {name: Poisoned() for name in FIELDS if name not in (*TAKES[part], "positives", "audio_text_means")}
    learned = Learned(LEARNED.scale, LEARNED.bias, LEARNED.classifier if part == "clusters" else Poisoned())
    outcome = objective(settings({part: 1.0}), batch(**poison), learned)
    assert set(outcome.parts) == {part}
    for name in TAKES[part]:
        with pytest.raises(AssertionError, match="touched"):
            objective(settings({part: 1.0}), batch(**(poison | {name: Poisoned()})), learned)


def point(side: Embeddings) -> Embeddings:
    return Embeddings(side.mean, None, side.projected)


LACKING = [
    ("paraphrase", {"audio_paraphrases": ()}, "paraphrase views need the paraphrases"),
    ("distillation", {"distilled_audio": None}, "distillation needs the teachers"),
    ("distillation", {"distilled_text": None}, "distillation needs the teachers"),
    ("clusters", {"clusters": None}, "cluster classification needs the clusters"),
    ("clusters", {"audio": None}, "cluster classification needs embeddings of clips"),
    ("clusters", {"text": Embeddings(rows(0))}, "cluster classification needs embeddings before"),
    ("inclusion", {"text": None}, "inclusion needs embeddings of captions"),
    ("inclusion", {"audio": point(gaussians(0))}, "inclusion needs Gaussian embeddings"),
    ("hierarchy", {"masked_audio": (), "masked_text": ()}, "masked inputs are needed"),
    ("repulsion", {"masked_audio": (), "masked_text": ()}, "masked inputs are needed"),
    ("bottleneck", {"audio": None}, "the bottleneck needs embeddings of clips"),
    ("bottleneck", {"text": point(gaussians(1))}, "the bottleneck needs Gaussian embeddings"),
]


@pytest.mark.parametrize(("part", "lacking", "match"), LACKING)
def test_a_part_without_what_it_needs(part: str, lacking: dict, match: str):
    with pytest.raises(ValueError, match=match):
        objective(settings({"contrastive": 1.0, part: 1.0}), batch(**lacking), LEARNED)


@pytest.mark.parametrize(
    ("learned", "weights", "match"),
    [
        (Learned(LEARNED.scale), {"contrastive": 1.0}, "the sigmoid form needs a bias"),
        (Learned(LEARNED.scale, LEARNED.bias), {"clusters": 1.0}, "cluster classification needs a classifier"),
    ],
)
def test_a_part_without_what_it_learns(learned: Learned, weights: dict, match: str):
    with pytest.raises(ValueError, match=match):
        objective(settings(weights), batch(), learned)


@pytest.mark.parametrize(
    ("contrastive", "lacking", "match"),
    [
        ({"form": "softmax", "targets": "soft"}, "teacher_audio", "soft targets needs the teacher"),
        ({"form": "softmax", "targets": "soft"}, "teacher_text", "soft targets needs the teacher"),
        ({"targets": "soft", "soft": "raw"}, "teacher_text", "soft targets needs the teacher"),
        ({"form": "softmax", "targets": "relevance"}, "caption_meanings", "relevance targets needs embeddings"),
        ({"targets": "relevance"}, "caption_meanings", "relevance targets needs embeddings"),
        ({"ignore_similar_captions_above": 0.9}, "caption_states", "ignoring similar captions needs their states"),
    ],
)
def test_targets_without_what_they_are_made_of(contrastive: dict, lacking: str, match: str):
    chosen = settings({"contrastive": 1.0}, contrastive=contrastive)
    assert objective(chosen, batch(), LEARNED).total.isfinite()
    with pytest.raises(ValueError, match=match):
        objective(chosen, batch(**{lacking: None}), LEARNED)


def with_gradients(chosen: Objective) -> tuple[Outcome, dict[str, torch.Tensor]]:
    leaves = {name: rows(place).requires_grad_() for place, name in enumerate(("audio", "text"))}
    made = batch(
        audio_text=Scores(leaves["audio"] @ leaves["text"].T),
        audio=dataclasses.replace(gaussians(0), projected=3 * leaves["audio"]),
    )
    outcome = objective(chosen, made, LEARNED)
    outcome.total.backward()
    return outcome, {name: leaf.grad for name, leaf in leaves.items()}


def test_clusters_of_weight_zero_change_no_bit():
    """D 24: λ = 0 leaves total, parts and gradients of the rest as they are; λ > 0 does not."""
    rest = {"distillation": 1.0, "contrastive": 0.5}
    without, gradients = with_gradients(Objective.model_validate({name: {"weight": w} for name, w in rest.items()}))
    zero, same = with_gradients(settings(rest | {"clusters": 0.0}, contrastive={"form": "softmax"}))
    assert torch.equal(zero.total, without.total)
    assert zero.parts.keys() == without.parts.keys()
    assert all(torch.equal(same[name], gradient) for name, gradient in gradients.items())
    more, others = with_gradients(settings(rest | {"clusters": 0.1}, contrastive={"form": "softmax"}))
    assert not torch.equal(more.total, without.total)
    assert not torch.equal(others["audio"], gradients["audio"])


def test_health_only_of_gaussians():
    """T20: figures come where some part asks for Gaussians, carry no gradient and are no part of the total."""
    assert objective(settings({"contrastive": 1.0, "clusters": 1.0}), batch(), LEARNED).health == {}
    outcome = objective(settings({"contrastive": 1.0, "bottleneck": 1e-3}), batch(), LEARNED)
    assert {"log_variance_audio", "cosine_text_2", "inside_audio_1", "inside_caption"} <= set(outcome.health)
    assert not outcome.health.keys() & outcome.parts.keys()
    assert not any(figure.requires_grad for figure in outcome.health.values())


def test_positives_share_the_mass_of_a_row():
    everything = PositivePairs.from_matrix(torch.ones(SIZE, SIZE, dtype=torch.bool))
    total = objective(Objective(), batch(positives=everything), LEARNED).total
    torch.testing.assert_close(total, contrastive(rows(0), rows(1), 5.0, torch.full((SIZE, SIZE), 1 / SIZE)))


def test_every_contrast_in_the_chosen_form():
    """Paraphrases are compared in the form of the contrast, with its scale and bias."""
    outcome = objective(settings({"contrastive": 1.0, "paraphrase": 1.0}), batch(), LEARNED)
    eye = torch.eye(SIZE, dtype=torch.bool)
    made = batch()

    def of(scores: Scores) -> torch.Tensor:
        return sigmoid(scores.matrix, LEARNED.scale, LEARNED.bias, eye)

    torch.testing.assert_close(outcome.parts["contrastive"], of(made.audio_text))
    views = [*made.audio_paraphrases, *made.text_paraphrases]
    torch.testing.assert_close(outcome.parts["paraphrase"], sum(of(scores) for scores in views) / 2)


def test_distillation_of_gaussians_is_of_their_means():
    """The scores of Gaussians are no cosines: the teachers' cosines are compared with those of the means."""
    chosen = settings({"distillation": 1.0, "contrastive": 1.0})
    means = Scores(rows(20) @ rows(21).T)
    of_means = objective(chosen, batch(audio_text_means=means), LEARNED).parts["distillation"]
    torch.testing.assert_close(of_means, objective(chosen, batch(audio_text=means), LEARNED).parts["distillation"])
    assert not torch.isclose(of_means, objective(chosen, batch(), LEARNED).parts["distillation"])


def test_inclusion_puts_the_clip_inside_its_caption():
    """§3: audio in text, not text in audio; wider captions lower the loss."""
    chosen = settings({"contrastive": 1.0, "inclusion": 1.0}, inclusion={"sharpness": 1.0})
    made = batch()
    wider = dataclasses.replace(made.text, log_variance=made.text.log_variance + 1)
    loss, better = (objective(chosen, batch(text=text), LEARNED).parts["inclusion"] for text in (made.text, wider))
    assert better < loss
    other = batch(**{side: both_ways({"audio": made.audio, "text": wider})[side] for side in ("audio", "text")})
    assert objective(chosen, other, LEARNED).parts["inclusion"] > loss
