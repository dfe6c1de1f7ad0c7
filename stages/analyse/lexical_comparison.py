"""Every source beside the originals: tests and effect sizes of MTLD, and the words that set them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clapline.text.distinguishing import WordScore, distinguishing_words
from clapline.text.richness import mtld
from clapline.text.richness_effects import Effect, effect
from stages.analyse.lexical import Caption, Measures, joined_words, known

Clips = Mapping[tuple[str, str], Sequence[Caption]]


@dataclass(frozen=True)
class Level:
    """MTLD of the originals and of another source, text by text."""

    texts: tuple[int, int]
    means: tuple[float | None, float | None]
    effect: Effect | None  # A12: originals above the other source


@dataclass(frozen=True)
class Comparison:
    """A source beside the originals of the same dataset."""

    dataset: str
    original: str
    source: str
    same_clips: bool  # both were cut to the clips they share, and to equally many captions of each
    clips: tuple[int, int]
    levels: dict[str, Level]  # caption, clip
    words: list[WordScore]  # those of the source first, of the originals last


def compare_sources(measures: Sequence[Measures], original: str, threshold: float) -> list[Comparison]:
    """Return each other source beside `original`, dataset by dataset, where the dataset has both."""
    own = {item.dataset: item for item in measures if item.source == original}
    return [
        compare(own[item.dataset], item, threshold)
        for item in measures
        if item.source != original and item.dataset in own
    ]


def compare(original: Measures, other: Measures, threshold: float) -> Comparison:
    """Compare like with like: where the two share clips, those alone and equally many captions of each.

    More captions of a clip, joined, have another MTLD than fewer, and other clips have other words.
    """
    first, second, same = alike(original.clips, other.clips)
    return Comparison(
        other.dataset,
        original.source,
        other.source,
        same,
        (len(first), len(second)),
        {
            "caption": _level([[each.mtld for clip in side.values() for each in clip] for side in (first, second)]),
            "clip": _level(
                [known(mtld(joined_words(clip), threshold) for clip in side.values()) for side in (first, second)]
            ),
        },
        distinguishing_words(_counts(second), _counts(first)),
    )


def alike(first: Clips, second: Clips) -> tuple[Clips, Clips, bool]:
    """Return the clips that both have with equally many captions of each, the first ones; all where they share none."""
    number = {clip: min(len(first[clip]), len(second[clip])) for clip in first if clip in second}
    number = {clip: count for clip, count in number.items() if count}
    if not number:
        return first, second, False
    own, other = ({clip: side[clip][:count] for clip, count in number.items()} for side in (first, second))
    return own, other, True


def _level(values: Sequence[Sequence[float]]) -> Level:
    first, second = values
    means = [sum(side) / len(side) if side else None for side in values]
    return Level((len(first), len(second)), (means[0], means[1]), effect(first, second))


def _counts(clips: Clips) -> Counter[str]:
    counts = Counter(word for clip in clips.values() for caption in clip for word in caption.words)
    # Single letters are mostly what an apostrophe leaves behind (the dog's bark: the dog s bark).
    return Counter({word: count for word, count in counts.items() if len(word) > 1 or word in "ai"})
