"""Word clouds: the most frequent words of a source, as large as they are frequent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
from wordcloud import STOPWORDS, WordCloud

from clapline.storage import atomic_path
from clapline.text.richness import words_of
from stages.analyse.lexical import Caption

CLOUD_WORDS = 100
#: Words that hold a sentence together: they would be the largest of every cloud and say nothing of the source.
#: As `words_of` reads them, which takes `don't` for two words.
LEFT_OUT = frozenset(part for word in STOPWORDS for part in words_of(word))
_LONGEST_WORD = 30  # letters: a longer one finds no room, and would stop the drawing
_DARK = ("#1a202c", "#718096")
# Not the font of the environment: the same words must lie in the same places on every machine.
_FONT = Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


def cloud_words(captions: Iterable[Caption], count: int = CLOUD_WORDS) -> list[tuple[str, int]]:
    """Return the most frequent words without function words and single letters, and how often each occurs."""
    counts = Counter(word for caption in captions for word in caption.words)
    kept = [(word, times) for word, times in counts.items() if 1 < len(word) <= _LONGEST_WORD and word not in LEFT_OUT]
    return sorted(kept, key=lambda item: (-item[1], item[0]))[:count]


def draw_cloud(path: Path, words: list[tuple[str, int]], colour: str) -> None:
    """Draw the words as PNG, whose bytes depend on them alone. There must be at least one."""
    # Neighbours of one colour run into each other: words take turns by rank.
    colours = {word: (colour, *_DARK)[rank % 3] for rank, (word, _) in enumerate(words)}
    cloud = WordCloud(
        font_path=str(_FONT),
        width=600,
        height=330,
        scale=2,
        max_words=len(words),
        max_font_size=72,
        margin=4,
        background_color="white",
        random_state=1,
        color_func=lambda word, **_: colours[word],
    ).generate_from_frequencies(dict(words))
    # A few shades are enough for one colour and its edges, and make a quarter of the file.
    image = cloud.to_image().quantize(32)
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
