"""How much of what the benchmarks' paraphrases bring in training has seen: else robustness would be memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from clapline.text.seen import Known, Seen, introduced, known_rewording, known_texts, seen_share
from clapline.text.words import stem, tokens
from stages.captions.audit.inputs import Inputs

#: Aim for what the rewording rules of training and test share.
AIM = 0.05
ANY_TEXT = "any training text"
PARAPHRASES = "training paraphrases"
REWORDING = "what training paraphrases brought in"
_SHOWN_WORDS = 5


@dataclass(frozen=True)
class Remembered:
    """The share that one level of the test paraphrases has in common with one view of training."""

    level: int
    training: str
    seen: Seen
    commonest: str  # the words that were seen, most frequent first


def remembered(inputs: Inputs) -> list[Remembered]:
    """Compare each level of the test paraphrases with all training texts, the training paraphrases, and their own part.

    Training texts are the captions of the training clips, their paraphrases, the synthetic captions and the captions of
    mixtures. People's captions hold most words of the language, so only the last view tells of the rewording itself.
    """
    of_test = inputs.paraphrases["purpose"] == "test"
    training, test = inputs.paraphrases[~of_test], inputs.paraphrases[of_test]
    own = [caption for captions in inputs.training_captions()["captions"] for caption in captions]
    mixed = [caption for captions in inputs.mixed["captions"] for caption in captions]
    reworded = known_texts(training["text"])
    views = {
        ANY_TEXT: reworded | known_texts([*own, *inputs.synthetic["text"], *mixed]),
        PARAPHRASES: reworded,
        REWORDING: known_rewording(zip(training["original"], training["text"], strict=True)),
    }
    found = []
    for level, rows in test.groupby("level", sort=True):
        pairs = list(zip(rows["original"], rows["text"], strict=True))
        found += [
            Remembered(int(level), name, seen_share(pairs, known), _commonest(pairs, known))
            for name, known in views.items()
        ]
    return found


def _commonest(pairs: list[tuple[str, str]], known: Known) -> str:
    counts: Counter[str] = Counter()
    for original, text in pairs:
        again = introduced(original, text) & known.words
        counts.update(word for word in tokens(text) if again and stem(word) in again)
    # Equal counts in the order of the alphabet, not of a set.
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(word for word, _ in ordered[:_SHOWN_WORDS])
