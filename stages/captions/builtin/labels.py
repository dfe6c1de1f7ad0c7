"""Captions from labels by rule: hand-written phrases for common labels, a plain frame for the rest."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

# Words of an uploader that tell how or where, and what they add to a caption written for training.
_SCENE_WORDS = {
    "distant": "in the distance",
    "distance": "in the distance",
    "far": "in the distance",
    "close": "close by",
    "near": "close by",
    "nearby": "close by",
    "outside": "outside",
    "outdoor": "outdoors",
    "outdoors": "outdoors",
    "indoor": "indoors",
    "indoors": "indoors",
    "night": "at night",
    "morning": "in the morning",
    "forest": "in a forest",
    "woods": "in a forest",
    "street": "in a street",
    "city": "in a city",
    "garden": "in a garden",
    "farm": "on a farm",
    "kitchen": "in a kitchen",
    "bathroom": "in a bathroom",
    "room": "in a room",
    "office": "in an office",
    "house": "in a house",
    "window": "by a window",
    "roof": "on a roof",
    "beach": "at a beach",
    "loud": "loudly",
    "heavy": "heavily",
    "soft": "softly",
    "gentle": "gently",
    "slow": "slowly",
    "fast": "fast",
    "short": "briefly",
}
_SHORTEST_WORDS = 3
_FRAMES = {
    "train": ("the sound of {} can be heard", "{} can be heard", "this is the sound of {}", "one hears {}"),
    "test": ("a recording of {}", "there is {} to listen to", "somebody recorded {}", "{}, and nothing else"),
}
_ENDINGS = {
    "train": ("", " for a while", " clearly", " in this recording", " once more"),
    "test": ("", " for some time", " audibly", " on tape", " without pause"),
}


@cache
def _phrases() -> dict[str, dict[str, tuple[str, ...]]]:
    table = {}
    for line in Path(__file__).with_name("labels.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            label, train, test = (part.strip() for part in line.split("|"))
            table[label] = {
                "train": tuple(phrase.strip() for phrase in train.split(";")),
                "test": tuple(phrase.strip() for phrase in test.split(";")),
            }
    return table


def label_captions(labels: list[str], description: str | None, purpose: str, count: int) -> list[str]:
    """Return `count` different captions for the labels of a clip; words of the description may add place and manner."""
    names = [re.sub(r"[_/]+", " ", label).strip().lower() for label in labels]
    spoken = " and ".join(names[:3])
    known = _phrases().get(spoken)
    phrases = list(known[purpose]) if known else [frame.format(spoken) for frame in _FRAMES[purpose]]
    scene = _scene(description, spoken) if purpose == "train" else None
    # "The barking of a dog loudly" is no English: manner needs a clause.
    placed = [phrase for phrase in phrases if scene and (" " in scene or not phrase.startswith("the "))]
    texts = [f"{phrase} {scene}" for phrase in placed]
    for ending in _ENDINGS[purpose]:
        texts += [phrase + ending for phrase in phrases]
    distinct = [text for text in dict.fromkeys(texts) if len(text.split()) >= _SHORTEST_WORDS][:count]
    return [text[0].upper() + text[1:] + "." for text in distinct]


def _scene(description: str | None, spoken: str) -> str | None:
    for word in re.findall(r"[a-z]+", (description or "").lower()):
        if word in _SCENE_WORDS and word not in spoken:
            return _SCENE_WORDS[word]
    return None
