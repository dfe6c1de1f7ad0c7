"""A tokenizer trained twice on the same captions must be the same, or no two runs give equal metrics."""

from __future__ import annotations

from clapline.model.text.tokenizer import train_framed_tokenizer, train_tokenizer

WORDS = ["dog", "rain", "bell", "train", "bird", "saw", "horn", "clock", "barks", "falls", "rings", "passes"]
CAPTIONS = [f"a {first} {second} {place}" for place, first in enumerate(WORDS) for second in WORDS]


def test_two_trainings_give_one_tokenizer():
    for train in (train_tokenizer, train_framed_tokenizer):
        for vocabulary in (60, 120, 400):
            trained = {train(order, vocabulary).to_str() for order in (CAPTIONS, CAPTIONS[::-1], CAPTIONS)}
            assert len(trained) == 1
