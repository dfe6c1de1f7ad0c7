from __future__ import annotations

from collections import Counter

import pytest
import torch

from clapline.errors import UserError
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.pairs import PAIRS
from stages.train.batches import Sampler
from stages.train.data import Source, TrainingData, curated_source, paired_source, paraphrases_by_caption


def data(paired: float = 1.0, curated: float = 1.0, **more) -> TrainingData:
    own = [[("d", str(clip))] * count for clip, count in enumerate([2, 1, 1])]
    first = Source("paired", paired, [0, 1, 2], [["a0", "b0"], ["a1"], ["a2"]], own, more.pop("synthetic", ()))
    second = Source("curated", curated, [3, 4], [["c3"], ["c4", "d4"]], [[("d", "0")], [("d", "1"), ("d", "0")]])
    return TrainingData(torch.zeros(5, 2, 2), [first, second], **more)


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
        Sampler(TrainingData(torch.zeros(1, 2, 2), [Source("paired", 1.0, [], [], [])]), 5, 2, 0, "teacher")
    with pytest.raises(UserError, match="kept no pair"):
        curated_source(PAIRS.frame(), {}, 1.0)


def test_sources_from_tables_join_by_clip_id_never_by_row():
    """Known trap 15 of the field: captions joined by row position."""
    import pandas as pd

    clips = pd.DataFrame({"dataset": ["d", "d"], "clip_id": ["x", "y"], "captions": [["cx"], ["cy"]]})
    rows = {("d", "y"): 1, ("d", "x"): 0}
    synthetic = SYNTHETIC.frame([{"dataset": "d", "clip_id": "y", "caption_index": 0, "text": "sy"}])
    source = paired_source(clips, rows, 1.0, synthetic)
    assert (source.captions, source.synthetic) == ([["cx"], ["cy"]], [[], ["sy"]])
    pairs = PAIRS.frame(
        [
            {"dataset": "d", "clip_id": "y", "text": "t1", "text_dataset": "d", "text_clip_id": "x"},
            {"dataset": "d", "clip_id": "x", "text": "t2", "text_dataset": "d", "text_clip_id": "y"},
            {"dataset": "d", "clip_id": "y", "text": "t3", "text_dataset": "e", "text_clip_id": "z"},
        ]
    )
    curated = curated_source(pairs, rows, 1.0)
    assert (list(curated.clips), list(curated.captions)) == ([0, 1], [["t2"], ["t1", "t3"]])
    assert list(curated.owners) == [[("d", "y")], [("d", "x"), ("e", "z")]]


def test_asking_for_a_level_that_was_not_written_is_refused():
    table = PARAPHRASES.frame([{"level": 1, "original": "a", "text": "b"}])
    assert paraphrases_by_caption(table, [1]) == {1: {"a": ["b"]}}
    with pytest.raises(UserError, match="levels"):
        paraphrases_by_caption(table, [1, 2])


def test_a_level_without_texts_may_be_not_asked_for_or_wholly_dropped():
    table = PARAPHRASES.frame([{"level": 1, "original": "a", "text": "b"}])
    with pytest.raises(UserError, match=r"\[2\].*paraphrase\.levels does not name it, or every text was dropped"):
        paraphrases_by_caption(table, [1, 2])
