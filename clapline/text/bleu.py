"""BLEU: how many of a text's runs of one to four words stand in other texts (Papineni et al., ACL 2002).

Between a paraphrase and its original a high value means that much was copied. Among the captions of one clip it means
that they say the same in the same words (Self-BLEU; Zhu et al., Texygen, SIGIR 2018). Words are compared in lower case,
punctuation left out. Captions are short and often share no run of four words: a count of zero is taken for 0.1 (method
1 of Chen and Cherry, WMT 2014). Computed by nltk, which is imported when it is needed: it loads slowly.
"""

from __future__ import annotations

from collections.abc import Sequence

from clapline.text.words import tokens

_LONGEST_RUN = 4
_FOR_ZERO = 0.1


def corpus_bleu(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return BLEU-4 in [0, 1] of (reference, text) pairs, the counts summed over all; None when no text has a word.

    1 when every text is its reference and has at least four words; near 0 when no pair shares a word.
    """
    from nltk.translate import bleu_score

    spoken = [(tokens(reference), words) for reference, text in pairs if (words := tokens(text))]
    if not spoken:
        return None
    references = [[reference] for reference, _ in spoken]
    texts = [words for _, words in spoken]
    smoothing = bleu_score.SmoothingFunction(epsilon=_FOR_ZERO).method1
    weights = _weights(max(map(len, texts)))
    return min(1.0, float(bleu_score.corpus_bleu(references, texts, weights, smoothing_function=smoothing)))


def self_bleu(texts: Sequence[str]) -> float | None:
    """Return the mean BLEU-4, in [0, 1], of each text against all the others; None where fewer than two have words.

    1 when all texts are the same. A text of fewer than four words is compared by the runs that it has.
    """
    from nltk.translate import bleu_score

    spoken = [words for text in texts if (words := tokens(text))]
    if len(spoken) < 2:
        return None
    smoothing = bleu_score.SmoothingFunction(epsilon=_FOR_ZERO).method1
    values = []
    for place, words in enumerate(spoken):
        others = [*spoken[:place], *spoken[place + 1 :]]
        values.append(
            float(bleu_score.sentence_bleu(others, words, _weights(len(words)), smoothing_function=smoothing))
        )
    return min(1.0, sum(values) / len(values))


def _weights(words: int) -> tuple[float, ...]:
    longest = min(_LONGEST_RUN, words)
    return (1 / longest,) * longest
