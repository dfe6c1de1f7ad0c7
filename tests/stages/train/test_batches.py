from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.params.student import Student
from clapline.params.training import Training
from stages.train.alike import alike, word_vectors
from stages.train.batches import Sampler, bucketed, pairs_per_pass, steps_of, validate_every
from stages.train.clip_inputs import CachedFeatures
from stages.train.data import Source, TrainingData
from tests.stages.train.conftest import clips_of


def data(paired: float = 1.0, curated: float = 1.0, **more) -> TrainingData:
    own = [[("d", str(clip))] * count for clip, count in enumerate([2, 1, 1])]
    first = Source("paired", paired, [0, 1, 2], [["a0", "b0"], ["a1"], ["a2"]], own, more.pop("synthetic", ()))
    second = Source("curated", curated, [3, 4], [["c3"], ["c4", "d4"]], [[("d", "0")], [("d", "1"), ("d", "0")]])
    return TrainingData(clips_of(5), [first, second], **more)


def sampler(values: TrainingData, steps: int = 200, batch_size: int = 3, seed: int = 0) -> Sampler:
    return Sampler(values, steps, batch_size, seed, "student")


def test_a_draw_depends_on_the_step_alone():
    forwards = [sampler(data()).draw(step) for step in range(20)]
    one_sampler = sampler(data())
    backwards = [one_sampler.draw(step) for step in reversed(range(20))][::-1]
    assert forwards == backwards
    assert forwards != [sampler(data(), seed=1).draw(step) for step in range(20)]


def test_every_pass_over_a_source_takes_each_clip_once():
    values = sampler(data(curated=0.0))
    for step in range(10):
        assert sorted(values.draw(step).clips) == [0, 1, 2]


def test_weights_choose_the_source():
    """methods D 21: weights 0 and 1 use one source only, equal weights come within 0.5 ± 0.015 over 10k draws."""
    assert {sampler(data(curated=0.0)).draw(step).source for step in range(50)} == {"paired"}
    assert {sampler(data(paired=0.0)).draw(step).source for step in range(50)} == {"curated"}
    chosen = Counter(sampler(data(), steps=10_000).source_of_step.tolist())
    assert abs(chosen[0] / 10_000 - 0.5) < 0.015


def test_the_control_of_equal_steps_draws_on_for_as_many_steps():
    control = sampler(data(curated=0.0), steps=7)
    assert [control.draw(step).source for step in range(7)] == ["paired"] * 7


def test_captions_belong_to_their_clip():
    own = {0: {"a0", "b0"}, 1: {"a1"}, 2: {"a2"}, 3: {"c3"}, 4: {"c4", "d4"}}
    values = sampler(data())
    seen = set()
    for step in range(100):
        drawn = values.draw(step)
        for clip, caption in zip(drawn.clips, drawn.captions, strict=True):
            assert caption in own[clip]
            seen.add(caption)
    assert seen == set().union(*own.values())


def test_paraphrases_follow_their_caption_and_a_dropped_one_is_its_own_view():
    values = data(paraphrases={1: {"a0": ["p0"], "c3": ["p3", "q3"]}, 2: {}})
    for step in range(50):
        drawn = sampler(values).draw(step)
        for caption, first, second in zip(drawn.captions, drawn.paraphrases[1], drawn.paraphrases[2], strict=True):
            assert first in {"a0": ["p0"], "c3": ["p3", "q3"]}.get(caption, [caption])
            assert second == caption


def test_synthetic_share():
    values = data(curated=0.0, synthetic=[["s0"], [], ["s2"]], synthetic_share=1.0)
    drawn = {caption for step in range(50) for caption in sampler(values).draw(step).captions}
    assert drawn == {"s0", "a1", "s2"}  # a clip without a synthetic caption keeps its own


def test_no_weight_and_no_clip_are_refused():
    with pytest.raises(UserError, match="weight 0"):
        sampler(data(paired=0.0, curated=0.0))
    with pytest.raises(UserError, match="no clip"):
        Sampler(TrainingData(clips_of(1), [Source("paired", 1.0, [], [], [])]), 5, 2, 0, "teacher")


def test_what_is_drawn_stays_what_it_was():
    """The draws of a run with one batch per step, as they were before there were others: its weights stay the same."""
    values = data(curated=0.5, synthetic=[["s0"], [], ["s2", "t2"]], synthetic_share=0.4)
    drawn = Sampler(values, 50, 4, 7, "student")
    first, later = drawn.draw(0), drawn.draw(17)
    assert (first.source, first.clips, first.captions) == ("curated", [3, 4, 4, 3], ["c3", "c4", "d4", "c3"])
    assert (later.source, later.clips, later.captions) == ("paired", [2, 0, 2, 0], ["a2", "s0", "t2", "b0"])
    assert later.owners == [("d", "2"), ("d", "0"), ("d", "2"), ("d", "0")]


def many(clips: int = 23, most: int = 5, seed: int = 0) -> TrainingData:
    """A source of `clips` clips of random durations, with 1 to `most` captions each and some synthetic ones."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, most + 1, clips)
    captions = [[f"{clip} {place}" for place in range(count)] for clip, count in enumerate(counts)]
    synthetic = [[f"{clip} s{place}" for place in range(clip % 3)] for clip in range(clips)]
    owners = [[("d", str(clip))] * len(texts) for clip, texts in enumerate(captions)]
    features = clips_of(clips)
    lengths = CachedFeatures(features.features, features.valid, random.uniform(1, 30, clips))
    return TrainingData(lengths, [Source("paired", 1.0, list(range(clips)), captions, owners, synthetic)])


def drawn_pairs(values: TrainingData, batches: int, batch_size: int, **more) -> list[tuple[int, str]]:
    all_of = Sampler(values, batches, batch_size, 0, "teacher", **more)
    batches_drawn = [all_of.draw(step) for step in range(batches)]
    return [pair for drawn in batches_drawn for pair in zip(drawn.clips, drawn.captions, strict=True)]


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("batch_size", [4, 7, 40])
def test_every_pass_over_captions_takes_each_pair_once(buckets: int, batch_size: int):
    values = many()
    pairs = sorted((clip, text) for clip, texts in enumerate(values.sources[0].captions) for text in texts)
    drawn = drawn_pairs(values, 3 * len(pairs) // batch_size, batch_size, pass_over="captions", length_buckets=buckets)
    passes = [drawn[start : start + len(pairs)] for start in range(0, len(drawn) - len(pairs), len(pairs))]
    assert len(passes) >= 2
    assert all(sorted(one) == pairs for one in passes)
    assert passes[0] != passes[1]


def test_synthetic_captions_are_pairs_of_a_pass_where_they_are_drawn():
    values = many()
    source = values.sources[0]
    shared = TrainingData(values.clips, values.sources, synthetic_share=0.5)
    own = sum(map(len, source.captions))
    both = own + sum(map(len, source.synthetic))
    assert {text for _, text in drawn_pairs(shared, both, 1, pass_over="captions")} == {
        text for texts in (*source.captions, *source.synthetic) for text in texts
    }
    settings = {"epochs": 1.0, "steps": None, "pass_over": "captions", "batch_size": 2}
    assert pairs_per_pass(Student.model_validate(settings), values.sources) == own
    assert pairs_per_pass(Student.model_validate({**settings, "synthetic_share": 0.5}), values.sources) == both


@pytest.mark.parametrize("batch_size", [4, 7, 40])
def test_batches_of_like_length_keep_the_passes(batch_size: int):
    values = many()
    drawn = [clip for clip, _ in drawn_pairs(values, 3 * 23 // batch_size + 1, batch_size, length_buckets=100)]
    for start in range(0, len(drawn) - 23, 23):
        assert sorted(drawn[start : start + 23]) == list(range(23))


def test_batches_of_a_run_are_the_sorted_lengths_cut_up():
    order, lengths = np.random.default_rng(0).permutation(50), np.random.default_rng(1).uniform(1, 30, 50)
    made = bucketed(order, lengths, begun=3, batch=4, run=6, random=np.random.default_rng(2))
    assert sorted(made) == list(range(50))
    assert np.array_equal(made[:1], order[:1])  # completes the batch that the pass before began
    assert np.array_equal(made[49:], order[49:])
    runs = [np.sort(lengths[order[start : start + 24]]).reshape(-1, 4) for start in (1, 25)]
    wanted = {tuple(batch) for run in runs for batch in run}
    assert {tuple(lengths[made[start : start + 4]]) for start in range(1, 49, 4)} == wanted
    assert not np.array_equal(made[1:25], order[1:25][np.argsort(lengths[order[1:25]])])


def test_lengths_within_a_batch_are_alike():
    values = many(clips=200)
    spread = {}
    for buckets in (1, 10):
        drawn = drawn_pairs(values, 25, 8, length_buckets=buckets)
        lengths = values.durations_s[[clip for clip, _ in drawn]].reshape(-1, 8)
        spread[buckets] = np.ptp(lengths, axis=1).mean()
    assert spread[10] < spread[1] / 3


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("batch_size", [4, 7, 40])
def test_alike_batches_keep_the_passes(batch_size: int, share: float):
    values = many()
    drawn = [clip for clip, _ in drawn_pairs(values, 3 * 23 // batch_size + 1, batch_size, alike_share=share)]
    for start in range(0, len(drawn) - 23, 23):
        assert sorted(drawn[start : start + 23]) == list(range(23))


def test_alike_pairs_are_those_of_nearest_words_that_are_not_placed_yet():
    captions = [["a dog barks"], ["rain falls"], ["a dog barks", "a dog howls"], ["rain"], ["a cat"], ["wind"]]
    vectors = word_vectors(captions)
    order, clip_of = np.array([5, 0, 1, 2, 3, 4]), np.arange(6)
    # The first pair ends a batch that the pass before began. Then 0 with 2 (dog), 1 with 3 (rain), and 4 is alone.
    assert alike(order, clip_of, vectors, begun=1, batch=2, share=1.0).tolist() == [5, 0, 2, 1, 3, 4]
    assert alike(order, clip_of, vectors, begun=0, batch=3, share=0.5).tolist() == [5, 0, 1, 2, 4, 3]
    assert alike(order, clip_of, vectors, begun=0, batch=3, share=0.0).tolist() == order.tolist()


def test_captions_without_any_word_are_alike_to_none():
    vectors = word_vectors([["…"], ["!", "?"], [""]])
    order = np.array([2, 0, 1])
    assert vectors.shape[0] == 3
    assert alike(order, np.arange(3), vectors, begun=0, batch=3, share=1.0).tolist() == [2, 0, 1]


def test_the_share_decides_how_alike_batches_are():
    words = ["dog", "cat", "rain", "wind", "bell", "train", "sea", "saw"]
    random = np.random.default_rng(0)
    captions = [[f"{words[clip % 8]} {random.integers(10**6)}"] for clip in range(400)]
    values = TrainingData(
        clips_of(400), [Source("paired", 1.0, list(range(400)), captions, [[("d", str(clip))] for clip in range(400)])]
    )
    same = {}
    for share in (0.0, 0.5, 1.0):
        kinds = np.array([clip % 8 for clip, _ in drawn_pairs(values, 25, 16, alike_share=share)]).reshape(25, 16)
        same[share] = (kinds == kinds[:, :1])[:, 1:].mean()
    assert same[0.0] == pytest.approx(1 / 8, abs=0.06)
    assert same[0.5] == pytest.approx(0.5 + 0.5 / 8, abs=0.1)
    assert same[1.0] > 0.9


@pytest.mark.parametrize("more", [{}, {"pass_over": "captions"}, {"length_buckets": 5}, {"alike_share": 0.5}])
def test_a_sampler_in_another_process_draws_the_same(more: dict):
    one = Sampler(many(), 30, 5, 3, "student", **more)
    one.draw(4)
    other = pickle.loads(pickle.dumps(one))
    assert [one.draw(step) for step in range(30)] == [other.draw(step) for step in reversed(range(30))][::-1]


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"steps": 7}, 7),
        ({"epochs": 1.0, "batch_size": 3}, 2),  # 3 clips and 2 of the second source
        ({"epochs": 3.0, "batch_size": 3}, 5),
        ({"epochs": 3.0, "batch_size": 3, "accumulation": 2}, 3),
        ({"epochs": 1.0, "batch_size": 3, "pass_over": "captions"}, 3),  # 4 pairs and 3
        ({"epochs": 0.2, "batch_size": 2}, 1),
        ({"epochs": 0.6, "batch_size": 3}, 1),
    ],
)
def test_epochs_become_steps(settings: dict, steps: int):
    assert steps_of(Training.model_validate({"steps": None, **settings}), data().sources) == steps


def replaying(curation_probability: float, curated_clips: int = 5) -> TrainingData:
    """Sources of ADS as published: 12 original pairs of 10 clips near a label, and curated ones."""
    clips = 10 + curated_clips
    texts = [[f"t{clip}"] * (2 if clip < 2 else 1) for clip in range(clips)]
    owners = [[("d", str(clip))] * len(of) for clip, of in enumerate(texts)]
    domain = Source("domain", 1.0 - curation_probability, list(range(10)), texts[:10], owners[:10])
    curated = Source("curated", curation_probability, list(range(10, clips)), texts[10:], owners[10:])
    return TrainingData(clips_of(clips), [domain, curated])


def test_replay_as_published():
    """methods D 21: curation_prob 0 / 1 uses only replay / only curated; 0.5 over 10k draws within 0.5 ± 0.015."""
    for probability, only in ((0.0, "domain"), (1.0, "curated")):
        values = sampler(replaying(probability), steps=300)
        assert {values.draw(step).source for step in range(300)} == {only}
    values = sampler(replaying(0.5), steps=10_000)
    drawn = Counter(values.draw(step).source for step in range(10_000))
    assert abs(drawn["curated"] / 10_000 - 0.5) < 0.015
    # The curated loader starts anew when it is exhausted, and again takes every clip once.
    clips = [clip for step in range(200) if (of := values.draw(step)).source == "curated" for clip in of.clips]
    assert len(clips) > 100
    assert all(sorted(clips[start : start + 5]) == [10, 11, 12, 13, 14] for start in range(0, len(clips) - 5, 5))


@pytest.mark.parametrize("curated_clips", [1, 5, 5000])
@pytest.mark.parametrize("probability", [0.0, 0.5, 0.9])
def test_an_epoch_of_replay_is_as_long_as_the_replay_loader(curated_clips: int, probability: float):
    """methods D 21: the length does not depend on the curated pairs, nor on how often they are drawn."""
    sources = replaying(probability, curated_clips).sources
    settings = {"steps": None, "epochs": 3.0, "batch_size": 2, "validate_every_steps": None, "epoch_of": "replay"}
    settings["sources"] = {"paired": 0.0, "curated": probability, "domain": 1 - probability}
    for pass_over, pairs in (("clips", 10), ("captions", 12)):
        chosen = Student.model_validate({**settings, "pass_over": pass_over})
        assert pairs_per_pass(chosen, sources) == pairs
        assert (steps_of(chosen, sources), validate_every(chosen, sources)) == (3 * pairs // 2, pairs // 2)
        every = pairs + (curated_clips if probability else 0)
        assert pairs_per_pass(chosen.model_copy(update={"epoch_of": "sources"}), sources) == every


def test_a_source_of_weight_0_is_no_part_of_a_pass():
    settings = Training.model_validate({"epochs": 2.0, "steps": None, "batch_size": 3, "validate_every_steps": None})
    assert steps_of(settings, data(curated=0.0).sources) == 2
    assert validate_every(settings, data(curated=0.0).sources) == 1
    assert validate_every(settings, data().sources) == 2
    assert validate_every(settings.model_copy(update={"validate_every_steps": 9}), data().sources) == 9


def test_the_last_digit_of_a_product_is_no_step():
    source = Source("paired", 1.0, list(range(25)), [["a"]] * 25, [[("d", "0")]] * 25)
    assert 2.2 * 25 > 55
    assert steps_of(Training.model_validate({"steps": None, "epochs": 2.2, "batch_size": 5}), [source]) == 11
