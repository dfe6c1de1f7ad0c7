"""New captions beside the clips' own: length, breaches of the rules, variety; as the thesis measured its own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import chain

import pandas as pd

from clapline.storage import content_key
from clapline.text.bleu import self_bleu
from clapline.text.richness import distinct_ngrams, hapax, pairwise_overlap
from clapline.text.words import NUMBERS, names, tokens

#: (dataset, clip id)
Clip = tuple[str, str]
Measures = dict[str, float | int | None]

ENGLISH = "en"
#: Self-BLEU is taken on so many clips, drawn by a hash.
MEASURED_CLIPS = 4000
#: The rules of the thesis: at most 20 words; its five captions of a clip are seldom shorter than people's least of 8.
LONGEST_WORDS, SHORT_WORDS = 20, 8
NAMES = {
    "captions": "captions",
    "words_mean": "words per caption, mean",
    "words_sd": "words per caption, sd",
    "words_least": "words, least",
    "words_most": "words, most",
    "with_digits": "with digits",
    "with_numbers": "with numbers, words included",
    "too_long": f"more than {LONGEST_WORDS} words",
    "short": f"fewer than {SHORT_WORDS} words",
    "with_new_names": "with names that the clip's captions lack",
    "repeated": "repeating a caption of their clip",
    "vocabulary": "distinct words",
    "hapax": "words used once",
    "bigrams": "distinct word pairs",
    "overlap_within_clip": "word overlap within a clip (Jaccard)",
    "self_bleu": "Self-BLEU within a clip",
}
#: Clotho's development split as the thesis has it, by the measures of this module: people's captions, and phi-4's. The
#: thesis' own figures differ in the last digits: it tells words apart at spaces.
THESIS: dict[str, Measures] = {
    "Clotho: people": {
        "captions": 19195,
        "words_mean": 11.3237,
        "words_sd": 2.784,
        "words_least": 8,
        "words_most": 20,
        "with_digits": 0,
        "with_numbers": 509,
        "too_long": 0,
        "short": 0,
        "with_new_names": None,
        "repeated": 0,
        "vocabulary": 4366,
        "hapax": 501,
        "bigrams": 50364,
        "overlap_within_clip": 0.2076,
        "self_bleu": 0.2677,
    },
    "Clotho: phi-4": {
        "captions": 19195,
        "words_mean": 11.341,
        "words_sd": 1.9859,
        "words_least": 4,
        "words_most": 23,
        "with_digits": 5,
        "with_numbers": 259,
        "too_long": 5,
        "short": 272,
        "with_new_names": 72,
        "repeated": 1,
        "vocabulary": 6741,
        "hapax": 1900,
        "bigrams": 68861,
        "overlap_within_clip": 0.1007,
        "self_bleu": 0.0488,
    },
}


def own_captions(clips: pd.DataFrame) -> dict[Clip, list[str]]:
    """Return the captions of every clip of a clip table."""
    return dict(zip(zip(clips["dataset"], clips["clip_id"], strict=True), map(list, clips["captions"]), strict=True))


def synthetic_captions(synthetic: pd.DataFrame, kind: str) -> dict[Clip, list[str]]:
    """Return the English synthetic captions of one kind by clip: words, names and numbers are told by English rules."""
    chosen = synthetic[(synthetic["kind"] == kind) & (synthetic["language"] == ENGLISH)]
    return {clip: list(texts) for clip, texts in chosen.groupby(["dataset", "clip_id"], sort=True)["text"]}


def variety(captions: Mapping[Clip, Sequence[str]], own: Mapping[Clip, Sequence[str]] | None = None) -> Measures:
    """Measure captions by clip; what cannot be measured, as of no captions at all, is None.

    Args:
        captions: the texts of each clip.
        own: what the clips' own captions are, where `captions` are others; names and repeats are told from these.
    """
    words = {clip: [tokens(text) for text in texts] for clip, texts in captions.items()}
    flat = list(chain.from_iterable(words.values()))
    texts = list(chain.from_iterable(captions.values()))
    lengths = [len(caption) for caption in flat]
    overlaps = [overlap for clip in words.values() if (overlap := pairwise_overlap(clip)) is not None]
    measured = sorted(captions, key=lambda clip: content_key(*clip))[:MEASURED_CLIPS]
    bleu = [value for clip in measured if (value := self_bleu(captions[clip])) is not None]
    return {
        "captions": len(flat),
        "words_mean": _mean(lengths),
        "words_sd": statistics.pstdev(lengths) if lengths else None,
        "words_least": min(lengths, default=None),
        "words_most": max(lengths, default=None),
        "with_digits": sum(any(letter.isdigit() for letter in text) for text in texts),
        "with_numbers": sum(any(map(_is_number, caption)) for caption in flat),
        "too_long": sum(length > LONGEST_WORDS for length in lengths),
        "short": sum(length < SHORT_WORDS for length in lengths),
        "with_new_names": None if own is None else _with_new_names(captions, own),
        "repeated": sum(_repeats(words[clip], (own or {}).get(clip, ())) for clip in words),
        "vocabulary": len(set(chain.from_iterable(flat))),
        "hapax": hapax(flat),
        "bigrams": distinct_ngrams(flat, 2)[0],
        "overlap_within_clip": _mean(overlaps),
        "self_bleu": _mean(bleu),
    }


def _is_number(word: str) -> bool:
    # "one" is a pronoun more often than a number.
    return word[0].isdigit() or (word in NUMBERS and word != "one")


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _with_new_names(captions: Mapping[Clip, Sequence[str]], own: Mapping[Clip, Sequence[str]]) -> int:
    count = 0
    for clip, texts in captions.items():
        known = {word for text in own.get(clip, ()) for word in tokens(text)}
        count += sum(bool(names(text) - known) for text in texts)
    return count


def _repeats(words: Sequence[tuple[str, ...]], own: Sequence[str]) -> int:
    """Count the captions of a clip that are, word for word, an earlier one or one of its own captions."""
    given = {tokens(text) for text in own}
    return len(words) - len(set(words) - given)
