"""The dataset as a whole: the same bytes from the same options, splits drawn as said, a manifest that agrees."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from clapline.datasets.soundscapes import CARD, SPLITS, Options, fetch, read
from clapline.datasets.soundscapes.clip import make_clip
from clapline.datasets.soundscapes.scene import plan
from clapline.datasets.soundscapes.taxonomy import CLASSES, UNHEARD
from clapline.errors import UserError
from clapline.params.base import validated
from clapline.params.machine import Machine

TINY = Options(duration_s=2.0, train=24, val=8, test=8, pool=16, single=48)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """One tiny dataset, rendered by one worker."""
    raw = tmp_path_factory.mktemp("raw")
    return raw, fetch(TINY, raw, Machine(workers=1, progress=False))


def content(raw):
    return {path.relative_to(raw).as_posix(): path.read_bytes() for path in sorted(raw.rglob("*")) if path.is_file()}


def test_card_says_that_it_is_synthesised():
    assert CARD.recorded is False
    assert "synthesised" in CARD.title.lower()
    assert CARD.labels == CLASSES


def test_two_workers_and_other_counts_give_the_same_bytes(fetched, tmp_path):
    raw, _ = fetched
    fetch(TINY, tmp_path / "two", Machine(workers=2, progress=False))
    assert content(tmp_path / "two") == content(raw)
    fewer = TINY.model_copy(update={"train": 3, "val": 1, "test": 1, "pool": 0, "single": 2})
    fetch(fewer, tmp_path / "fewer", Machine(workers=1, progress=False))
    whole = content(raw)
    audio = {name: data for name, data in content(tmp_path / "fewer").items() if name.endswith(".flac")}
    assert len(audio) == 7
    assert all(whole[name] == data for name, data in audio.items())


def test_another_seed_gives_another_dataset():
    first, other = make_clip(1, 2.0, "train", 0), make_clip(2, 2.0, "train", 0)
    assert not np.array_equal(first[0], other[0])
    assert first[1]["captions"] != other[1]["captions"]


def test_read_agrees_with_options_and_files(fetched):
    raw, brought = fetched
    clips = list(read(TINY, raw))
    assert Counter(clip.split for clip in clips) == {split: getattr(TINY, split) for split in SPLITS}
    assert [clip.clip_id for clip in clips] == [clip.clip_id for clip in read(TINY, raw)]
    assert len({clip.clip_id for clip in clips}) == len({clip.source_id for clip in clips}) == len(clips)
    assert brought.files == len(clips) + 1
    assert brought.nbytes == sum(map(len, content(raw).values()))
    for clip in clips:
        info = soundfile.info(raw / clip.path)
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (16_000, 1, 32_000, "PCM_16")
        captioned = clip.split in ("train", "val", "test")
        assert len(clip.captions) == (5 if captioned else 0)
        assert len(clip.caption_tree) == (4 if captioned else 0)
        assert (clip.label is not None) == (clip.split == "single")
        assert clip.tags
        assert clip.fold is None


def test_files_are_small_sound_and_not_clipped(fetched):
    raw, brought = fetched
    assert brought.nbytes / brought.files < 60_000
    for path in (raw / "audio").glob("*.flac"):
        waveform, _ = soundfile.read(path)
        assert 0.005 < np.abs(waveform).max() < 0.99
        assert waveform.std() > 1e-4


def test_manifest_tells_the_scene(fetched):
    raw, _ = fetched
    for line in (raw / "clips.jsonl").read_text(encoding="utf-8").splitlines():
        clip = json.loads(line)
        events = clip["scene"]["events"]
        assert clip["tags"] == [event["sound"] for event in events]
        assert [event["onset_s"] for event in events] == sorted(event["onset_s"] for event in events)
        assert all(event["onset_s"] + event["duration_s"] <= TINY.duration_s + 0.01 for event in events)


def test_every_event_stands_above_the_background():
    quiet = [plan(1, "single", index, 4.0) for index in range(96)]
    busy = [plan(1, "train", index, 4.0) for index in range(96)]
    assert min(scene.events[0].level_db - scene.background_db for scene in quiet) >= 24
    assert min(event.level_db - scene.background_db for scene in busy for event in scene.events) >= 14


def test_sequences_do_not_overlap_and_pairs_do():
    for index in range(300):
        scene = plan(1, "train", index, 4.0)
        spans = [(event.onset_s, event.onset_s + event.duration_s) for event in scene.events]
        overlap = [max(0.0, a[1] - b[0]) for a, b in pairwise(spans)]
        wanted = {"one": [], "then": [0], "while": [1], "then then": [0, 0], "pair then": [1, 0], "then pair": [0, 1]}
        assert [int(seconds > 0.5) for seconds in overlap] == wanted[scene.relation]
        assert all(seconds == 0 or seconds > 0.5 for seconds in overlap)


def test_single_is_balanced_and_so_is_the_main_event_of_every_captioned_split():
    for split in ("single", "train", "test"):
        first = Counter(plan(1, split, index, 4.0).events[0].sound for index in range(96))
        assert first == dict.fromkeys(CLASSES, 2)


def test_pool_differs_and_holds_sounds_outside_every_caption():
    pool = [plan(1, "pool", index, 4.0) for index in range(1500)]
    train = [plan(1, "train", index, 4.0) for index in range(1000)]
    assert not {event.sound for scene in train for event in scene.events} & set(UNHEARD)
    share = np.mean([any(event.sound in UNHEARD for event in scene.events) for scene in pool])
    assert 0.12 < share < 0.18
    counts = Counter(event.sound for scene in pool for event in scene.events if event.sound in CLASSES)
    assert counts.most_common()[0][1] > 5 * counts.most_common()[-1][1]
    assert len(counts) == len(CLASSES)
    assert {scene.background for scene in pool} - {scene.background for scene in train}
    assert np.mean([e.level_db for s in pool for e in s.events]) < np.mean(
        [e.level_db for s in train for e in s.events]
    )


def test_no_split_repeats_another():
    scenes = {plan(1, split, index, 4.0) for split in SPLITS for index in range(60)}
    assert len(scenes) == 5 * 60


@pytest.mark.parametrize("bad", [{"seed": -1}, {"duration_s": 0.5}, {"train": 0}, {"single": "many"}, {"clips": 3}])
def test_bad_options_get_one_line(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        validated(Options, bad, "params.yaml: datasets.soundscapes")
