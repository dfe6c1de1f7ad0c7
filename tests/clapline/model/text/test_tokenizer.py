"""Tokenizers of our own training, and what wraps every tokenizer."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from clapline.errors import UserError
from clapline.model.text.tokenizer import CHUNK, CaptionTokenizer, pad, train_framed_tokenizer, train_tokenizer


@pytest.fixture
def framed(captions):
    return CaptionTokenizer(train_framed_tokenizer(captions, 120), padding=1, maximum_tokens=8, plain=False)


def test_ends_are_marked_and_survive_the_cut(framed):
    short, long, empty = framed.tokenise(["a dog", "a dog barks " * 9, ""])
    assert empty == [0, 2]
    assert short[0] == 0
    assert short[-1] == 2
    assert len(long) == 8
    assert long[0] == 0
    assert long[-1] == 2


def test_the_small_tokenizer_marks_the_start(captions):
    tokens = CaptionTokenizer(train_tokenizer(captions, 120), padding=0, maximum_tokens=6, plain=False)
    assert tokens.tokenise([""]) == [[2]]
    assert tokens.tokenise(["A DOG, barks!"]) == tokens.tokenise(["a dog barks"])
    assert len(tokens.tokenise(["a dog barks " * 9])[0]) == 6
    assert 1 in tokens.tokenise(["雨"])[0]  # letters it never saw are unknown, not lost


def test_plain_captions_lose_punctuation_before_the_tokenizer(captions):
    tokenizer = Tokenizer.from_str(train_tokenizer(captions, 120).to_str())
    tokenizer.normalizer = None  # so that upper case and commas would show
    plain = CaptionTokenizer(tokenizer, padding=0, maximum_tokens=20, plain=True)
    loud = CaptionTokenizer(Tokenizer.from_str(tokenizer.to_str()), padding=0, maximum_tokens=20, plain=False)
    assert plain.tokenise(["A dog, BARKS."]) == loud.tokenise(["a dog barks"])
    assert loud.tokenise(["A dog, BARKS."]) != loud.tokenise(["a dog barks"])


def test_more_captions_than_a_chunk_keep_their_order(framed):
    few = ["a dog", "rain falls", "the bell rings twice"]
    ids = framed.tokenise(few)
    many = framed.tokenise([few[place % 3] for place in range(CHUNK + 5)])
    assert all(row == ids[place % 3] for place, row in enumerate(many))


def test_a_tokenizer_without_any_token_gives_the_padding(captions):
    bare = train_tokenizer(captions, 120)
    bare.post_processor = None
    assert CaptionTokenizer(bare, padding=0, maximum_tokens=9, plain=False).tokenise(["", "a dog"])[0] == [0]


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=12), min_size=1, max_size=40), st.integers(0, 9))
def test_padding_is_behind_and_as_little_as_can_be(rows, padding):
    inputs = pad(rows, padding=padding)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    assert ids.dtype == mask.dtype == torch.int64
    assert ids.shape == mask.shape == (len(rows), max(map(len, rows)))
    for row, found, valid in zip(rows, ids, mask, strict=True):
        assert found[: len(row)].tolist() == row
        assert (found[len(row) :] == padding).all()
        assert valid.tolist() == [1] * len(row) + [0] * (ids.shape[1] - len(row))


def test_collate_pickles_small(framed):
    rows = framed.tokenise(["a dog", "the bell rings"])
    again = pickle.loads(pickle.dumps(framed.collate))
    assert len(pickle.dumps(framed.collate)) < 300
    assert all(torch.equal(again(rows)[name], framed.collate(rows)[name]) for name in ("input_ids", "attention_mask"))


def test_saved_and_loaded_it_reads_the_same_and_transformers_reads_it_too(framed, tmp_path, captions):
    from transformers import PreTrainedTokenizerFast

    framed.save(tmp_path / "tokenizer.json")
    loaded = CaptionTokenizer.load(tmp_path / "tokenizer.json", maximum_tokens=8, plain=False)
    texts = [*captions[:50], "", "雨が降る", "a dog barks " * 9]
    assert loaded.tokenise(texts) == framed.tokenise(texts)
    assert loaded.padding == 1
    assert framed.tokenise(texts[:1]) == framed.tokenise(texts)[:1]  # saving has left no padding behind
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), pad_token="[PAD]")
    assert theirs("a dog barks").input_ids == framed.tokenise(["a dog barks"])[0]


def test_what_is_no_saved_tokenizer_is_refused(tmp_path, captions):
    with pytest.raises(UserError, match="no saved tokenizer"):
        CaptionTokenizer.load(tmp_path / "tokenizer.json", maximum_tokens=8, plain=False)
    train_tokenizer(captions, 120).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UserError, match="names no padding"):
        CaptionTokenizer.load(tmp_path / "tokenizer.json", maximum_tokens=8, plain=False)
