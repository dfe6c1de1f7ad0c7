"""An uploader's own words ("dog_bark_03.wav", "Rain on window, Zoom H4n") cleaned to what may tell of the sound."""

from __future__ import annotations

import re

from clapline.text.words import FUNCTION_WORDS, word_set

_EXTENSION = re.compile(r"\.(?:wav|wave|mp3|ogg|oga|flac|aiff?|m4a|mp4|wma|snd)\b", re.IGNORECASE)
#: Devices, file and studio words: they name the recording, not the sound.
_RECORDING_WORDS = word_set(
    """
    wav mp3 aif aiff flac ogg mono stereo binaural ortf xy ms khz hz bit bits db kbps zoom tascam sony rode
    olympus sennheiser marantz edirol roland neumann akg shure samsung bosch nokia iphone android canon nikon
    contact mic mics microphone recorder recorded recording record rec raw edit edited clean cleaned final
    version ver take takes track sample samples sfx fx loop loops master normalized normalised eq mix mixdown
    clip file test untitled audio freesound by from ext int pt vol no nr part dr dat md minidisc field sound
    sounds ambience ambient atmos atmosphere january february march april may june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday
    """
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def cleaned(description: str | None) -> str | None:
    """Return the description in lower-case words, or None when no word about a sound may be left.

    Extension, digits and words with digits, underscores, devices, dates and what follows " by " go. A word with a
    capital inside a text that otherwise has small letters counts as a name and goes too.
    """
    if not description:
        return None
    text = _EXTENSION.sub(" ", description)
    text = re.split(r"\s+by\s+", text)[0]
    text = re.sub(r"https?://\S+|\S+@\S+|#\S+", " ", text)
    text = _CAMEL.sub(" ", re.sub(r"[_\-–—.+&/\\()\[\]]+", " ", text))
    raw = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|\S*\d\S*", text)
    words = [word for word in raw if not re.search(r"\d", word) and word.isascii()]
    capitals = sum(word[0].isupper() for word in words)
    if capitals < len(words) / 2:
        # A sentence or plain file name: capitals inside it are names.
        words = [word for place, word in enumerate(words) if place == 0 or not word[0].isupper()]
    low = [word.lower() for word in words]
    kept = [word for word in low if word not in _RECORDING_WORDS and len(word) > 1]
    if not any(word not in FUNCTION_WORDS and len(word) > 2 for word in kept):
        return None
    return " ".join(kept[:12])
