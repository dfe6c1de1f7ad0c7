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
    wav mp3 aif aiff flac ogg mono stereo binaural ortf xy ms khz hz kbps tascam sony
    olympus sennheiser marantz edirol roland neumann akg shure samsung bosch nokia iphone android canon nikon
    mic mics microphone microphones recorder recorded recording recordings rec raw edited final
    version ver sample samples sfx fx master mastered normalized normalised eq mixdown
    untitled audio freesound ext int pt vol nr dr dat md minidisc sound
    sounds ambience ambient atmos atmosphere january february april june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday
    """
)
#: Words of a studio that also name sounds and what makes them (a vinyl record, a train track, soldiers who march past
#: in a field): they count as the studio's beside one of its other words or a number.
_EITHER = word_set(
    """
    record records track tracks field march may clean cleaned test take takes clip clips file files contact mix mixed
    loop loops looped zoom rode bit bits part parts edit db no
    """
)
_MONTHS = frozenset({"march", "may"})
_BEFORE_MONTHS = frozenset({"in", "of", "since", "on", "during", "early", "late", "last"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s[-–—]{2,}\s|\n+")
#: Sentences about the upload, the licence or the use, not about the sound.
_NOTICE = re.compile(
    r"\b(?:thank|thanks|download\w*|licen[cs]e\w*|copyright\w*|royalt\w*|public domain|creative commons|enjoy|please"
    r"|credit\w*|website|http\w*|www|subscribe|feel free|free to use|for free|comments?|e-?mail|donat\w+|rate this"
    r"|sound ?pack|software|plug-?ins?|uploaded|contact me|let me know|attribution)\b",
    re.IGNORECASE,
)
_USES = (
    r"games?|gaming|movies?|films?|videos?|projects?|podcasts?|intros?|productions?|songs?|ringtones?|animations?"
    r"|cartoons?|trailers?|presentations?|scenes?|background|effects?"
)
#: From here to the end of a sentence: who asked for the recording, what it is good for.
_ASIDE = re.compile(
    r"\b(?:(?:sound |effect |also |was |were |been |as )*(?:a )?request(?:ed|s)?\b(?: (?:by|from|of))?"
    r"|(?:(?:and|but|or|so|also) )*(?:this|it|these|they|sounds?)(?: sounds?| noises?| effects?)* "
    r"(?:can|could|would|may|might|should) (?:also )?be"
    r"|(?:and|but|or|also|can|could|may|might|should)+(?: (?:also|can|could|may|might|should))* be used"
    r"|(?:great|good|perfect|useful|ideal|best|nice|suitable|excellent|awesome|meant|intended) for"
    rf"|(?:great|good|perfect|useful|ideal|best|nice|suitable|excellent|awesome|works?|used?) (?:\w+ )?"
    rf"(?:for|in|as|to) (?:\w+ ){{0,3}}(?:{_USES})"
    r"|courtesy of|see also|for more (?:sounds?|effects|samples|info\w*|details|like))\b.*",
    re.IGNORECASE | re.DOTALL,
)
#: How it was made, up to the next mark: "recorded with my Tascam", "edited in Audacity" (not "mixed with thunder").
_MADE = re.compile(
    r"\b(?:which |that )?(?:was |were |is |are |been )?(?:(?P<taped>recorded|captured|edited|processed|sampled|mastered"
    r"|converted|filmed)|made|created|generated|mixed|taken|cut|found|performed|produced|designed) "
    r"(?:by|with|using|via|from|on|in|through) (?P<means>[^,;()!?\n]*)",
    re.IGNORECASE,
)
_MEANS = re.compile(
    r"^(?:\S+ ){0,4}?(?:(?:the )?(?:internet|web|net)|mics?|microphones?|recorders?|synth\w*|daw|studio|software"
    r"|plug-?ins?|audacity|audition|soundbooth|reaper|logic|fruity|loops|camera|camcorder|smartphone|cellphone"
    r"|youtube|videos?|movies?|films?|dvds?|tapes?|freesound|soundbible|library|libraries|samples?|effects?|filters?|reverb|eq"
    r"|computer|laptop|me|myself|us|khz|stereo|mono|binaural|scratch)\b",
    re.IGNORECASE,
)
_OWNED = re.compile(r"^(?:my|our)\b", re.IGNORECASE)
_OPENING = re.compile(
    r"^\W*(?:(?:this|it|here) (?:is|are|s) )?(?:(?:a|an|the|some|great|nice|awesome|cool|another|very|really|good) )*"
    r"(?:sounds?|noises?|(?:field )?recordings?)(?: effects?)? of ",
    re.IGNORECASE,
)
_EFFECT = re.compile(
    r"\b(?:the )?(?:sounds?|(?:field )?recordings?)(?: effects?)? of\b"
    r"|\bsound (?:effects?|fx|clips?|files?|samples?)\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|#\S+")
_NUMBERED = re.compile(r"\bno[.:]?\s*(?=\d)", re.IGNORECASE)
#: What is said not to be there, up to the next mark or to a word that opens another statement.
_DENIED = re.compile(
    r"\b(?:(?:and|or|with|which|who)\s+)?(?:(?:there|it|this|that|he|she|they|you|i)\s+)?"
    r"(?:(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|ca|wo)\s*)?"
    r"(?:(?:no|without|never|nothing|nobody|none|neither|nor|cannot|lacking)\b|not\b|n['’]t\b"
    r"|\w+n['’]t\b|(?:do|does|did|is|are|was|were|would|could|should|has|have|ca|wo)nt\b)"
    r"(?!\s+(?:only|just|but|far|too|very|so|long|tell|sure|know|help|believe|wait|quite|exactly|stops?"
    r"|stopping|ends?|ending|pauses?|break)\b)"
    r".*?(?:\b(?:but|except|just|only|plus|instead)\b|(?=$|[.,;:!?()\[\]/\n]|\s[-–—]+\s|\b(?:while|whilst|as|then)\b"
    r"|\b(?:and|with)\s+(?:a|an|the|some|my|this|lots?|many|several)\b))",
    re.IGNORECASE | re.DOTALL,
)
#: A text that was cut somewhere must not end, nor begin, with these.
_STUMPS = word_set(
    "an the of in at from to with without and or nor but as is are was were be been being this that these it its for "
    "into which who where when while if so can could may might should would will very than my our your his her their "
    "also using made created designed produced generated"
)
_NO_BEGINNING = word_set("and or nor but of than is are was were be been which")
_MOST_WORDS = 20


def cleaned(description: str | None) -> str | None:
    """Return the description in lower-case words, at most 20, or None when no word about a sound may be left.

    Sentences of thanks, licences and requests go, and what is said of devices, uses and authors. So does what is said
    not to be heard ("no traffic"): without its "no" it would be told as a sound. So do file extensions, digits and
    words with digits, underscores, dates and web addresses. A word with a capital inside a sentence that otherwise has
    small letters counts as a name and goes too.
    """
    if not description:
        return None
    sentences = _SENTENCE_END.split(_EXTENSION.sub(" ", _ADDRESS.sub(" ", _NUMBERED.sub(" ", description))))
    plain = [sentence for sentence in sentences if not _NOTICE.search(sentence)]
    kept = [word for sentence in plain for word in _sounding(_ASIDE.sub(" ", sentence))]
    if not _tells(kept):
        kept = [word for sentence in sentences for word in _sounding(_NOTICE.sub(" ", _ASIDE.sub(" ", sentence)))]
    kept = _whole(kept[:_MOST_WORDS])
    return " ".join(kept) if _tells(kept) else None


def _tells(words: list[str]) -> bool:
    return any(word not in FUNCTION_WORDS and len(word) > 2 for word in words)


def _whole(words: list[str]) -> list[str]:
    """Return the words without those at either end that lean on something cut away."""
    start, end = 0, len(words)
    while end > start and words[end - 1] in _STUMPS:
        end -= 1
    while start < end and words[start] in _NO_BEGINNING:
        start += 1
    return words[start:end]


def _made(match: re.Match[str]) -> str:
    """Return nothing for words about how a recording was made, and what stands there for any others."""
    means = match["means"]
    nearest = means.split()[:5]
    equipment = _MEANS.match(means) or any(
        re.search(r"\d", word) or word.lower().strip(".'") in NAMED | _RECORDING_WORDS for word in nearest
    )
    if equipment or (match["taped"] and _OWNED.match(means)):
        # What goes on beside it stays: "recorded with my Tascam while it rains".
        return " " + "".join(re.findall(r"\bwhile\b.*", means)[:1])
    return match.group()


def _sounding(sentence: str) -> list[str]:
    """Return the words of one sentence that may tell of a sound."""
    text = _MADE.sub(_made, _DENIED.sub(" ", _CAMEL.sub(" ", sentence.replace("_", " "))))
    # "by Joe", or "by joe" at the end, is an author; "by the window" is a place.
    text = re.split(r"\s+by\s+(?=[A-Z0-9]|\S+\s*$)", _OPENING.sub(" ", text))[0]
    text = _EFFECT.sub(" ", text)
    text = re.sub(r"[\-–—.+&/\\()\[\]]+", " ", text)
    raw = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|\S*\d\S*", text)
    written = [
        (word, studio)
        for word, studio in zip(raw, _of_studio(raw), strict=True)
        if word.isascii() and not re.search(r"\d", word)
    ]
    if sum(word[0].isupper() for word, _ in written) < len(written) / 2:
        # A sentence or plain file name: capitals inside it are names, but for ordinary words.
        written = [
            (word, studio)
            for place, (word, studio) in enumerate(written)
            if place == 0 or not word[0].isupper() or _ordinary(word)
        ]
    low = [word.lower() for word, studio in written if not studio]
    return _whole([word for word in low if word not in NAMED and len(word) > 1])


def _of_studio(raw: list[str]) -> list[bool]:
    """Tell, of each word, whether it names the recording: by itself, or by its neighbours."""
    low = [word.lower() for word in raw]
    found = [word in _RECORDING_WORDS or bool(re.search(r"\d", word)) for word in low]
    for place, word in enumerate(low[:-1]):  # the H of H4n
        found[place] = found[place] or (len(word) == 1 and low[place + 1][0].isdigit())
    named = [word in NAMED for word in low]
    for places in (range(len(low)), reversed(range(len(low)))):  # "field test recording": from both sides
        for place in places:
            near = [found[k] or named[k] for k in (place - 1, place + 1) if 0 <= k < len(low)]
            month = low[place] in _MONTHS and place > 0 and low[place - 1] in _BEFORE_MONTHS
            found[place] = found[place] or (low[place] in _EITHER and (any(near) or month))
    return found


def _ordinary(word: str) -> bool:
    """Tell whether a word is one that captions of sounds use."""
    low = word.lower()
    return low in FUNCTION_WORDS or stem(low) in _caption_words()


@cache
def _caption_words() -> frozenset[str]:
    return frozenset(stem(word) for entry in entries() for word in entry.word.split()) - {stem(name) for name in NAMED}
