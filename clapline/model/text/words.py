"""Captions as plain words: lower case, no punctuation."""

from __future__ import annotations

import string

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def plain_words(caption: str) -> str:
    """Return a caption in lower case without ASCII punctuation; white space stays as it is.

    What the text-to-audio retrieval baselines of DCASE do before RoBERTa's tokenizer.
    """
    return caption.lower().translate(_WITHOUT_PUNCTUATION)
