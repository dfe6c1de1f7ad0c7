"""Captions from labels by rule: hand-written phrases for common labels, a plain frame for the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from clapline.datasets.soundscapes.lexicon import LEXICON
from clapline.text.words import FUNCTION_WORDS, NUMBERS, stem, tokens, word_set
from stages.captions.builtin.lexicon import entries
from stages.captions.builtin.verbs import verbs
from stages.captions.builtin.whole import whole_texts

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
_LONGEST_TOLD = 12
#: Verbs and things that by themselves tell of nothing to be heard.
_SILENT = word_set(
    """
    be have get make do take give use work hold keep try become seem appear disappear remain rest settle stay wait stand
    sit lie stop end finish begin start continue gain lose change vary repeat last contain include return leave turn
    near like love want need know think see watch look read show own lead low file part place pick press record perform
    set put go come build charge power light field book line side land exit enter reach increase decrease slow speed
    clear attempt emerge handle manipulate intensify soften trim sort stack name day time thing upload post hand mouth
    person man woman people child boy girl lady guy place area background foreground floor ground wall text signal
    home school course class site way thing something kind lot bit
    """
)
#: What may sound and stands neither among the synonyms nor among the labels.
_THINGS = word_set(
    """
    music noise vocal vocals animal animals beast monster zombie ghost alien robot droid dinosaur tyrannosaurus raptor
    ape gorilla monkey chimpanzee gibbon elephant lion tiger leopard bear wolf coyote fox deer elk moose buffalo camel
    donkey mule goat lamb rabbit squirrel chipmunk hamster rat bat seal dolphin whale otter walrus snake lizard
    crocodile turtle fish toad cicada grasshopper wasp hornet mosquito housefly beetle peacock parrot cockatoo budgie
    finch sparrow robin blackbird thrush warbler wren woodpecker cuckoo nightingale hummingbird meadowlark seagull gull
    heron crane stork pelican swan loon eagle hawk falcon osprey vulture magpie raven pigeon dove turkey kookaburra
    banjo cello harp harpsichord clarinet saxophone oboe bassoon trombone tuba accordion harmonica bagpipe xylophone
    marimba vibraphone glockenspiel didgeridoo sitar ukulele mandolin tambourine maraca bongo conga timpani snare
    cymbal gong organ synthesizer synth waterphone theremin orchestra choir melody chord tune rhythm beat beatbox
    turntable gramophone jukebox radio television projector player stereo tv speaker loudspeaker megaphone intercom
    camera shutter printer scanner copier keyboard typewriter computer modem fax pager doorbell buzzer beeper
    microwave oven toaster kettle blender mixer dishwasher refrigerator fridge freezer fan heater conditioner vacuum
    hairdryer razor shaver shower faucet tap toilet sink drain opener
    sander grinder lathe saw jackhammer wrench ratchet screwdriver lawnmower mower chainsaw drill compressor pump
    generator turbine motor servo gear hydraulic hinge zipper velcro scissors stapler
    tram subway metro bus lorry scooter moped tractor bulldozer excavator forklift ship ferry submarine sonar yacht
    rocket missile torpedo spaceship spacecraft ufo jet propeller aircraft plane glider drone tank
    gun gunfire gunshot rifle pistol shotgun ricochet cannon grenade bomb laser sword explosive fireball firecracker
    storm hail sleet hurricane tornado monsoon thunderstorm lightning earthquake avalanche volcano waterfall river
    stream creek brook fountain surf geyser electricity spark static
    fart farting burp belch heartbeat heart pulse breath snore hiccup sneeze stomach countdown chorus
    impact lighting squishy squelchy bugling roosting skipping sigh moan whisper ole
    """
)
_SOURCES = word_set(
    """
    dog cat bird horse cow sheep pig rooster hen duck crow owl insect bee cricket frog engine siren bell horn alarm
    drum guitar piano violin flute trumpet thunder rain wind explosion gunshot firework applause laughter voice
    conversation speech footstep footsteps helicopter airplane train motorcycle chainsaw drill hammer telephone phone
    """
)
_COUNTED = re.compile(rf"\b(?:{'|'.join(sorted(set(NUMBERS) - {'one'}))})\b(?: of\b)?")
#: What a text cut at its longest must not end with.
_LEANING = re.compile(
    r"(?:(?:^|\s)(?:an?|the|of|in|at|from|to|with|and|or|but|as|is|are|was|were|that|these|this|for|into|while|so|some"
    r"|can|could|very|my|your|his|her|their|its|than|which|who|where|when|like|also))+[\s,-]*$"
)
_FRAMES = {
    "train": ("the sound of {} can be heard", "{} can be heard", "this is the sound of {}", "you can hear {}"),
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


def label_captions(
    labels: list[str], description: str | None, purpose: str, count: int, tags: Sequence[str] = ()
) -> list[str]:
    """Return `count` different captions for the labels of a clip; words of the description may add place and manner.

    The first of the `tags`, which stand beside a label, is told with it in every other caption.
    Without a label the description alone is reworded; where it tells of no sound, every text is "Failure.".
    """
    names = _names(labels)
    if not names:
        return _from_description(description or "", purpose, count)
    spoken = _listed(names[:3])
    known = _phrases().get(spoken) or _published(spoken)
    if not known and len(names) > 1:
        known = _together(names, purpose)
    phrases = list(known[purpose]) if known else [frame.format(spoken) for frame in _FRAMES[purpose]]
    beside = [tag for tag in _names(tags) if tag not in spoken and tag.isascii()]
    if beside and len(names) == 1:
        link = "along with" if purpose == "train" else "besides"
        phrases = [phrase if place % 2 else f"{phrase}, {link} {beside[0]}" for place, phrase in enumerate(phrases)]
    scene = _scene(description, spoken) if purpose == "train" else None
    # "The barking of a dog loudly" is no English: manner needs a clause.
    placed = [phrase for phrase in phrases if scene and (" " in scene or not phrase.startswith("the "))]
    texts = [f"{phrase} {scene}" for phrase in placed]
    for ending in _ENDINGS[purpose]:
        texts += [phrase + ending for phrase in phrases]
    distinct = [text for text in dict.fromkeys(texts) if len(text.split()) >= _SHORTEST_WORDS][:count]
    return [text[0].upper() + text[1:] + "." for text in distinct]


def _names(labels: Sequence[str]) -> list[str]:
    """Return labels as plain words, each once: "Gears_Grinding" → "gears grinding"."""
    plain = [re.sub(r"[\s_/,()&]+", " ", label).strip().lower() for label in labels]
    return [name for name in dict.fromkeys(plain) if name]


def _listed(names: list[str]) -> str:
    """Return "rain", "rain and wind", "rain, wind and thunder"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _together(names: list[str], purpose: str) -> dict[str, tuple[str, ...]] | None:
    """Return phrases of the first known label with the next tag beside it: "a dog barks, along with rain"."""
    known = _phrases().get(names[0]) or _published(names[0])
    if known is None:
        return None
    beside = "along with" if purpose == "train" else "besides"
    return {purpose: tuple(f"{phrase}, {beside} {names[1]}" for phrase in known[purpose])}


def _published(label: str) -> dict[str, tuple[str, ...]] | None:
    """Return phrases of a class of the soundscapes: its reserved vocabulary, one for each purpose."""
    words = LEXICON.get(label)
    if words is None:
        return None
    sides = {"train": words.train, "test": words.test}
    return {
        purpose: (
            f"{side.subject} {side.verb[0]}",
            f"{side.subject} is {side.verb[1]}" if purpose == "train" else f"there is {side.subject} {side.verb[1]}",
            f"{side.nominal} can be heard" if purpose == "train" else f"what is heard is {side.nominal}",
        )
        for purpose, side in sides.items()
    }


def _from_description(description: str, purpose: str, count: int) -> list[str]:
    """Return captions from an uploader's words alone, or "Failure." where they tell of no sound."""
    for sentence in re.split(r"[.!?;:\n]+", description):
        words = [word for word in _COUNTED.sub(" ", sentence.lower()).split() if not re.search(r"\d", word)]
        text = _LEANING.sub("", " ".join(words[:_LONGEST_TOLD])).strip(" ,-")
        if text and _could_sound(text):
            told = [said for said in whole_texts(text, text, purpose) if len(said.split()) >= _SHORTEST_WORDS]
            texts = [said + ending for ending in _ENDINGS[purpose] for said in told if not (ending and ":" in said)]
            return [said[0].upper() + said[1:] + "." for said in dict.fromkeys(texts)][:count]
    return ["Failure."] * count


def _could_sound(text: str) -> bool:
    """Tell whether a word of the text names a sound, an action that can be heard, or what may sound."""
    return any(stem(word) in _sounding_stems() for word in tokens(text) if word not in FUNCTION_WORDS)


@cache
def _sounding_stems() -> frozenset[str]:
    """Return the stems of all verbs but the silent ones, of the synonyms' words, the labels' and the listed things."""
    labels = (word for label in (*_phrases(), *LEXICON) for word in label.split(" "))
    nouns = (word for entry in entries() if entry.part != "w" for word in entry.word.split(" "))
    found = {stem(word) for word in (*verbs(), *nouns, *labels, *_SOURCES, *_THINGS)}
    return frozenset(found - {stem(word) for word in (*_SILENT, *_SCENE_WORDS, *FUNCTION_WORDS)})


def _scene(description: str | None, spoken: str) -> str | None:
    for word in re.findall(r"[a-z]+", (description or "").lower()):
        if word in _SCENE_WORDS and word not in spoken:
            return _SCENE_WORDS[word]
    return None
