"""How near two captions are in meaning: by a sentence-transformers model where one can be loaded, else lexically."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from clapline.errors import UserError
from clapline.model.lookup import find_model
from clapline.params.captions import FreeSimilarity, Similarity
from clapline.progress import progress_bar
from clapline.text.embedding import CaptionEmbedder, SentenceEmbedder
from clapline.text.similarity import MEASURE, lexical_similarity
from clapline.text.words import content_stems

NEW = 3  # beside the levels: a new caption, which may tell of the clip what no given caption tells
#: The least similarity at level 1, at level 2 and of new captions, by measure; another model: as all-mpnet-base-v2.
#: all-mpnet-base-v2: the bounds chosen with RobustCLAP's levels, and a looser one for new captions, not measured.
#: all-MiniLM-L6-v2 puts paraphrases lower: of 2,000 real captions of AudioCaps and Clotho, 99 % of the builtin model's
#: first answers at level 1 reached 0.75, 94 % at level 2 reached 0.60; captions of different clips stay under
#: 0.44 (95 %) and 0.61 (99 %). Of the thesis's new captions 98 % reach 0.50 against the clip's own captions, 90 % would
#: reach 0.60; of another clip's, 6 % reach 0.50. The lexical measure sees no synonyms: at level 2 it refuses only what
#: has next to nothing in common.
BOUNDS = {
    "all-mpnet-base-v2": (0.80, 0.75, 0.65),
    "all-MiniLM-L6-v2": (0.75, 0.60, 0.50),
    MEASURE: (0.75, 0.10, 0.10),
}
_DIGITS = 4
_KNOWN_TEXTS = 32768  # vectors kept: 50 MB at 384 dimensions
_AT_ONCE = 1024
_LONG = 2000  # texts; fewer are encoded within seconds


class Meaning(Protocol):
    """A measure of similarity with its bounds."""

    #: What the tables call it: "all-MiniLM-L6-v2", "lexical", …
    measure: str

    def least(self, level: int) -> float:
        """Return the least similarity that a text of a level (1, 2 or NEW) must have."""
        ...

    def between(self, pairs: Sequence[tuple[Sequence[str], str]]) -> list[float]:
        """Return, for each (sources, text), the greatest similarity of the text to any of its sources."""
        ...


def load_meaning(settings: Similarity | FreeSimilarity, *, progress: bool = True) -> Meaning:
    """Return the measure that the settings name; the lexical one, with a line that says so, when it cannot be had.

    The model's files are looked for now; the encoder is loaded when something is measured for the first time.
    """
    if settings.model == MEASURE:
        return LexicalMeaning(settings)
    try:
        return SentenceMeaning(settings, _find(settings.model), progress=progress)
    except UserError as error:
        reason = " ".join(str(error).split())
        print(f"similarity: measured by {MEASURE}, not by {settings.model}: {reason}", file=sys.stderr)
        return LexicalMeaning(settings)


def least_by_level(meaning: Meaning, source: str, levels: Sequence[int]) -> dict[int, float]:
    """Return the bounds that suit one source caption.

    By the lexical measure, a caption's only content word has no synonym that shares letters with it: at level 2 such a
    caption's similarity is measured and refuses nothing.
    """
    bare = meaning.measure == MEASURE and len(set(content_stems(source))) < 2
    return {level: 0.0 if bare and level == 2 else meaning.least(level) for level in levels}


class LexicalMeaning:
    """The built-in measure: blind to synonyms, the same on every machine."""

    measure = MEASURE

    def __init__(self, settings: Similarity | FreeSimilarity) -> None:
        self._least = _bounds(self.measure, settings)

    def least(self, level: int) -> float:
        """Return the bound of a level."""
        return self._least[level]

    def between(self, pairs: Sequence[tuple[Sequence[str], str]]) -> list[float]:
        """Return the greatest lexical similarity of each text to its sources, in [0, 1]; 0 without sources."""
        return [
            round(max((lexical_similarity(source, text) for source in sources), default=0.0), _DIGITS)
            for sources, text in pairs
        ]


class SentenceMeaning:
    """Cosine of sentence embeddings. A value depends on its two texts alone, whatever else is measured beside them."""

    def __init__(
        self,
        settings: Similarity | FreeSimilarity,
        folder: str,
        *,
        encoder: CaptionEmbedder | None = None,
        progress: bool = True,
    ) -> None:
        self.measure = Path(settings.model).name
        self._least = _bounds(self.measure, settings)
        self._folder = folder
        self._encoder = encoder
        self._progress = progress
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()

    def least(self, level: int) -> float:
        """Return the bound of a level."""
        return self._least[level]

    def between(self, pairs: Sequence[tuple[Sequence[str], str]]) -> list[float]:
        """Return the greatest cosine of each text to its sources, in [-1, 1], to 4 digits; 0 without sources.

        Raises UserError when the model's files are no sentence encoder.
        """
        vectors = self._encoded(dict.fromkeys(part for sources, text in pairs for part in (*sources, text)))

        def cosine(one: str, other: str) -> float:
            return float(vectors[one].astype(np.float64) @ vectors[other].astype(np.float64))

        return [
            round(max((cosine(source, text) for source in sources), default=0.0), _DIGITS) for sources, text in pairs
        ]

    def _encoded(self, texts: dict[str, None]) -> dict[str, np.ndarray]:
        found = {text: self._vectors[text] for text in texts if text in self._vectors}
        for text in found:
            self._vectors.move_to_end(text)
        missing = [text for text in texts if text not in found]
        if not missing:
            return found
        encoder = self._encoder = self._encoder or SentenceEmbedder(self._folder)
        # Alike lengths together: whole batches.
        missing.sort(key=lambda text: (len(text), text))
        with progress_bar(shown=self._progress and len(missing) >= _LONG) as bar:
            task = bar.add_task("similarity", total=len(missing))
            for start in range(0, len(missing), _AT_ONCE):
                part = missing[start : start + _AT_ONCE]
                found.update(zip(part, encoder.encode(part), strict=True))
                bar.advance(task, len(part))
        self._vectors.update((text, found[text]) for text in missing)
        while len(self._vectors) > _KNOWN_TEXTS:
            self._vectors.popitem(last=False)
        return found


def _find(model: str) -> str:
    """Return the folder of a model's files; a bare name may also be one of sentence-transformers' own models."""
    if find_spec("sentence_transformers") is None:
        raise UserError("the package sentence-transformers is not installed")
    try:
        return str(find_model(model))
    except UserError:
        if "/" in model:
            raise
    return str(find_model(f"sentence-transformers/{model}"))


def _bounds(measure: str, settings: Similarity | FreeSimilarity) -> dict[int, float]:
    first, second, new = BOUNDS.get(measure, BOUNDS["all-mpnet-base-v2"])
    return {
        1: first if settings.level_1 is None else settings.level_1,
        2: second if settings.level_2 is None else settings.level_2,
        NEW: new if settings.level_2 is None else settings.level_2,
    }
