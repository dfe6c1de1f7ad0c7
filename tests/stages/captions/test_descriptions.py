from __future__ import annotations

import pytest

from stages.captions.descriptions import cleaned


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
        ("01337.wav", None),
        ("Tascam DR-05 take 7", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_left_of_an_uploaders_words(description: str | None, words: str | None) -> None:
    assert cleaned(description) == words
