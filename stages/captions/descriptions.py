"""An uploader's own words ("dog_bark_03.wav", "Rain on window, Zoom H4n") cleaned to what may tell of the sound."""

from __future__ import annotations

import re
from functools import cache

from clapline.text.words import FUNCTION_WORDS, stem, word_set
from stages.captions.builtin.lexicon import entries
from stages.captions.entities import NAMED

_EXTENSION = re.compile(r"\.(?:wav|wave|mp3|ogg|oga|flac|aiff?|m4a|mp4|wma|snd)\b", re.IGNORECASE)
#: Devices, file and studio words: they name the recording, not the sound.
_RECORDING_WORDS = word_set(
    """
    wav mp3 aif aiff flac ogg mono stereo binaural ortf xy ms khz hz bit bits db kbps zoom tascam sony rode
    olympus sennheiser marantz edirol roland neumann akg shure samsung bosch nokia iphone android canon nikon
    contact mic mics microphone recorder recorded recording record rec raw edit edited clean cleaned final
    version ver take takes track sample samples sfx fx loop loops master normalized normalised eq mix mixdown
    clip file test untitled audio freesound ext int pt vol no nr part dr dat md minidisc field sound
    sounds ambience ambient atmos atmosphere january february march april may june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday
    """
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s[-–—]{2,}\s|\n+")
#: Sentences about the upload, the licence or the use, not about the sound.
_NOTICE = re.compile(
    r"\b(?:thank|thanks|download\w*|licen[cs]e\w*|copyright\w*|royalt\w*|public domain|creative commons|enjoy|please"
    r"|credit\w*|website|http\w*|www|subscribe|feel free|free to use|for free|comments?|e-?mail|donat\w+|rate this"
    r"|sound ?pack|software|plug-?ins?|uploaded|contact me|let me know|attribution)\b",
    re.IGNORECASE,
)
#: From here to the end of a sentence: who asked for the recording, how it was made, what it is good for.
_ASIDE = re.compile(
    r"\b(?:(?:sound |effect |also |was |were |been |as )*(?:a )?request(?:ed|s)?\b(?: (?:by|from|of))?"
    r"|(?:which |that )?(?:was |were |is |are )?(?:recorded|captured|made|created|generated|edited|processed|mixed"
    r"|sampled|taken|cut|mastered|converted|found|filmed|performed|produced|designed) "
    r"(?:by|with|using|via|from|on an?|in audacity)"
    r"|(?:this|it|these|they|sound) (?:can|could|would|may|might|should) (?:also )?be"
    r"|(?:great|good|perfect|useful|ideal|best|nice|suitable|excellent|awesome|meant|intended|works|use|used) "
    r"(?:for|in|as|to)|courtesy of|see (?:also|sound)|for more)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_OPENING = re.compile(
    r"^\W*(?:(?:this|it|here) (?:is|are|s) )?(?:(?:a|an|the|some|great|nice|awesome|cool|another|very|really|good) )*"
    r"(?:sounds?|noises?|recordings?)(?: effects?)? of ",
    re.IGNORECASE,
)
_EFFECT = re.compile(r"\bsound (?:effects?|fx|clips?|files?|samples?)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|#\S+")
_MOST_WORDS = 20


def cleaned(description: str | None) -> str | None:
    """Return the description in lower-case words, at most 20, or None when no word about a sound may be left.

    Sentences of thanks, licences and requests go, and what is said of devices, uses and authors. So do file
    extensions, digits and words with digits, underscores, dates and web addresses. A word with a capital inside a
    sentence that otherwise has small letters counts as a name and goes too.
    """
    if not description:
        return None
    sentences = _SENTENCE_END.split(_EXTENSION.sub(" ", _ADDRESS.sub(" ", description)))
    plain = [sentence for sentence in sentences if not _NOTICE.search(sentence)]
    kept = [word for sentence in plain for word in _sounding(_ASIDE.sub(" ", sentence))]
    if not _tells(kept):
        kept = [word for sentence in sentences for word in _sounding(_NOTICE.sub(" ", _ASIDE.sub(" ", sentence)))]
    return " ".join(kept[:_MOST_WORDS]) if _tells(kept) else None


def _tells(words: list[str]) -> bool:
    return any(word not in FUNCTION_WORDS and len(word) > 2 for word in words)


def _sounding(sentence: str) -> list[str]:
    """Return the words of one sentence that may tell of a sound."""
    # "by Joe", or "by joe" at the end, is an author; "by the window" is a place.
    text = re.split(r"\s+by\s+(?=[A-Z0-9]|\S+\s*$)", _OPENING.sub(" ", sentence))[0]
    text = _EFFECT.sub(" ", text)
    text = _CAMEL.sub(" ", re.sub(r"[_\-–—.+&/\\()\[\]]+", " ", text))
    raw = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|\S*\d\S*", text)
    words = [word for word in raw if not re.search(r"\d", word) and word.isascii()]
    capitals = sum(word[0].isupper() for word in words)
    if capitals < len(words) / 2:
        # A sentence or plain file name: capitals inside it are names, but for ordinary words.
        words = [word for place, word in enumerate(words) if place == 0 or not word[0].isupper() or _ordinary(word)]
    low = [word.lower() for word in words]
    return [word for word in low if word not in _RECORDING_WORDS and word not in NAMED and len(word) > 1]


def _ordinary(word: str) -> bool:
    """Tell whether a word is one that captions of sounds use."""
    low = word.lower()
    return low in FUNCTION_WORDS or stem(low) in _caption_words()


@cache
def _caption_words() -> frozenset[str]:
    return frozenset(stem(word) for entry in entries() for word in entry.word.split()) - {stem(name) for name in NAMED}
