"""The readers of ESC-50 and UrbanSound8K, on the real files of the mirror and on small copies of the real layouts."""

from collections import Counter
from pathlib import Path

import pytest

from clapline.datasets import esc50, urbansound8k
from clapline.datasets.card import BadItem, RawClip
from clapline.errors import UserError
from clapline.params.machine import Machine

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"
real = pytest.mark.skipif(not MIRROR.is_dir(), reason="the mirror is not here")


@real
def test_real_esc50():
    clips = list(esc50.read(esc50.Options(), MIRROR / "esc50"))
    assert len(clips) == 1600
    assert all(isinstance(clip, RawClip) and (MIRROR / "esc50" / clip.path).is_file() for clip in clips)
    assert Counter(clip.fold for clip in clips) == {1: 400, 2: 400, 3: 400, 4: 400}
    assert set(Counter(clip.label for clip in clips).values()) == {32}
    assert {clip.label for clip in clips} == set(esc50.CARD.labels)
    assert all(clip.description for clip in clips)
    assert {clip.licence for clip in clips} == {"CC-BY", "CC0", "CC-BY-NC", "CC-Sampling+"}
    assert clips[0] == RawClip(
        clip_id="1-100032-A-0",
        path=Path("audio/1-100032-A-0.ogg"),
        tags=("dog",),
        label="dog",
        fold=1,
        description="rose_bark.wav",
        source_id="freesound:100032",
        licence="CC0",
    )


@real
def test_real_esc50_without_the_mirrors_own_file_takes_titles_from_the_licence(tmp_path):
    (tmp_path / "meta").mkdir()
    for name in ("LICENSE", "meta/esc50.csv"):
        (tmp_path / name).write_bytes((MIRROR / "esc50" / name).read_bytes())
    (tmp_path / "audio").symlink_to(MIRROR / "esc50/audio")
    with_sources = list(esc50.read(esc50.Options(), MIRROR / "esc50"))
    with_licence = list(esc50.read(esc50.Options(), tmp_path))
    assert with_licence == with_sources


@real
def test_real_urbansound8k():
    clips = list(urbansound8k.read(urbansound8k.Options(), MIRROR / "urbansound8k"))
    assert len(clips) == 2140
    assert all(isinstance(clip, RawClip) and (MIRROR / "urbansound8k" / clip.path).is_file() for clip in clips)
    assert {clip.label for clip in clips} == set(urbansound8k.CARD.labels)
    assert {clip.tags for clip in clips if clip.label in {"dog bark", "siren"}} == {("dog bark", "dog"), ("siren",)}
    # Both datasets draw on Freesound: these slices share a recording with ESC-50's folds 1 to 4.
    esc50_sources = {clip.source_id for clip in esc50.read(esc50.Options(), MIRROR / "esc50")}
    assert sum(clip.source_id in esc50_sources for clip in clips) == 103


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def small_mirror(tmp_path, monkeypatch):
    root = tmp_path / "mirror"
    write(
        root / "ESC-50/meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n5-9-B-19.wav,5,19,thunderstorm,False,9,B\n"
        "5-8-A-21.wav,5,21,sneezing,False,8,A\n",
    )
    write(root / "ESC-50/audio/1-100032-A-0.flac", "sound")
    write(root / "ESC-50/audio/5-9-B-19.wav", "sound")
    write(root / "ESC-50/.git/config", "not copied")
    write(
        root / "urbansound8k/metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "7-3-0-0.wav,7,0.0,4.0,1,10,5,engine_idling\n7-3-0-1.wav,7,0.0,4.0,1,10,5,engine_idling\n",
    )
    write(root / "urbansound8k/audio/fold10/7-3-0-0.ogg", "sound")
    monkeypatch.setenv("CLAPLINE_MIRROR", str(root))
    return root


def test_a_checkout_in_other_formats_with_missing_files(small_mirror, tmp_path):
    esc50.fetch(esc50.Options(), tmp_path / "raw", Machine())
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["audio", "meta"]
    dog, thunder, bad = esc50.read(esc50.Options(), tmp_path / "raw")
    assert (dog.path, dog.description, dog.licence) == (Path("audio/1-100032-A-0.flac"), None, "CC BY-NC 3.0")
    assert (thunder.label, thunder.fold, thunder.source_id) == ("thunderstorm", 5, "freesound:9")
    assert bad == BadItem("audio/5-8-A-21.wav", "listed in meta/esc50.csv, but the file is missing")


def test_urbansound8k_slices_are_found_by_fold(small_mirror, tmp_path):
    fetched = urbansound8k.fetch(urbansound8k.Options(), tmp_path / "raw", Machine())
    assert fetched.files == 2
    clip, bad = urbansound8k.read(urbansound8k.Options(), tmp_path / "raw")
    assert clip.tags == ("engine idling", "engine")
    assert clip.path == Path("audio/fold10/7-3-0-0.ogg")
    assert bad.path == "audio/fold10/7-3-0-1.wav"


@pytest.mark.parametrize("kind", [esc50, urbansound8k])
def test_missing_mirror_is_one_clear_line(kind, tmp_path, monkeypatch):
    monkeypatch.delenv("CLAPLINE_MIRROR", raising=False)
    with pytest.raises(UserError, match="CLAPLINE_MIRROR") as caught:
        kind.fetch(kind.Options(), tmp_path / "raw", Machine())
    assert kind.CARD.homepage in str(caught.value)
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="is no folder"):
        kind.origin(kind.Options())
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path))
    with pytest.raises(UserError, match="holds no folder"):
        kind.origin(kind.Options())


def test_missing_mirror_file_is_named(small_mirror):
    (small_mirror / "ESC-50/meta/esc50.csv").unlink()
    with pytest.raises(UserError, match=r"esc50\.csv is missing in the mirror"):
        esc50.origin(esc50.Options())


def test_missing_column_is_named(small_mirror, tmp_path):
    write(small_mirror / "ESC-50/meta/esc50.csv", "filename,fold,target,esc10,src_file,take\n")
    esc50.fetch(esc50.Options(), tmp_path / "raw", Machine())
    with pytest.raises(UserError, match="column category is missing"):
        list(esc50.read(esc50.Options(), tmp_path / "raw"))
