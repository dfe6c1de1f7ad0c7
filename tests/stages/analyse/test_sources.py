from __future__ import annotations

from clapline.tables.captions import PARAPHRASES, SYNTHETIC
from clapline.tables.clips import CLIPS
from stages.analyse.sources import caption_sources, source_names
from tests.stages.analyse.conftest import clip_row, paraphrase_row, synthetic_row


def test_only_english_captions_of_their_own_are_analysed():
    written = [
        synthetic_row(0, 1, "through French", "back_translation"),
        synthetic_row(0, 0, "a new one"),
        synthetic_row(0, 2, "dog a barks", "word_edit"),
        synthetic_row(0, 3, "ein Hund bellt", "translation", "de"),
        synthetic_row(1, 0, "another new one"),
    ]
    paraphrases = PARAPHRASES.frame([paraphrase_row(0, 0, level, f"level {level}") for level in (2, 1)])
    captions = caption_sources(CLIPS.frame([clip_row(0, ["a dog barks"])]), paraphrases, SYNTHETIC.frame(written))
    assert source_names(captions) == ["original", "paraphrase 1", "paraphrase 2", "synthetic", "back translation"]
    assert list(captions["text"])[-3:] == ["a new one", "another new one", "through French"]
    assert len(captions) == 6


def test_an_empty_synthetic_table_is_no_source():
    captions = caption_sources(CLIPS.frame([clip_row(0, ["a dog barks"])]), PARAPHRASES.frame([]), SYNTHETIC.frame([]))
    assert source_names(captions) == ["original"]
