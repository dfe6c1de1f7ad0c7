"""The tree of sounds: family > kind > class, and the sounds outside it that only the pool has."""

from __future__ import annotations

TREE: dict[str, dict[str, tuple[str, ...]]] = {
    "animal": {
        "bird": ("bird song", "owl hoot", "crow caw", "rooster crow", "woodpecker"),
        "mammal": ("dog bark", "cat meow", "cow moo", "sheep bleat"),
        "small creature": ("cricket", "frog croak"),
    },
    "human": {
        "human voice": ("speech", "laughter", "baby crying", "whistling"),
        "human body": ("coughing", "snoring", "footsteps", "applause"),
    },
    "nature": {
        "weather": ("rain", "thunder", "wind"),
        "water": ("ocean waves", "water drip"),
    },
    "vehicle": {
        "road engine": ("car passing", "motorcycle"),
        "train or aircraft": ("train", "helicopter"),
        "vehicle signal": ("car horn", "reversing beeps", "bicycle bell"),
    },
    "alarm": {
        "siren": ("police siren", "ambulance siren"),
        "ringer": ("smoke alarm", "church bell", "telephone"),
    },
    "machine": {
        "tool": ("drill", "hammering", "sawing"),
        "device": ("clock ticking", "typing"),
    },
    "music": {
        "string instrument": ("guitar",),
        "wind instrument": ("flute", "trumpet"),
        "percussion": ("drums",),
    },
    "household": {
        "door": ("door knock", "door creak"),
        "breakage": ("glass breaking",),
    },
}
# How the first two levels of a caption tree speak of a family and a kind.
FAMILY_PHRASES = {
    "animal": "an animal sound",
    "human": "a sound made by people",
    "nature": "a sound of nature",
    "vehicle": "a vehicle sound",
    "alarm": "an alarm or signal",
    "machine": "a machine sound",
    "music": "a musical sound",
    "household": "a household sound",
}
KIND_PHRASES = {
    "bird": "the call of a bird",
    "mammal": "the voice of a mammal",
    "small creature": "the chirp or croak of a small creature",
    "human voice": "a human voice",
    "human body": "a noise of the human body",
    "weather": "the sound of weather",
    "water": "the sound of water",
    "road engine": "an engine on the road",
    "train or aircraft": "a train or an aircraft",
    "vehicle signal": "the warning signal of a vehicle",
    "siren": "an emergency siren",
    "ringer": "something ringing or beeping",
    "tool": "somebody using a tool",
    "device": "the clicking of a small device",
    "string instrument": "a string instrument",
    "wind instrument": "a wind instrument",
    "percussion": "percussion",
    "door": "the sound of a door",
    "breakage": "something breaking",
}
PLACES: dict[str, tuple[str, str]] = {
    sound: (family, kind) for family, kinds in TREE.items() for kind, sounds in kinds.items() for sound in sounds
}
CLASSES: tuple[str, ...] = tuple(PLACES)
UNHEARD: tuple[str, ...] = ("laser zap", "sonar ping", "geiger counter", "modem", "didgeridoo", "bubbling pot")
