from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapline.params.captions import Price
from clapline.tables.captions import DROPPED, PARAPHRASES
from stages.captions.audit.costs import cost_usd, total_cost_usd
from stages.captions.audit.fates import UNLISTED, commonest_rejects, fates
from stages.captions.audit.inputs import Inputs, drawn
from stages.captions.audit.rewording import measured, rewordings
from stages.captions.audit.variety import NAMES, THESIS, variety
from tests.stages.captions.audited import written

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
PRICE = {"served": Price(input=3.0, output=12.0)}
tokens = st.integers(0, 10**9)


@given(tokens, tokens, st.floats(0, 1), st.floats(0, 1))
def test_batched_tokens_cost_half(prompt: int, completion: int, first: float, second: float) -> None:
    account = {"model": "served", "askings": 1, "prompt_tokens": prompt + 1, "completion_tokens": completion}
    whole = cost_usd(account, PRICE)
    batched = {"batched_prompt_tokens": int(first * prompt), "batched_completion_tokens": int(second * completion)}
    part = cost_usd({**account, **batched}, PRICE)
    everything = {"batched_prompt_tokens": prompt + 1, "batched_completion_tokens": completion}
    assert whole == pytest.approx((3 * (prompt + 1) + 12 * completion) / 1e6, abs=1e-6)
    assert cost_usd({**account, **everything}, PRICE) == pytest.approx(whole / 2, abs=2e-6)
    assert whole / 2 - 2e-6 <= part <= whole


def test_what_costs_nothing_and_what_is_not_known() -> None:
    asked = {"askings": 5, "prompt_tokens": 100, "completion_tokens": 10}
    assert cost_usd({"model": "builtin", **asked}, PRICE) == 0
    assert cost_usd({"model": "rule"}, {}) == 0
    assert cost_usd({"model": "builtin", **asked}, {"builtin": Price(input=1e6, output=0.0)}) == 100
    assert cost_usd({"model": "elsewhere", **asked}, PRICE) is None
    assert cost_usd({"model": "elsewhere", "askings": 0}, PRICE) == 0
    # A server that counts no tokens leaves the cost unknown, whatever the price.
    assert cost_usd({"model": "served", "askings": 5, "prompt_tokens": 0, "completion_tokens": 0}, PRICE) is None
    assert total_cost_usd([1.5, 2.0]) == 3.5
    assert total_cost_usd([1.5, None]) is None
    assert total_cost_usd([]) == 0


def inputs(accounts: dict, dropped: list[tuple[str, str, str, str]]) -> Inputs:
    empty = pd.DataFrame()
    rows = [
        dict(zip(DROPPED.schema.names, ["toy", str(k), "0", task, purpose, original, reason, "3"], strict=True))
        for k, (task, purpose, original, reason) in enumerate(dropped)
    ]
    listed = DROPPED.frame(rows).assign(check=[row["reason"].partition(":")[0] for row in rows])
    return Inputs(empty, empty, empty, empty, empty, {"paraphrase": accounts}, {"paraphrase": listed})


def test_every_wanted_caption_has_one_fate() -> None:
    accounts = {
        "train_level_1": {"model": "m", "captions": 10, "accepted": 7, "first_time": 4},
        "test_level_1": {"model": "m", "captions": 2, "accepted": 1, "first_time": 1},
    }
    dropped = [
        ("paraphrase_level_1", "train", "b", "order: told differently"),
        ("paraphrase_level_1", "train", "a", "order: told differently"),
        ("paraphrase_level_1", "test", "c", "identical"),
    ]
    train, test = fates(inputs(accounts, dropped))
    # One of the three that the account misses stands in no list: it is shown all the same.
    assert train.dropped == Counter({"order": 2, UNLISTED: 1})
    assert test.dropped == Counter({"identical": 1})
    for fate in (train, test):
        assert fate.at_once + fate.later + fate.dropped.total() == fate.captions
    assert train.accepted_share == 0.7
    assert train.at_once_share == 0.4
    assert train.title == "paraphrase: train level 1"


def test_rejects_are_counted_commonest_first_with_one_example() -> None:
    dropped = [
        ("paraphrase_level_1", "train", "b", "order: 2"),
        ("paraphrase_level_2", "train", "z", "similarity: 0.1"),
        ("paraphrase_level_1", "train", "a", "order: 1"),
        ("paraphrase_level_1", "test", "c", "order: 3"),
    ]
    found = commonest_rejects(inputs({}, dropped), 2)
    again = commonest_rejects(inputs({}, dropped[::-1]), 2)
    assert found == again
    assert (found[0].count, found[0].original, found[0].reason) == (2, "a", "order: 1")
    assert [reject.count for reject in found] == [2, 1]


def test_drawn_rows_do_not_depend_on_the_order_of_the_table() -> None:
    rows = pd.DataFrame({"dataset": "toy", "clip_id": [str(k) for k in range(500)]})
    keys = ("dataset", "clip_id")
    first = drawn(rows, 50, keys)
    other = drawn(rows.sample(frac=1, random_state=1), 50, keys)
    assert len(first) == 50
    assert set(first["clip_id"]) == set(other["clip_id"])
    assert set(drawn(rows, 20, keys)["clip_id"]) < set(first["clip_id"])
    assert list(first["clip_id"]) != [str(k) for k in range(50)]
    assert len(drawn(rows, 501, keys)) == 500


def test_paraphrases_are_measured_against_their_own_original() -> None:
    pairs = [("A dog barks loudly", "A dog barks loudly"), ("Rain falls on a roof", "Water pours down a pane")]
    rows = [
        written(text, "toy", f"c{k}", level=1, purpose="train", original=original, similarity=0.5 + 0.5 * (1 - k))
        for k, (original, text) in enumerate(pairs)
    ]
    frame = measured(PARAPHRASES.frame(rows))
    assert list(frame["word_overlap"]) == [1, 0]
    assert list(frame["order_overlap"]) == [1, 0.2]
    (summed,) = rewordings(frame)
    assert (summed.dataset, summed.paraphrases) == ("all", 2)
    assert summed.similarity_mean == 0.75
    assert (summed.original_words, summed.text_words) == (4.5, 4.5)
    assert 0 < summed.bleu < 1
    assert rewordings(measured(PARAPHRASES.frame())) == []


def test_breaches_of_the_rules_are_counted() -> None:
    own = {("toy", "a"): ["A dog barks in London", "Rain falls"]}
    new = {
        ("toy", "a"): [
            "rain falls!",
            "In London a dog barks 2 times",
            "Three dogs bark near Paris",
            "x " * 21,
            "rain, falls",
        ]
    }
    found = variety(new, own)
    assert found["captions"] == 5
    assert found["with_digits"] == 1
    assert found["with_numbers"] == 2
    assert found["too_long"] == 1
    assert found["short"] == 4
    # "London" stands in a caption of the clip.
    assert found["with_new_names"] == 1
    # One repeats the clip's caption, another repeats that one.
    assert found["repeated"] == 2
    assert variety(own)["repeated"] == 0
    assert variety(own)["with_new_names"] is None


def test_of_nothing_nothing_is_measured() -> None:
    found = variety({})
    assert set(found) == set(NAMES)
    assert found["words_mean"] is None
    assert found["self_bleu"] is None
    assert found["captions"] == 0


@pytest.mark.slow
@pytest.mark.skipif(not (MIRROR / "clotho").is_dir(), reason="needs the mirror")
def test_figures_of_the_thesis_are_those_of_its_published_captions() -> None:
    with (MIRROR / "clotho/clotho_captions_development_plus_phi_generated.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    own = {("clotho", row["file_name"]): [row[f"caption_{k}"] for k in range(1, 6)] for row in rows}
    new = {("clotho", row["file_name"]): [row[f"caption_{k}"] for k in range(6, 11)] for row in rows}
    for name, found in (("Clotho: people", variety(own)), ("Clotho: phi-4", variety(new, own))):
        assert found == pytest.approx(THESIS[name], abs=5e-5)
    # What the thesis states, of 19,195 captions of each kind.
    assert THESIS["Clotho: phi-4"]["words_mean"] == pytest.approx(11.30, abs=0.05)
    assert THESIS["Clotho: phi-4"]["words_sd"] == pytest.approx(1.99, abs=0.01)
    assert THESIS["Clotho: people"]["overlap_within_clip"] == pytest.approx(0.208, abs=5e-4)
    assert THESIS["Clotho: phi-4"]["overlap_within_clip"] == pytest.approx(0.101, abs=5e-4)
    assert THESIS["Clotho: phi-4"]["bigrams"] == pytest.approx(68852, rel=1e-3)
