"""Everything asked about is encoded once, and found again by its name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clapline.errors import UserError
from clapline.model.gallery import VectorGallery
from stages.evaluate.benchmarks import hierarchy_benchmarks, zero_shot_benchmarks
from stages.evaluate.encoded import Suites, encode

CLIPS = pd.DataFrame(
    {
        "dataset": "toy",
        "clip_id": ["b", "a", "c"],
        "label": ["Dog", "car_horn", "dog"],
        "caption_tree": [["sound", "dog"], [], ["sound", "cat"]],
    }
)


@pytest.fixture
def suites():
    return Suites([], zero_shot_benchmarks(CLIPS, ["{label}", "a {label}"]), hierarchy_benchmarks(CLIPS))


def unit(index: int) -> np.ndarray:
    return np.eye(40, dtype=np.float32)[index]


def test_clips_and_texts_are_asked_for_once_in_a_fixed_order(suites):
    assert suites.clips()["clip_id"].tolist() == ["a", "b", "c"]
    words = {text for text in suites.texts() if "ound of" not in text and "heard" not in text}
    assert words == {"a car horn", "a dog", "car horn", "cat", "dog", "sound"}
    assert suites.texts() == sorted(set(suites.texts()))


@pytest.mark.parametrize("empty", [np.zeros(40, np.float32), unit(39)])
def test_rows_are_found_by_name_and_a_text_without_direction_is_no_root(suites, empty):
    asked = suites.texts()
    model = encode(
        "student",
        suites,
        lambda clips: VectorGallery(np.stack([unit("abc".index(name)) for name in clips["clip_id"]])),
        lambda texts: (np.stack([unit(asked.index(text)) if text else empty for text in texts]), None),
    )
    np.testing.assert_array_equal(model.of_clips(CLIPS).items.vectors, np.stack([unit(1), unit(0), unit(2)]))
    found = model.of_texts(["sound", "cat"]).items
    np.testing.assert_array_equal(found, np.stack([unit(asked.index(text)) for text in ("sound", "cat")]))
    mean = np.stack([unit(i) for i in range(len(asked))]).mean(axis=0)
    np.testing.assert_allclose(model.root, empty if empty.any() else mean / np.linalg.norm(mean), atol=1e-6)


def test_labels_are_classes_as_words(suites):
    (benchmark,) = suites.zero_shot
    assert benchmark.classes == ["car horn", "dog"]
    assert benchmark.truth.tolist() == [1, 0, 1]


def test_tags_are_hidden_where_they_may_say_what_is_asked(suites):
    """A model that fuses metadata hears "dog" in the tags of a clip that it is to classify as a dog."""
    tagged = CLIPS.assign(tags=[["dog"], ["horn"], ["hound"]])
    rain = tagged.iloc[:1].assign(clip_id="d", tags=[["rain"]], captions=[["rain falls"]])
    retrieval = type("Asked", (), {"clips": pd.concat([tagged, rain])})()
    asked = Suites([retrieval], zero_shot_benchmarks(tagged, ["{label}"]), hierarchy_benchmarks(tagged))
    tags = asked.clips().set_index("clip_id").tags
    assert [list(tags[name]) for name in "abcd"] == [[], [], [], ["rain"]]


def test_clips_and_texts_that_were_not_encoded_are_refused(suites):
    asked = suites.texts()
    model = encode(
        "student",
        suites,
        lambda clips: VectorGallery(np.stack([unit(row) for row in range(len(clips))])),
        lambda texts: (np.stack([unit(asked.index(text) if text else 39) for text in texts]), None),
    )
    with pytest.raises(UserError, match=r"1 clips were not encoded, such as .*'z'.*ids do not match"):
        model.of_clips(CLIPS.assign(clip_id=["a", "b", "z"]))
    with pytest.raises(UserError, match="1 texts were not encoded, such as 'nobody'"):
        model.of_texts(["dog", "nobody"])
