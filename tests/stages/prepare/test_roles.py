"""Roles: shares are nested complements over whole recordings; leaks leave the training side; faults are named."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.errors import UserError
from clapline.params.base import validated
from clapline.params.roles import Entry, HierarchyEntry, PairedEntry, Where
from clapline.tables.clips import CLIPS
from stages.prepare.leaks import EVALUATED, HIDDEN, PAIRED, VALIDATED, without_leaks
from stages.prepare.roles import (
    first_share,
    in_share,
    label_rows,
    recordings,
    selected,
    truth_rows,
    with_paired_share,
    without_treeless,
)


def clip(clip_id, dataset="a", label="dog", source=None, fold=1, split="train", shard="x.tar", tags=("dog",), tree=()):
    return {
        "dataset": dataset, "clip_id": clip_id, "split": split, "shard": shard, "offset": 0, "nbytes": 1,
        "sha256": f"{dataset}/{clip_id}",
        "sample_rate_hz": 16000, "duration_s": 1.0, "captions": ["a dog"], "caption_tree": list(tree),
        "tags": list(tags), "label": label, "fold": fold, "description": None, "source_id": source, "licence": None,
    }  # fmt: skip


def frame(*rows):
    return CLIPS.frame(list(rows))


def ids(clips):
    return list(clips["clip_id"])


corpora = st.lists(
    st.tuples(st.sampled_from(["dog", "rain", "wind", None]), st.sampled_from([None, *map(str, range(12))])),
    min_size=1,
    max_size=60,
).map(lambda pairs: frame(*[clip(f"c{n}", label=label, source=source) for n, (label, source) in enumerate(pairs)]))
marks = st.integers(1, 19).map(lambda n: n / 20)


@settings(max_examples=40, deadline=None)
@given(corpora, marks, marks, st.integers(0, 5))
def test_shares_are_nested_exact_complements_of_whole_recordings(clips, low, high, seed):
    low, high = sorted((low, high))
    parts = {}
    for share in ([0.0, low], [0.0, high], [low, 1.0]):
        parts[tuple(share)] = in_share(clips, share, seed)
    first, larger, rest = (parts[key] for key in ((0.0, low), (0.0, high), (low, 1.0)))
    assert set(ids(first)) <= set(ids(larger))
    assert sorted(ids(first) + ids(rest)) == sorted(ids(clips))
    assert not set(recordings(first)) & set(recordings(rest))
    shuffled = in_share(clips.sample(frac=1, random_state=seed), [0.0, low], seed)
    assert set(ids(shuffled)) == set(ids(first))


def test_share_is_taken_in_every_class_and_depends_on_the_seed():
    clips = frame(*[clip(f"{label}{n}", label=label) for label in ("dog", "rain") for n in range(40)])
    parts = [in_share(clips, [0.0, 0.25], seed) for seed in range(3)]
    for part in parts:
        assert part["label"].value_counts().to_dict() == {"dog": 10, "rain": 10}
    assert set(ids(parts[0])) != set(ids(parts[1])) != set(ids(parts[2]))


@settings(max_examples=40, deadline=None)
@given(corpora, marks, marks, st.integers(0, 5))
def test_a_first_share_is_an_exact_prefix_of_a_larger_one_and_keeps_recordings_whole(clips, low, high, seed):
    """methods D 20: the tenth is a prefix of the whole for the same seed."""
    low, high = sorted((low, high))
    first, larger = (first_share(clips, share, seed) for share in (low, high))
    of_all = recordings(clips).nunique()
    assert set(ids(first)) <= set(ids(larger))
    assert recordings(first).nunique() == max(1, int(low * of_all + 0.5))
    assert not set(recordings(first)) & set(recordings(clips[~clips["clip_id"].isin(ids(first))]))
    assert ids(first_share(clips, 1.0, seed)) == ids(clips)
    shuffled = first_share(clips.sample(frac=1, random_state=seed), low, seed)
    assert set(ids(shuffled)) == set(ids(first))


def test_a_first_share_is_even_over_classes_and_takes_what_the_share_of_each_class_takes():
    counts = {"dog": 40, "rain": 20, "wind": 8}
    clips = frame(*[clip(f"{label}{n}", label=label) for label, count in counts.items() for n in range(count)])
    for share in (0.25, 0.5, 0.75):
        part = first_share(clips, share, 0)
        assert part["label"].value_counts().to_dict() == {label: int(share * of) for label, of in counts.items()}
        assert set(ids(part)) == set(ids(in_share(clips, [0.0, share], 0)))
    # Of classes of 10, `in_share` would round a hundredth of each to nothing.
    many = frame(*[clip(f"{label}{n}", label=f"{label}") for label in range(50) for n in range(10)])
    assert in_share(many, [0.0, 0.01], 0).empty
    hundredth = first_share(many, 0.01, 0)
    assert len(hundredth) == hundredth["label"].nunique() == 5
    assert set(ids(hundredth)) != set(ids(first_share(many, 0.01, 1)))


def test_a_share_of_the_pairs_leaves_paired_and_text_alone_smaller():
    train = [clip(f"t{n}") for n in range(20)] + [clip(f"w{n}", dataset="w") for n in range(10)]
    val = [clip(f"v{n}", split="val") for n in range(5)]
    given_tables = tables(
        paired=frame(*train, *val),
        unpaired=frame(clip("u")),
        text=frame(*train[:20], clip("words", dataset="x", shard="")),
        retrieval=frame(clip("e")),
    )
    assert {name: id(table) for name, table in with_paired_share(given_tables, 1.0, 0).items()} == {
        name: id(table) for name, table in given_tables.items()
    }
    smaller = None
    for share in (0.01, 0.1, 0.25, 0.5, 0.99):
        cut = with_paired_share(given_tables, share, 0)
        paired = cut["paired"]
        kept = paired[paired["split"] == "train"].groupby("dataset")["clip_id"].apply(set).to_dict()
        assert {name: len(of) for name, of in kept.items()} == {
            "a": max(1, int(20 * share + 0.5)),
            "w": max(1, int(10 * share + 0.5)),
        }
        assert ids(paired[paired["split"] == "val"]) == [f"v{n}" for n in range(5)]
        assert set(ids(cut["text"])) == kept["a"] | {"words"}
        assert all(cut[role] is given_tables[role] for role in given_tables if role not in ("paired", "text"))
        assert smaller is None or all(smaller[name] <= kept[name] for name in kept)
        smaller = kept


def test_a_share_that_leaves_no_caption_is_refused():
    clips = [clip(f"{n}") for n in range(10)]
    first = ids(first_share(frame(*clips), 0.1, 0))
    others = [row for row in clips if row["clip_id"] not in first]
    with pytest.raises(UserError, match=r"roles\.paired_share = 0\.1 leaves no caption in roles\.text"):
        with_paired_share(tables(paired=frame(*clips), text=frame(*others)), 0.1, 0)


def test_where_and_its_faults():
    clips = frame(clip("1", fold=1), clip("2", fold=2, label="rain"), clip("3", fold=2, split="val"))
    index = {"a": clips}

    def chosen(**where):
        return ids(selected("retrieval", [Entry(dataset="a", where=Where(**where))], index, 0))

    assert chosen(fold=[2]) == ["2", "3"]
    assert chosen(fold=[1, 2], label=["dog"]) == ["1", "3"]
    with pytest.raises(UserError, match=r"roles\.retrieval\.0\.where\.fold: no clip of a has 5; it has: 1, 2$"):
        chosen(fold=[1, 5])
    with pytest.raises(UserError, match=r"'cat'; it has: dog, rain$"):
        chosen(label=["cat"])
    with pytest.raises(UserError, match="no clip of a is selected"):
        chosen(fold=[1], split=["val"])


def test_needs_of_roles():
    index = {
        "a": frame(clip("1"), clip("2", label=None)),
        "words": frame(clip("w", dataset="words", shard="", label=None)),
    }
    with pytest.raises(UserError, match="1 clips have no label"):
        selected("zero_shot", [Entry(dataset="a")], index, 0)
    with pytest.raises(UserError, match="2 clips have no caption tree"):
        selected("hierarchy", [Entry(dataset="a")], index, 0)
    with pytest.raises(UserError, match="captions without audio"):
        selected("unpaired", [Entry(dataset="words")], index, 0)
    assert ids(selected("text", [Entry(dataset="words")], index, 0)) == ["w"]
    assert selected("hierarchy", [], index, 0).empty


@pytest.fixture
def animals(tmp_path):
    nodes = [{"id": "1", "name": "Animal", "child_ids": ["2"]}, {"id": "2", "name": "Dog", "child_ids": []}]
    (tmp_path / "ontology.json").write_text(json.dumps(nodes))
    return str(tmp_path / "ontology.json")


def test_trees_are_built_where_asked_for(animals):
    rows = [
        clip("dog", tree=["Its own.", "Tree."]),
        clip("cat", label="cat", tags=["cat"]),
        clip("hound", label=None, tags=["Dog", "bell"]) | {"captions": ["A dog barks while a bell rings"]},
        clip("none", label=None, tags=[]) | {"captions": []},
    ]
    index = {"a": frame(*rows)}
    built = HierarchyEntry(dataset="a", trees="built", ontology=animals)
    chosen = selected("hierarchy", [built], index, 0)
    kept, left_out = without_treeless(chosen)
    assert {clip.clip_id: list(clip.caption_tree) for clip in kept.itertuples()} == {
        "dog": ["Animal.", "Dog."],  # its caption, "a dog", says no more
        "hound": ["Animal.", "Dog.", "A dog barks.", "A dog barks while a bell rings."],
    }
    assert [(row["dataset"], row["path"]) for row in left_out] == [("a", "cat"), ("a", "none")]
    # The clips of the other roles keep what they came with.
    assert [list(tree) for tree in index["a"]["caption_tree"]] == [["Its own.", "Tree."], [], [], []]
    own = [HierarchyEntry(dataset="a", where=Where(label=["dog"]))]
    kept, left_out = without_treeless(selected("hierarchy", own, index, 0))
    assert (list(kept["caption_tree"].iloc[0]), left_out) == (["Its own.", "Tree."], [])
    assert without_treeless(frame())[1] == []


def test_faults_of_built_trees(animals, tmp_path):
    index = {"a": frame(clip("1", label="cat", tags=["cat"]))}
    with pytest.raises(
        UserError, match=r"roles.hierarchy.0: no caption tree can be built for any of 1 clips of a: exp"
    ):
        selected("hierarchy", [HierarchyEntry(dataset="a", trees="built", ontology=animals)], index, 0)
    gone = str(tmp_path / "gone.json")
    with pytest.raises(UserError, match=r"gone.json: No such file or directory; expected a list"):
        selected("hierarchy", [HierarchyEntry(dataset="a", trees="built", ontology=gone)], index, 0)
    for values, fault in (
        ({"trees": "built"}, "hierarchy: trees: built needs ontology"),
        ({"ontology": animals}, "ontology serves trees: built alone"),
        ({"trees": "made"}, "'own' or 'built'"),
        ({"trees": "built", "ontology": ""}, "at least 1 character"),
    ):
        with pytest.raises(UserError, match=fault):
            validated(HierarchyEntry, {"dataset": "a", **values}, "hierarchy")


def test_overlaps_within_a_role():
    index = {"a": frame(clip("1"), clip("2", fold=2))}
    twice = selected("text", [Entry(dataset="a", where=Where(fold=[2])), Entry(dataset="a")], index, 0)
    assert sorted(ids(twice)) == ["1", "2"]
    paired = [PairedEntry(dataset="a"), PairedEntry(dataset="a", where=Where(fold=[2]), use="val")]
    with pytest.raises(UserError, match=r"1 clips are both train and val, such as '2' of a"):
        selected("paired", paired, index, 0)
    separate = [
        PairedEntry(dataset="a", where=Where(fold=[1])),
        PairedEntry(dataset="a", where=Where(fold=[2]), use="val"),
    ]
    assert list(selected("paired", separate, index, 0)["split"]) == ["train", "val"]


def tables(**roles):
    empty = frame()
    return {
        role: roles.get(role, empty)
        for role in ("paired", "unpaired", "text", "labels", "retrieval", "zero_shot", "hierarchy")
    }


def test_equal_audio_is_one_recording_whatever_its_name():
    def audio(clip_id, dataset, sha256):
        return clip(clip_id, dataset=dataset) | {"sha256": sha256}

    kept, leaks = without_leaks(
        tables(
            paired=frame(audio("p1", "a", "same"), audio("p2", "a", "own")),
            unpaired=frame(audio("u1", "b", "other")),
            text=frame(clip("p2")),
            retrieval=frame(audio("e1", "c", "same")),
        )
    )
    assert ids(kept["paired"]) == ["p2"]
    assert leaks[["role", "clip_id", "reason"]].values.tolist() == [["paired", "p1", EVALUATED]]


def test_captions_of_validation_and_of_the_pool_leave_text():
    kept, leaks = without_leaks(
        tables(
            paired=frame(clip("p1"), clip("v1", split="val")),
            unpaired=frame(clip("u1", dataset="b"), clip("u2", dataset="b")),
            text=frame(clip("p1"), clip("v1"), clip("u1", dataset="b")),
        )
    )
    assert ids(kept["text"]) == ["p1"]
    assert leaks[["clip_id", "reason"]].values.tolist() == [["v1", VALIDATED], ["u1", HIDDEN]]
    assert ids(kept["unpaired"]) == ["u1", "u2"]


def test_leaks_by_recording_across_datasets_and_by_clip():
    kept, leaks = without_leaks(
        tables(
            paired=frame(
                clip("p1", source="f:1"), clip("p2", source="f:2"), clip("p3", source="f:3"), clip("p4"),
                clip("v1", source="f:3", split="val"), clip("v2", source="f:9", split="val"),
            ),
            unpaired=frame(
                clip("u1", dataset="b", source="f:2"), clip("u2", dataset="b", source="f:7"),
                clip("u3", dataset="b", source="f:1"), clip("p4"), clip("u5", dataset="b"),
                clip("u6", dataset="b", source="f:9"),
            ),
            text=frame(clip("p1", source="f:1"), clip("p2", source="f:2"), clip("e2", dataset="c")),
            retrieval=frame(clip("e1", dataset="c", source="f:1"), clip("e2", dataset="c")),
            zero_shot=frame(clip("e3", dataset="c", source="f:7")),
        )
    )  # fmt: skip
    assert ids(kept["paired"]) == ["p2", "p4", "v1", "v2"]
    assert ids(kept["unpaired"]) == ["u5"]
    assert ids(kept["text"]) == ["p2"]
    found = {(row.role, row.clip_id): (row.reason, row.held_by) for row in leaks.itertuples()}
    assert found == {
        ("paired", "p1"): (EVALUATED, "retrieval: c"),
        ("paired", "p3"): (VALIDATED, "paired val: a"),
        ("unpaired", "u2"): (EVALUATED, "zero_shot: c"),
        ("unpaired", "u3"): (EVALUATED, "retrieval: c"),
        ("unpaired", "u1"): (PAIRED, "paired: a"),
        ("unpaired", "p4"): (PAIRED, "paired: a"),
        ("unpaired", "u6"): (PAIRED, "paired: a"),
        ("text", "p1"): (EVALUATED, "retrieval: c"),
        ("text", "e2"): (EVALUATED, "retrieval: c"),
    }


keys = st.lists(st.sampled_from([None, *(f"f:{n}" for n in range(30))]), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(keys, keys, keys, keys, st.integers(0, 2**12 - 1))
def test_no_recording_stands_on_two_sides(paired, unpaired, text, evaluated, uses):
    def rows(name, sources):
        return [clip(f"{name}{n}", dataset=name, source=source) for n, source in enumerate(sources)]

    train = frame(*[clip("sure", dataset="p"), *rows("p", paired)])
    train["split"] = ["train"] + ["val" if uses >> n & 1 else "train" for n in range(len(paired))]
    given_tables = tables(
        paired=train,
        unpaired=frame(clip("sure", dataset="u"), *rows("u", unpaired)),
        text=frame(clip("sure", dataset="t"), *rows("t", text)),
        retrieval=frame(*rows("e", evaluated)),
    )
    kept, leaks = without_leaks(given_tables)
    held = set(recordings(kept["retrieval"]))
    by_use = {use: set(recordings(kept["paired"][kept["paired"]["split"] == use])) for use in ("train", "val")}
    for role in ("paired", "unpaired", "text"):
        assert not set(recordings(kept[role])) & held
        gone = leaks[leaks["role"] == role]
        assert len(gone) + len(kept[role]) == len(given_tables[role])
    assert not by_use["train"] & by_use["val"]
    assert not set(recordings(kept["unpaired"])) & (by_use["train"] | by_use["val"])


def test_a_role_that_leaks_away_is_an_error():
    with pytest.raises(UserError, match=r"roles\.unpaired has no clip left: all 1"):
        without_leaks(
            tables(
                paired=frame(clip("p")),
                text=frame(clip("p")),
                unpaired=frame(clip("u", source="f:1")),
                retrieval=frame(clip("e", source="f:1")),
            )
        )


def test_labels_and_truth():
    clips = frame(clip("1"), clip("2", label="rain", tags=()), clip("3", dataset="b", label=None, tags=()))
    assert label_rows(clips[:2]) == [{"dataset": "a", "label": "dog"}, {"dataset": "a", "label": "rain"}]
    assert [row["tags"] for row in truth_rows(clips, clips[:1])] == [["dog"], ["rain"], []]
    assert isinstance(truth_rows(clips, pd.DataFrame(clips[:0]))[0]["tags"], list)
