"""Leaks by fingerprint and by exclusion list, and which clips are compared at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clapline.errors import UserError
from clapline.tables.clips import CLIPS, without_answers
from clapline.tables.fingerprints import write_fingerprints
from stages.prepare.fingerprint_matches import MATCHES, matching_clips
from stages.prepare.fingerprint_shared import shared_recordings, told_by_sound_alone
from stages.prepare.leaks import EVALUATED, HIDDEN, PAIRED, VALIDATED, without_leaks

ROLES = ("paired", "unpaired", "text", "labels", "retrieval", "zero_shot", "hierarchy")


def clip(clip_id, dataset="a", source=None, split="train", shard="x.tar"):
    return {
        "dataset": dataset, "clip_id": clip_id, "split": split, "shard": shard, "offset": 0,
        "nbytes": 1 if shard else 0, "sha256": f"{dataset}/{clip_id}", "sample_rate_hz": 16000, "duration_s": 1.0,
        "captions": ["a dog"], "caption_tree": [], "tags": ["dog"], "label": "dog", "fold": 1, "description": None,
        "source_id": source, "licence": None,
    }  # fmt: skip


def tables(**roles):
    return {role: CLIPS.frame(roles.get(role, [])) for role in ROLES}


def match(*rows):
    return pd.DataFrame([[*row[0].split("/"), *row[1].split("/"), 50, row[2]] for row in rows], columns=MATCHES)


def told(leaks):
    return {(row.role, row.clip_id): (row.reason, row.way, row.held_by) for row in leaks.itertuples()}


def test_matching_fingerprints_leave_every_training_role_in_both_directions():
    kept, leaks = without_leaks(
        tables(
            paired=[clip("p1"), clip("p2"), clip("p3"), clip("v1", split="val"), clip("p4")],
            unpaired=[clip("u1", "b"), clip("u2", "b"), clip("u3", "b")],
            text=[clip("p1"), clip("p3"), clip("t1", "b"), clip("t2", "b"), clip("t3", "b"), clip("t4", "b")],
            retrieval=[clip("e1", "c"), clip("e2", "c")],
        ),
        match(
            ("a/p1", "c/e1", 0.3), ("c/e2", "a/p1", 0.8),  # evaluated, the stronger match is told
            ("b/u1", "c/e2", 0.2),
            ("a/p3", "a/v1", 0.5), ("b/t1", "a/v1", 0.4),
            ("b/u2", "a/p2", 0.6),
            ("b/t2", "b/u3", 0.7),
            ("b/t4", "a/p4", 0.9),  # text and paired may share recordings
        ),
    )  # fmt: skip
    assert told(leaks) == {
        ("paired", "p1"): (EVALUATED, "fingerprint", "retrieval: c"),
        ("text", "p1"): (EVALUATED, "fingerprint", "retrieval: c"),
        ("unpaired", "u1"): (EVALUATED, "fingerprint", "retrieval: c"),
        ("paired", "p3"): (VALIDATED, "fingerprint", "paired val: a"),
        ("text", "p3"): (VALIDATED, "fingerprint", "paired val: a"),
        ("text", "t1"): (VALIDATED, "fingerprint", "paired val: a"),
        ("unpaired", "u2"): (PAIRED, "fingerprint", "paired: a"),
        ("text", "t2"): (HIDDEN, "fingerprint", "unpaired: b"),
    }
    first = leaks[(leaks["role"] == "paired") & (leaks["clip_id"] == "p1")].iloc[0]
    assert (first["score"], first["other"]) == (0.8, "c/e2")
    assert list(kept["paired"]["clip_id"]) == ["p2", "v1", "p4"]
    assert list(kept["text"]["clip_id"]) == ["t3", "t4"]


def test_a_source_id_says_it_before_the_fingerprint_does():
    _, leaks = without_leaks(
        tables(
            paired=[clip("p1", source="f:1"), clip("p2"), clip("p3")],
            unpaired=[clip("u1", "b")],
            text=[clip("p2"), clip("e2", "c")],
            retrieval=[clip("e1", "c", source="f:1"), clip("e2", "c")],
        ),
        match(("a/p1", "c/e1", 0.9)),
    )
    assert told(leaks) == {
        ("paired", "p1"): (EVALUATED, "source id", "retrieval: c"),
        ("text", "e2"): (EVALUATED, "same clip", "retrieval: c"),
    }
    assert leaks["score"].isna().all()


def test_exclusion_lists_hold_whatever_is_evaluated():
    kept, leaks = without_leaks(
        tables(
            paired=[
                clip("p1", source="f:1"),
                clip("p2"),
                clip("v1", source="f:2", split="val"),
                clip("v2", split="val"),
            ],
            unpaired=[clip("u1", "b", source="f:1"), clip("u2", "b", source="f:3"), clip("u3", "b")],
            text=[clip("p2"), clip("t1", "b", source="f:2")],
            retrieval=[clip("e1", "c", source="f:3"), clip("e2", "c", source="f:1x")],
            zero_shot=[clip("e3", "c", source="f:2")],
        ),
        exclusions={"first": {"f:1"}, "second": ["f:1", "f:7"]},
    )
    assert told(leaks) == {
        ("paired", "p1"): ("on the exclusion list first", "source id", "first"),
        ("unpaired", "u1"): ("on the exclusion list first", "source id", "first"),
        ("paired", "v1"): (EVALUATED, "source id", "zero_shot: c"),
        ("text", "t1"): (EVALUATED, "source id", "zero_shot: c"),
        ("unpaired", "u2"): (EVALUATED, "source id", "retrieval: c"),
    }
    assert list(kept["retrieval"]["clip_id"]) == ["e1", "e2"]


def prints(folder, name, ids, numbers):
    """Write fingerprints of 40 landmarks; clips of equal number sound alike."""
    rows = []
    for clip_id, number in zip(ids, numbers, strict=True):
        rng = np.random.default_rng(number)
        hashes, times = rng.integers(0, 2**23, 40), np.sort(rng.integers(0, 300, 40))
        rows.append((clip_id, hashes.astype(np.uint32), times.astype(np.uint32)))
    write_fingerprints(Path(folder) / f"{name}.parquet", name, rows)


@pytest.fixture
def compared(tmp_path):
    """Datasets a (train and test) and b (a pool, the largest group), with clips that sound alike."""
    a = [clip("p1", source="f:1"), clip("p2"), clip("e1"), clip("words", shard="")]
    b = [clip(f"u{number}", "b", source="f:1") for number in range(6)]
    index = {"a": CLIPS.frame(a), "b": CLIPS.frame(b)}
    roles = tables(paired=a[:2], unpaired=b, text=a[3:], retrieval=a[2:3])
    prints(tmp_path, "a", ["e1", "p1", "p2"], [0, 0, 1])
    prints(tmp_path, "b", [f"u{number}" for number in range(6)], [0, 1, 1, 2, 2, 3])
    return index, roles, tmp_path


def test_pairs_are_told_once_and_the_largest_group_is_not_compared_with_itself(compared):
    index, roles, folder = compared
    found = matching_clips(index, roles, folder, 0.1)
    pairs = {frozenset([f"{row[0]}/{row[1]}", f"{row[2]}/{row[3]}"]) for row in found[MATCHES[:4]].to_numpy()}
    assert pairs == {
        frozenset(pair)
        for pair in [("a/e1", "a/p1"), ("a/e1", "b/u0"), ("a/p1", "b/u0"), ("a/p2", "b/u1"), ("a/p2", "b/u2")]
    }
    assert len(found) == len(pairs)
    assert (found["score"] == 1).all()
    assert (found["landmarks"] == 40).all()
    again = matching_clips(dict(reversed(index.items())), roles, folder, 0.1)
    assert {frozenset([f"{row[0]}/{row[1]}", f"{row[2]}/{row[3]}"]) for row in again[MATCHES[:4]].to_numpy()} == pairs


def test_what_datasets_share(compared):
    index, roles, folder = compared
    found = matching_clips(index, roles, folder, 0.1)
    assert shared_recordings(index, found) == [
        {"clips of": "a", "share with": "b", "by source id": 1, "by fingerprint": 3, "by fingerprint alone": 2},
        {"clips of": "b", "share with": "a", "by source id": 6, "by fingerprint": 3, "by fingerprint alone": 0},
    ]
    assert shared_recordings(index, None)[0]["by fingerprint"] is None
    alone = told_by_sound_alone(index, found)
    assert len(alone) == len(found) - 1  # p1 and u0 are f:1 both
    assert told_by_sound_alone(index, found[:0]).empty


def test_fingerprints_of_other_clips_are_refused(compared):
    index, roles, folder = compared
    prints(folder, "b", ["u0", "u1"], [0, 1])
    with pytest.raises(UserError, match=r"b\.parquet: not of the clips of data/index/b"):
        matching_clips(index, roles, folder, 0.1)
    prints(folder, "b", [f"u{number}" for number in range(7)], range(7))
    with pytest.raises(UserError, match="run `dvc repro fingerprint@b`"):
        matching_clips(index, roles, folder, 0.1)
    (folder / "a.parquet").unlink()
    with pytest.raises(UserError, match=r"a\.parquet: no such table"):
        matching_clips(index, roles, folder, 0.1)


def test_texts_alone_and_one_group_match_nothing(tmp_path):
    index = {"w": CLIPS.frame([clip("1", "w", shard="")])}
    prints(tmp_path, "w", [], [])
    assert matching_clips(index, tables(), tmp_path, 0.1).empty
    index = {"a": CLIPS.frame([clip("1"), clip("2")])}
    prints(tmp_path, "a", ["1", "2"], [0, 0])
    assert matching_clips(index, tables(), tmp_path, 0.1).empty


E = clip("e", "c", source="x:9")
UPLOAD = [clip("t1", source="x:1"), clip("t2", source="x:1")]  # two clips of one upload; t1 sounds like e
OTHERS = {"paired": clip("p"), "unpaired": clip("u", "b"), "text": clip("w", "b")}
LINKED = (EVALUATED, "other clips of its recording", "retrieval: c")


def parts(**roles):
    return tables(**{role: [*roles.get(role, []), other] for role, other in OTHERS.items()}, retrieval=[E])


def test_the_other_clips_of_a_recording_leave_with_the_one_that_matches():
    kept, leaks = without_leaks(parts(paired=UPLOAD), match(("a/t1", "c/e", 0.4)))
    assert told(leaks) == {("paired", "t1"): (EVALUATED, "fingerprint", "retrieval: c"), ("paired", "t2"): LINKED}
    assert list(kept["paired"]["clip_id"]) == ["p"]  # clips without a source id are not one recording


def test_they_leave_whatever_role_they_are_in():
    _, leaks = without_leaks(parts(paired=UPLOAD[:1], unpaired=UPLOAD[1:]), match(("a/t1", "c/e", 0.4)))
    assert told(leaks)["unpaired", "t2"] == LINKED


def test_they_leave_though_the_one_that_matches_plays_no_part():
    index = {"a": CLIPS.frame(UPLOAD), "c": CLIPS.frame([E])}
    _, leaks = without_leaks(parts(paired=UPLOAD[1:]), match(("a/t1", "c/e", 0.4)), index=index)
    assert told(leaks) == {("paired", "t2"): LINKED}
    assert without_leaks(parts(paired=UPLOAD[1:]), match(("a/t1", "c/e", 0.4)))[1].empty  # nobody knows of t1


def test_they_leave_where_the_audio_is_equal():
    copied = [{**UPLOAD[0], "sha256": E["sha256"]}, UPLOAD[1]]
    _, leaks = without_leaks(parts(paired=copied))
    assert told(leaks) == {("paired", "t1"): (EVALUATED, "equal audio", "retrieval: c"), ("paired", "t2"): LINKED}


def test_copies_of_a_listed_recording_leave_too():
    equal = {**clip("y1", "d"), "sha256": "a/x"}
    lists = {"listed": {"x:7"}}
    given = parts(paired=[equal, clip("y2", "d")], unpaired=[clip("x", source="x:7")])
    _, leaks = without_leaks(given, match(("d/y2", "a/x", 0.3)), lists)
    listed = "on the exclusion list listed"
    assert told(leaks) == {
        ("unpaired", "x"): (listed, "source id", "listed"),
        ("paired", "y1"): (listed, "other clips of its recording", "listed"),
        ("paired", "y2"): (listed, "other clips of its recording", "listed"),
    }


def test_a_text_without_audio_leaves_with_the_caption_of_an_evaluated_clip():
    copied = {**clip("w1", "words", shard=""), "captions": ["something", "A  Dog."]}
    other = {**clip("w2", "words", shard=""), "captions": ["a dog barks"]}
    _, leaks = without_leaks(parts(text=[copied, other]))  # "w" has audio: its words alone say nothing
    assert told(leaks) == {("text", "w1"): (EVALUATED, "same caption", "retrieval: c")}


def test_a_role_without_clips_may_stay_empty(tmp_path):
    """A run that curates nothing names no unpaired clips; its table is still one that the next stage reads."""
    kept, _ = without_leaks(
        tables(paired=[clip("p1"), clip("v1", split="val")], text=[clip("p1")], retrieval=[clip("e1", "c")]), match()
    )
    assert kept["unpaired"].empty
    CLIPS.write(tmp_path / "unpaired.parquet", without_answers(kept["unpaired"]))
    assert CLIPS.read(tmp_path / "unpaired.parquet").empty
    with pytest.raises(UserError, match=r"roles\.unpaired has no clip left: all 1"):
        without_leaks(
            tables(
                paired=[clip("p1"), clip("v1", split="val")],
                unpaired=[clip("e1", "c")],
                text=[clip("p1")],
                retrieval=[clip("e1", "c")],
            ),
            match(),
        )
