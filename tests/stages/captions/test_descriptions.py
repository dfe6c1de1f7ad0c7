from __future__ import annotations

import json
from pathlib import Path

import pytest

from clapline.text.words import tokens
from stages.captions import checks
from stages.captions.descriptions import cleaned
from stages.captions.entities import NAMED

SOUNDBIBLE = Path(__file__).resolve().parents[3] / "../shared/mirror/wavcaps/json_files/SoundBible/sb_final.json"


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("dog_bark_03.wav", "dog bark"),
        ("rose_bark.wav", "rose bark"),
        ("Rain on window, Zoom H4n.WAV", "rain on window"),
        ("Vacuum Cleaner-Samsung Easy 1300.wav", "vacuum cleaner easy"),
        ("TimerRecording.wav", "timer"),
        ("20070812.rooster.wav", "rooster"),
        ("a storm in Helsinki by joe", "storm in"),
        ("Rain drumming by the window", "rain drumming by the window"),
        ("Rain by Joe", "rain"),
        ("Hoot owl. Sound requested by Shawn. Thanks Shawn!", "hoot owl"),
        ("The sound of a horn. Great for games and movies.", "horn"),
        ("Fire alarm sound effect. This sound is public domain, enjoy.", "fire alarm"),
        ("Sound of a chainsaw in a lot. sound is public domain.", "chainsaw in lot"),
        ("A cough recorded with my Tascam in July", "cough"),
        ("The sound of a Trucks Air Brakes being released", "trucks air brakes being released"),
        ("Caroline sneezes in London", "sneezes in"),
        ("A dog barks, see http://example.org/x", "dog barks see"),
        ("01337.wav", None),
        ("Tascam DR-05 take 7", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_left_of_an_uploaders_words(description: str | None, words: str | None) -> None:
    assert cleaned(description) == words


def test_real_descriptions_keep_their_sounds_and_lose_names_and_notices() -> None:
    if not SOUNDBIBLE.is_file():
        pytest.skip("no mirror of real descriptions here")
    clips = json.loads(SOUNDBIBLE.read_text(encoding="utf-8"))["data"]
    kept = [cleaned(clip["description"]) for clip in clips]
    words = [set(tokens(text or "")) for text in kept]
    assert sum(text is not None for text in kept) >= 0.99 * len(clips) > 1200
    assert not any(found & (NAMED | {"requested", "thanks", "download"}) for found in words)
    assert all(len((text or "").split()) <= 20 for text in kept)
    # What WavCaps' own captions of these descriptions say passes the checks, but for species written with capitals.
    passed = [checks.label_caption([text or ""], [], clip["caption"]) for text, clip in zip(kept, clips, strict=True)]
    assert sum(failure is None for failure in passed) >= 0.98 * len(clips)
