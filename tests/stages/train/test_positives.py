"""Captions of the same clip are positives in every loss, never negatives (known trap 7)."""

from __future__ import annotations

import numpy as np

from stages.train.batches import Drawn
from stages.train.data import Source
from stages.train.positives import Positives

A, B, C = ("d", "a"), ("d", "b"), ("d", "c")
SOURCES = [
    Source("paired", 1.0, [0, 1], [["x", "y"], ["x", "z"]], [[A, A], [B, B]], [["s"], []]),
    Source("curated", 1.0, [2, 3, 4], [["y"], ["x", "z"], ["q"]], [[A], [A, B], [C]]),
]


def positives(*rows: tuple[int, str, tuple[str, str]]) -> np.ndarray:
    clips, captions, owners = map(list, zip(*rows, strict=True))
    return Positives(SOURCES).of(Drawn("any", clips, captions, owners, {})).matrix().numpy()


def pair(first: tuple, second: tuple) -> bool:
    found = positives(first, second)
    assert found.diagonal().all()
    assert np.array_equal(found, found.T)
    return bool(found[0, 1])


def test_one_clip_and_equal_captions():
    assert pair((0, "x", A), (0, "y", A))
    assert pair((0, "x", A), (1, "x", B))


def test_a_caption_that_the_other_clip_holds_too():
    assert pair((0, "y", A), (1, "x", B))  # clip 0 holds x as well
    assert pair((0, "s", A), (1, "x", B))


def test_captions_written_for_one_clip_though_the_audio_differs():
    assert pair((2, "y", A), (3, "x", A))
    assert pair((2, "y", A), (0, "s", A))


def test_a_caption_from_the_curated_list_of_the_other_clip():
    assert pair((3, "x", A), (1, "z", B))


def test_what_shares_nothing_is_a_negative():
    assert not pair((2, "y", A), (4, "q", C))
    assert not pair((1, "z", B), (2, "y", A))


def slow(sources: list[Source], drawn: Drawn) -> np.ndarray:
    """The definition, pair by pair."""
    held: dict[int, set[str]] = {}
    for source in sources:
        for clip, captions, written in zip(source.clips, source.captions, source.synthetic, strict=True):
            held.setdefault(clip, set()).update(captions, written)
    pairs = list(zip(drawn.clips, drawn.captions, drawn.owners, strict=True))
    return np.array(
        [
            [clip == at or owner == of or said in held[clip] or text in held[at] for at, said, of in pairs]
            for clip, text, owner in pairs
        ]
    )


def test_it_is_the_definition_over_random_batches():
    random = np.random.default_rng(0)
    for _ in range(20):
        captions = [[f"c{random.integers(12)}" for _ in range(random.integers(1, 4))] for _ in range(10)]
        synthetic = [[f"c{random.integers(20)}"] if random.random() < 0.3 else [] for _ in range(10)]
        owners = [[("d", str(random.integers(6)))] * len(texts) for texts in captions]
        source = Source("paired", 1.0, list(range(10)), captions, owners, synthetic)
        clips = random.integers(10, size=15).tolist()
        said = [int(random.integers(len(captions[clip]))) for clip in clips]
        drawn = Drawn(
            "paired",
            clips,
            [captions[clip][place] for clip, place in zip(clips, said, strict=True)],
            [owners[clip][place] for clip, place in zip(clips, said, strict=True)],
            {},
        )
        assert np.array_equal(Positives([source]).of(drawn).matrix(), slow([source], drawn))
