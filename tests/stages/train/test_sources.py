from __future__ import annotations

import pandas as pd
import pytest

from clapline.errors import UserError
from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.pairs import PAIRS
from stages.train.batches import Sampler
from stages.train.data import TrainingData
from stages.train.sources import (
    drawn_pairs,
    is_original,
    mixed_source,
    paired_source,
    paired_sources,
    paraphrases_by_caption,
    source_of_pairs,
)
from tests.stages.train.conftest import clips_of


def test_sources_from_tables_join_by_clip_id_never_by_row():
    """Known trap 15 of the field: captions joined by row position."""
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
    curated = source_of_pairs("curated", pairs, rows, 1.0)
    assert (list(curated.clips), list(curated.captions)) == ([0, 1], [["t2"], ["t1", "t3"]])
    assert list(curated.owners) == [[("d", "y")], [("d", "x"), ("e", "z")]]


def pairs_of(*strategies: str) -> pd.DataFrame:
    keys = {"dataset": "d", "text_dataset": "d", "text_clip_id": "x"}
    rows = [
        keys | {"clip_id": f"{place}", "text": f"t{place}", "strategy": name} for place, name in enumerate(strategies)
    ]
    return PAIRS.frame(rows)


def test_original_pairs_near_a_label_are_drawn_with_the_new_ones_or_apart():
    """DU, DS and ADS as published: ADS replays DS' original pairs beside the new ones (arXiv 2305.01864)."""

    def drawn(pairs, curated, domain):
        return {name: list(rows.text) for name, rows in drawn_pairs(pairs, curated, domain).items()}

    ads, ds, du = pairs_of("ads", "ds", "ads"), pairs_of("ds", "ds"), pairs_of("du")
    assert drawn(ads, 1.0, None) == {"curated": ["t0", "t1", "t2"]}
    assert drawn(ads, 0.5, 0.5) == {"curated": ["t0", "t2"], "domain": ["t1"]}
    assert drawn(ads, 0.5, 0.0) == {"curated": ["t0", "t2"]}
    assert drawn(ads, 0.0, 1.0) == {"domain": ["t1"]}
    assert drawn(ds, 1.0, None) == {"curated": ["t0", "t1"]}
    assert drawn(ds, 0.0, 1.0) == {"domain": ["t0", "t1"]}
    assert drawn(du, 1.0, None) == drawn(du, 1.0, 0.0) == {"curated": ["t0"]}
    assert drawn(ads, 0.0, None) == drawn(PAIRS.frame(), 0.0, 0.0) == {}


@pytest.mark.parametrize(
    ("pairs", "curated", "domain", "message"),
    [
        (pairs_of(), 1.0, None, r"sources\.curated is above 0 but curation kept no pair$"),
        (pairs_of("ds"), 1.0, 1.0, r"sources\.curated .* no new pair; every curate\.strategy but ds gives them"),
        (pairs_of("ds"), 1.0, 0.0, r"sources\.curated .* no new pair"),
        (pairs_of("du"), 1.0, 1.0, r"sources\.domain .* no original pair near a label; curate\.strategy ds or ads"),
        (pairs_of(), 0.0, 1.0, r"sources\.domain .* no original pair"),
    ],
)
def test_pairs_that_are_asked_for_must_be_there(pairs, curated, domain, message):
    with pytest.raises(UserError, match=message):
        drawn_pairs(pairs, curated, domain)


def test_which_sources_are_replay():
    empty = pd.DataFrame({"dataset": [], "clip_id": [], "captions": []})
    by_dataset = paired_sources(CLIPS, ROWS, 1.0, SYNTHETIC.frame(), {"clotho": 1.0, "wavcaps": 1.0})
    whole = paired_sources(CLIPS, ROWS, 1.0, SYNTHETIC.frame())
    assert all(map(is_original, [*by_dataset, *whole, source_of_pairs("domain", PAIRS.frame(), {}, 1.0)]))
    assert not any(map(is_original, [source_of_pairs("curated", PAIRS.frame(), {}, 1.0), mixed_source(empty, {}, 1.0)]))


def test_every_curated_pair_comes_once_per_pass_over_captions_and_a_clip_once_per_pass_over_clips():
    """Published: one row per pair. A pass over clips is ours: a clip gains nothing by the number of its pairs."""
    keys = {"dataset": "d", "text_dataset": "d", "strategy": "du"}
    rows = [
        keys | {"clip_id": str(clip), "text_clip_id": str(owner), "text": f"{clip} {owner}"}
        for clip, count in enumerate([7, 1, 2])
        for owner in range(count)
    ]
    source = source_of_pairs("curated", PAIRS.frame(rows), {("d", str(clip)): clip for clip in range(3)}, 1.0)
    data = TrainingData(clips_of(3), [source])
    captions = Sampler(data, 3, len(rows), 0, "student", "captions")
    for step in range(3):
        assert sorted(captions.draw(step).captions) == sorted(row["text"] for row in rows)
    clips = Sampler(data, 30, 3, 0, "student")
    assert all(sorted(clips.draw(step).clips) == [0, 1, 2] for step in range(30))


CLIPS = pd.DataFrame(
    {
        "dataset": ["clotho", "clotho", "wavcaps", "freesound"],
        "clip_id": ["0", "1", "0", "0"],
        "captions": [["a"], ["b"], ["c"], ["d"]],
    }
)
ROWS = {key: row for row, key in enumerate(zip(CLIPS.dataset, CLIPS.clip_id, strict=True))}


def test_without_weights_every_paired_clip_is_in_one_source():
    (source,) = paired_sources(CLIPS, ROWS, 0.7, SYNTHETIC.frame())
    assert (source.name, source.weight, source.clips) == ("paired", 0.7, [0, 1, 2, 3])


def test_a_source_for_each_dataset_shares_the_weight_of_all():
    written = {"caption_index": 0, "text": "s"}
    synthetic = SYNTHETIC.frame([{"dataset": name, "clip_id": "0", **written} for name in ("clotho", "wavcaps")])
    sources = paired_sources(CLIPS, ROWS, 0.8, synthetic, {"clotho": 1.0, "wavcaps": 3.0})
    assert [(source.name, source.clips) for source in sources] == [("paired clotho", [0, 1]), ("paired wavcaps", [2])]
    assert [source.weight for source in sources] == pytest.approx([0.2, 0.6])
    assert [source.synthetic for source in sources] == [[["s"], []], [["s"]]]
    sampler = Sampler(TrainingData(clips_of(4), sources), 4000, 2, 0, "teacher")
    assert (sampler.source_of_step == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert {clip for step in range(50) for clip in sampler.draw(step).clips} == {0, 1, 2}


def test_a_dataset_that_is_not_there_and_no_weight_are_refused():
    with pytest.raises(UserError, match=r"teacher.*'clotto'.*known: clotho, freesound, wavcaps"):
        paired_sources(CLIPS, ROWS, 1.0, SYNTHETIC.frame(), {"clotto": 1.0}, "teacher.sources")
    for weights in ({"clotho": 0.0}, {"clotho": -1.0, "wavcaps": 2.0}):
        with pytest.raises(UserError, match="above 0"):
            paired_sources(CLIPS, ROWS, 1.0, SYNTHETIC.frame(), weights)


def test_asking_for_a_level_that_was_not_written_is_refused():
    table = PARAPHRASES.frame([{"level": 1, "original": "a", "text": "b"}])
    assert paraphrases_by_caption(table, [1]) == {1: {"a": ["b"]}}
    with pytest.raises(UserError, match="levels"):
        paraphrases_by_caption(table, [1, 2])


def test_a_smaller_share_of_the_captions_keeps_its_paraphrases_inside_a_larger_one():
    rows = [{"level": level, "original": f"c{n}", "text": f"p{level} {n}"} for level in (1, 2) for n in range(2000)]
    table = PARAPHRASES.frame(rows)
    whole = paraphrases_by_caption(table, [1, 2])
    assert paraphrases_by_caption(table, [1, 2], 1.0, seed=5) == whole
    half, quarter = (paraphrases_by_caption(table, [1, 2], share, seed=5) for share in (0.5, 0.25))
    assert len(half[1]) == pytest.approx(1000, abs=80)
    assert len(quarter[1]) == pytest.approx(500, abs=70)
    assert set(quarter[1]) < set(half[1]) < set(whole[1])
    assert set(half[1]) == set(half[2])  # both levels or none
    assert all(half[level][caption] == whole[level][caption] for level in (1, 2) for caption in half[level])
    assert set(paraphrases_by_caption(table, [1], 0.5, seed=6)[1]) != set(half[1])


def test_a_level_without_texts_may_be_not_asked_for_or_wholly_dropped():
    table = PARAPHRASES.frame([{"level": 1, "original": "a", "text": "b"}])
    with pytest.raises(UserError, match=r"\[2\].*paraphrase\.levels does not name it, or every text was dropped"):
        paraphrases_by_caption(table, [1, 2])
