"""A gallery's embeddings: computed once, found again, and computed anew when something that decides them changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from clapline.errors import UserError
from clapline.model.encode import encode_clips
from clapline.params.machine import Machine
from clapline.tables.clips import CLIPS
from stages.serve import gallery as module
from stages.serve.gallery import gallery_key, read_gallery
from stages.serve.model import ServedModel
from tests.stages.serve.conftest import Clap, answers_of, captions_of, save_model, tone, write_clips


@pytest.fixture
def encodings(monkeypatch) -> list[int]:
    """How many clips were encoded, each time that they were."""
    counted: list[int] = []
    encode = module.gallery_of_clips

    def counting(clap, clips, machine, description):
        counted.append(len(clips))
        return encode(clap, clips, machine, description)

    monkeypatch.setattr(module, "gallery_of_clips", counting)
    return counted


@pytest.mark.parametrize("kind", ["point", "gaussian", "tap"])
def test_a_second_start_finds_the_embeddings_and_answers_the_same(workspace, encodings, kind):
    save_model(kind)
    first = answers_of()
    second = answers_of()
    assert encodings == [6]
    assert first.search("a dog", 6) == second.search("a dog", 6)
    assert first.captions(tone(2), 6) == second.captions(tone(2), 6)


def test_another_model_other_clips_and_other_captions_are_encoded_anew(workspace, encodings):
    answers_of()
    save_model(seed=1)
    answers_of()
    assert encodings == [6, 6]
    write_clips(captions=lambda name: captions_of(name)[:1])
    answers_of()
    assert encodings == [6, 6, 6]
    Path("models/student/README.md").chmod(0o644)
    Path("models/student/README.md").write_text("another card")
    answers_of()
    assert len(encodings) == 3


def test_a_damaged_file_is_computed_anew(workspace, encodings):
    answers_of()
    (file,) = Path("stores/search").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    answers_of()
    answers_of()
    assert encodings == [6, 6]


def test_the_key_knows_the_model_by_its_files_not_by_its_place(workspace):
    gallery = read_gallery("retrieval")
    shutil.copytree("models/student", "models/copy")
    assert gallery_key("models/student", gallery) == gallery_key("models/copy", gallery)


def test_an_uploaded_clip_of_the_gallery_is_heard_as_the_gallery_hears_it(workspace):
    clap = Clap.from_pretrained("models/student")
    clips = read_gallery("retrieval").clips
    kept = encode_clips(clap, clips, Machine(progress=False), "encode")
    row = list(clips["clip_id"]).index("siren")
    heard = ServedModel(clap).hear((np.round(tone(2) * 32768) / 32768).astype(np.float32))
    np.testing.assert_allclose(heard.items.vectors[0], kept[row], atol=1e-6)


def test_captions_without_audio_are_left_out(workspace):
    clips = CLIPS.read("data/captioned/retrieval.parquet")
    clips.loc[clips["clip_id"] == "dog", "shard"] = ""
    CLIPS.write("some.parquet", clips)
    assert "dog" not in list(read_gallery("some.parquet").clips["clip_id"])
    CLIPS.write("none.parquet", clips.assign(shard=""))
    with pytest.raises(UserError, match="no clip with audio"):
        read_gallery("none.parquet")


def test_a_clip_without_captions_is_read_by_its_class(workspace):
    write_clips("data/roles/zero_shot.parquet", captions=lambda name: [], label=lambda name: f"{name[:1]}_Sound")
    gallery = read_gallery("zero_shot")
    assert len(gallery.texts) == 5  # saw and siren are of one class
    assert gallery.rows_by_text["this is a sound of s sound"] == [4, 5]
    write_clips("data/roles/unpaired.parquet", captions=lambda name: [])
    assert read_gallery("unpaired").texts == []


@pytest.mark.parametrize(
    ("name", "said"), [("nothing", "allowed: retrieval"), ("gone.parquet", "no such table"), ("../x", "allowed")]
)
def test_a_gallery_that_is_none_is_one_clear_error(workspace, name, said):
    with pytest.raises(UserError, match=said):
        read_gallery(name)
