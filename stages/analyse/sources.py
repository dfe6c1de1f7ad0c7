"""The captions under analysis, one row each, named by where they come from."""

from __future__ import annotations

import pandas as pd

COLUMNS = ("dataset", "clip_id", "source", "caption_index", "text")
ORIGINAL, SYNTHETIC = "original", "synthetic"
#: Kinds of the synthetic table that are English captions of their own, by source; word edits are the originals with a
#: few words changed, and the measures here read English alone.
_KINDS = {"new": SYNTHETIC, "back_translation": "back translation"}
MEANING = (
    "Sources: original, the clips' own captions as training sees them (written by people where the dataset's are; by a "
    "grammar or from labels where it has none); paraphrase 1 and 2, the language model's rewordings of each; "
    "synthetic, its new captions for the clip; back translation, where there are any, captions that went through "
    "another language. Captions with single words changed and captions in other languages are left out."
)


def caption_sources(paired: pd.DataFrame, paraphrases: pd.DataFrame, synthetic: pd.DataFrame) -> pd.DataFrame:
    """Return all captions with the columns dataset, clip_id, source, caption_index, text.

    Args:
        paired: CLIPS rows with their captions.
        paraphrases: PARAPHRASES rows; level L becomes the source `paraphrase L`.
        synthetic: SYNTHETIC rows, of which the English new captions and back translations are taken.

    Rows are ordered by source (original, paraphrase levels, synthetic, back translation), then dataset, clip and
    caption.
    """
    own = [
        (clip.dataset, clip.clip_id, ORIGINAL, index, text)
        for clip in paired.itertuples(index=False)
        for index, text in enumerate(clip.captions)
    ]
    reworded = [
        (row.dataset, row.clip_id, f"paraphrase {row.level}", row.caption_index, row.text)
        for row in paraphrases.sort_values("level", kind="stable").itertuples(index=False)
    ]
    english = synthetic[synthetic["language"] == "en"]
    new = [
        (row.dataset, row.clip_id, source, row.caption_index, row.text)
        for kind, source in _KINDS.items()
        for row in english[english["kind"] == kind].itertuples(index=False)
    ]
    return pd.DataFrame([*own, *reworded, *new], columns=list(COLUMNS))


def source_names(captions: pd.DataFrame) -> list[str]:
    """Return the sources that are present, in the order of the rows."""
    return list(dict.fromkeys(captions["source"]))
