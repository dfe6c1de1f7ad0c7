"""The door embed with a small real teacher: order, shards, precision, engines, and what is taken over."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import clapline.model.clap
import clapline.model.encode
from clapline.embeddings import read_embeddings, write_matrix
from clapline.model.clap import Clap
from clapline.model.encode import encode_clips
from clapline.params.machine import Machine
from clapline.params.model import Model
from clapline.tables.clips import CLIPS
from stages.curate import embed, embed_engines, embed_shards
from tests.stages.curate.tiny_teacher import (
    MODEL,
    embeddings,
    outputs,
    save_teacher,
    write_params,
    written_workspace,
)

UNPAIRED, TEXT = "data/roles/unpaired.parquet", "data/captioned/text.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return written_workspace(tmp_path_factory.mktemp("made") / "workspace")


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch) -> Path:
    """Chdir into a workspace of the test's own, with a work store of its own."""
    shutil.copytree(made, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path / "workspace")
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "workspace"


@pytest.fixture
def small_batches(monkeypatch) -> None:
    """Let batches of 4 clips and of 3 texts fall across the shards."""
    monkeypatch.setattr(clapline.model.encode, "ENCODE_BATCH", 4)
    monkeypatch.setattr(clapline.model.clap, "ENCODE_BATCH", 3)


def work_folder() -> Path:
    (folder,) = Path(os.environ["CLAPLINE_HOME"], "work/embed").iterdir()
    return folder


def refused(capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        embed.main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_rows_are_in_the_order_of_the_keys_and_are_what_the_teacher_gives(workspace, capsys):
    write_params(workspace, clips_per_shard=4, captions_per_shard=5)
    embed.main()
    teacher, clips, pool = Clap.from_pretrained("models/teacher"), CLIPS.read(UNPAIRED), CLIPS.read(TEXT)
    audio, text = (read_embeddings("data/embeddings", side) for side in ("audio", "text"))
    ids = audio.ids().to_pandas()
    assert ids.values.tolist() == sorted(clips[["dataset", "clip_id"]].values.tolist())
    assert (audio.matrix() == encode_clips(teacher, clips, Machine(progress=False), "")).all()
    told = [
        (row.dataset, row.clip_id, index, caption)
        for row in pool.sort_values(["dataset", "clip_id"]).itertuples()
        for index, caption in enumerate(row.captions)
    ]
    assert list(text.ids().to_pandas().itertuples(index=False, name=None)) == told
    captions = [caption for *_, caption in told]
    assert (text.matrix() == teacher.encode_texts(captions)).all()
    files = sorted(path.name for path in Path("data/embeddings/audio").iterdir())
    assert files == [f"{shard:05d}.{kind}" for shard in range(6) for kind in ("parquet", "safetensors")]
    distinct = len(set(captions))
    assert capsys.readouterr().out == f"embed: 23 clips, {len(captions)} captions ({distinct} distinct)\n"
    assert not list(Path(os.environ["CLAPLINE_HOME"], "work/embed").iterdir())


def test_equal_captions_have_equal_embeddings_in_whatever_shards(workspace, small_batches):
    write_params(workspace, captions_per_shard=2)
    embed.main()
    text = read_embeddings("data/embeddings", "text")
    captions = text.ids()["text"].to_pylist()
    assert len(set(captions)) < len(captions) - 2
    for caption in set(captions):
        rows = [row for row, other in enumerate(captions) if other == caption]
        assert len(np.unique(text[np.array(rows)], axis=0)) == 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_embedding_depends_on_no_shard_size(workspace, small_batches, precision):
    found = []
    for size in (1, 3, 1000):
        write_params(workspace, precision=precision, clips_per_shard=size, captions_per_shard=size)
        embed.main()
        found.append([embeddings(side) for side in ("audio", "text")])
        ids = read_embeddings("data/embeddings", "text").ids()
        counts = json.loads(Path("data/embeddings/embeddings.json").read_text())
        assert counts["audio"] == {"rows": 23, "shards": -(-23 // size)}
        assert counts["text"] == {"rows": len(ids), "shards": -(-len(ids) // size)}
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert (one == other).all()


def test_fp16_rounds_what_fp32_holds(workspace):
    whole = {}
    for precision in ("fp32", "fp16"):
        write_params(workspace, precision=precision)
        embed.main()
        whole[precision] = [embeddings(side) for side in ("audio", "text")]
    for exact, rounded in zip(whole["fp32"], whole["fp16"], strict=True):
        assert (rounded == exact.astype(np.float16)).all()
        assert (rounded != exact).any()
    assert Path("data/embeddings/audio/00000.safetensors").stat().st_size < 23 * 16 * 2 + 200


def test_rows_of_a_table_in_another_order_come_in_the_order_of_the_keys(workspace):
    import pyarrow.parquet as pq

    embed.main()
    before = outputs()
    for path in (UNPAIRED, TEXT):
        table = pq.read_table(path)
        pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), path)
    embed.main()
    assert outputs() == before


def test_read_only_outputs_are_replaced_and_never_written_through(workspace):
    embed.main()
    before = outputs()
    cache = workspace / "cache"
    cache.mkdir()
    for number, path in enumerate(path for path in Path("data/embeddings").rglob("*") if path.is_file()):
        path.rename(cache / str(number))
        (cache / str(number)).chmod(0o444)
        os.link(cache / str(number), path)  # as DVC links outputs to its cache
    held = {path.name: path.read_bytes() for path in cache.iterdir()}
    save_teacher(workspace, seed=1)
    embed.main()
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == held
    assert outputs().keys() == before.keys()
    assert outputs()["data/embeddings/audio/00000.safetensors"] != before["data/embeddings/audio/00000.safetensors"]


class Killed(BaseException):
    pass


class Encoded:
    """Writes matrices, notes their files, and kills the run after some of them."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.left: int | None = None

    def __call__(self, file: Path, *given) -> None:
        write_matrix(file, *given)
        self.files.append(file.name)
        if self.left is not None and len(self.files) >= self.left:
            raise Killed


@pytest.fixture
def encoded(monkeypatch) -> Encoded:
    noting = Encoded()
    monkeypatch.setattr(embed_shards, "write_matrix", noting)
    return noting


def broken_off(encoded: Encoded, shards: int) -> None:
    """Run the door until it has encoded so many shards."""
    encoded.left = len(encoded.files) + shards
    with pytest.raises(Killed):
        embed.main()
    encoded.left = None


def taken_over(capsys) -> tuple[int, int] | None:
    said = capsys.readouterr().out
    found = re.search(r"; (\d+) of (\d+) shards were finished by a run before\n$", said)
    return found and (int(found[1]), int(found[2]))


def test_finished_shards_are_taken_over(workspace, encoded, capsys):
    write_params(workspace, clips_per_shard=4, captions_per_shard=5)
    embed.main()
    whole, shards = outputs(), len(encoded.files)
    assert taken_over(capsys) is None
    shutil.rmtree("data/embeddings")
    encoded.files.clear()
    broken_off(encoded, 2)
    broken_off(encoded, 3)
    assert not Path("data/embeddings").exists()
    embed.main()
    assert taken_over(capsys) == (5, shards)
    assert outputs() == whole
    assert len(encoded.files) == len(set(encoded.files)) == shards


def other_teacher(workspace: Path) -> None:
    save_teacher(workspace, seed=1)


def other_precision(workspace: Path) -> None:
    write_params(workspace, clips_per_shard=4, captions_per_shard=5, precision="fp16")


def other_threads(workspace: Path) -> None:
    torch.set_num_threads(torch.get_num_threads() + 1)


@pytest.mark.parametrize("change", [other_teacher, other_precision, other_threads])
def test_what_decides_every_bit_starts_afresh(workspace, encoded, capsys, change):
    write_params(workspace, clips_per_shard=4, captions_per_shard=5)
    broken_off(encoded, 3)
    old, threads = work_folder(), torch.get_num_threads()
    try:
        change(workspace)
        encoded.files.clear()
        embed.main()
    finally:
        torch.set_num_threads(threads)
    assert taken_over(capsys) is None
    assert not old.exists()
    resumed = outputs()
    shutil.rmtree("data/embeddings")
    try:
        torch.set_num_threads(threads + 1 if change is other_threads else threads)
        embed.main()
    finally:
        torch.set_num_threads(threads)
    assert outputs() == resumed


def test_other_captions_cost_no_clip_its_embedding(workspace, encoded, capsys):
    write_params(workspace, clips_per_shard=4, captions_per_shard=1000)
    broken_off(encoded, 6)  # all clips
    pool = CLIPS.read(TEXT)
    pool.at[0, "captions"] = ["another caption"]
    CLIPS.write(TEXT, pool)
    embed.main()
    assert taken_over(capsys) == (6, 7)
    assert len(encoded.files) == 7


def test_another_recording_behind_a_clip_is_encoded_again(workspace, small_batches, encoded, capsys):
    write_params(workspace, clips_per_shard=4, captions_per_shard=1000)
    broken_off(encoded, 6)
    clips = CLIPS.read(UNPAIRED)
    clips.loc[5, ["sha256", "offset", "nbytes"]] = clips.loc[6, ["sha256", "offset", "nbytes"]]
    CLIPS.write(UNPAIRED, clips)
    encoded.files.clear()
    embed.main()
    assert taken_over(capsys) == (5, 7)
    assert len(encoded.files) == 2
    audio = embeddings("audio")
    assert np.abs(audio[5] - audio[6]).max() < 1e-6


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40], lambda data: b""])
def test_a_shard_that_a_power_cut_tore_is_made_again(workspace, encoded, capsys, damage):
    write_params(workspace, clips_per_shard=4, captions_per_shard=5)
    broken_off(encoded, 3)
    torn = work_folder() / encoded.files[1]
    torn.write_bytes(damage(torn.read_bytes()))
    (work_folder() / ".audio-0.safetensors.1.part").write_bytes(b"half")
    embed.main()
    assert taken_over(capsys)[0] == 2
    assert encoded.files.count(torn.name) == 2
    resumed = outputs()
    embed.main()
    assert outputs() == resumed


def test_several_processes_write_the_bytes_of_one(workspace, capsys):
    write_params(workspace, clips_per_shard=8, captions_per_shard=5)
    embed.main()
    whole = outputs()
    shutil.rmtree("data/embeddings")
    write_params(workspace, {"processes": 2}, clips_per_shard=8, captions_per_shard=5)
    embed.main()
    assert outputs() == whole
    assert taken_over(capsys) is None


def damaged(clips: pd.DataFrame) -> pd.DataFrame:
    worse = clips.copy()
    worse.loc[13, "sha256"] = "0" * 64
    return worse


def test_a_clip_that_is_not_what_the_table_says_is_one_line_and_what_is_finished_stays(
    workspace, small_batches, capsys
):
    write_params(workspace, clips_per_shard=4)
    clips = CLIPS.read(UNPAIRED)
    CLIPS.write(UNPAIRED, damaged(clips))
    assert f"clip {clips.loc[13, 'clip_id']!r} is not what the clip table says" in refused(capsys)
    assert not Path("data/embeddings").exists()
    CLIPS.write(UNPAIRED, clips)
    embed.main()
    assert taken_over(capsys) == (3, 7)


def test_processes_of_a_pool_count_themselves(tmp_path):
    """So each has a GPU of its own; the lock of one that has ended is free."""
    with (tmp_path / "process-0.lock").open("ab") as first, (tmp_path / "process-2.lock").open("ab") as third:
        for held in (first, third):
            fcntl.flock(held, fcntl.LOCK_EX)
        assert embed_engines._number(tmp_path) == 1
        embed_engines._number.cache_clear()  # as in another process
        assert embed_engines._number(tmp_path) == 3
    embed_engines._number.cache_clear()
    assert [embed_engines._number(tmp_path) for _ in range(3)] == [0, 0, 0]


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_of_several_is_one_line(workspace, capsys):
    write_params(workspace, {"processes": 3}, clips_per_shard=4)
    CLIPS.write(UNPAIRED, damaged(CLIPS.read(UNPAIRED)))
    assert "is not what the clip table says" in refused(capsys)


def test_a_model_that_is_broken_stops_at_its_first_shard(workspace, encoded, capsys, monkeypatch):
    write_params(workspace, clips_per_shard=4)
    teacher = Clap.from_pretrained("models/teacher")
    with torch.no_grad():
        teacher.audio_head.state_dict()[next(iter(teacher.audio_head.state_dict()))][:] = float("nan")
    teacher.save("models/teacher", "broken")
    assert "embed: unpaired clips: 23 embeddings of a batch hold NaN" in refused(capsys)
    assert encoded.files == []


def test_a_collapsed_model_is_told_over_all_shards(workspace, capsys, monkeypatch):
    write_params(workspace, clips_per_shard=1, captions_per_shard=1)
    one = np.eye(16, dtype=np.float32)[:1]
    monkeypatch.setattr(embed_shards, "_heard", lambda teacher, batches, *_: (one.repeat(len(b), 0) for b in batches))
    assert "embed: unpaired clips: all 23 embeddings are equal" in refused(capsys)
    assert not Path("data/embeddings").exists()


def test_many_rows_are_checked_in_parts_that_hold_each_row_once(monkeypatch):
    monkeypatch.setattr(embed, "_CHECKED_AT_ONCE", 500)
    seen: list[int] = []
    rows = np.eye(3, dtype=np.float32)[np.arange(4321) // 2000]

    def taken(places: np.ndarray) -> np.ndarray:
        seen.extend(places.tolist())
        return rows[places]

    embed._check("some", len(rows), taken)
    assert sorted(seen) == list(range(4321))
    for row, value, match in ((4000, np.nan, "1 of .* hold NaN"), (77, 2.0, "they must be 1")):
        worse = rows.copy()
        worse[row, 0] += value
        with pytest.raises(Exception, match=match):
            embed._check("some", len(rows), lambda places, worse=worse: worse[places])


def test_clips_at_another_rate_are_refused_before_any_is_encoded(workspace, encoded, capsys):
    clips = CLIPS.read(UNPAIRED)
    clips.loc[20, "sample_rate_hz"] = 44100
    CLIPS.write(UNPAIRED, clips)
    assert "clips are prepared at [44100] Hz but the model expects 8000 Hz" in refused(capsys)
    assert encoded.files == []


@pytest.mark.parametrize(("name", "stage"), [(UNPAIRED, "clips"), (TEXT, "clips")])
def test_a_missing_table_is_one_line(workspace, capsys, name, stage):
    Path(name).unlink()
    assert f"{name}: no such table ({stage}); run the stage that makes it" in refused(capsys)


def test_long_clips_in_segments_and_tags_keep_their_embeddings_in_any_shard(workspace, small_batches):
    """Segments of padding are left out, and sentences of tags are as wide as the longest of a batch."""
    save_teacher(
        workspace,
        features=MODEL["features"] | {"duration_s": 0.75, "segment_s": 0.25, "short": "zero"},
        metadata={"use": "tags"},
    )
    clips = CLIPS.read(UNPAIRED)
    clips["tags"] = [["dog", "rain falls far away"][: number % 3] for number in range(len(clips))]
    CLIPS.write(UNPAIRED, clips)
    found = []
    for size in (3, 1000):
        write_params(workspace, clips_per_shard=size)
        embed.main()
        found.append(embeddings("audio"))
    assert (found[0] == found[1]).all()
    expected = encode_clips(Clap.from_pretrained("models/teacher"), clips, Machine(progress=False), "")
    assert (found[0] == expected).all()


def test_any_pretrained_clap_is_a_teacher(workspace):
    """What `teacher.model.start: <folder or hub id>` with `teacher.steps: 0` gives the stage."""
    published, reference = published_clap(workspace / "published")
    start = Clap.new(Model(start=str(published)), [])
    shutil.rmtree("models/teacher")
    start.save("models/teacher", "as it is")
    clips = CLIPS.read(UNPAIRED)
    embed.main()
    ids = read_embeddings("data/embeddings", "text").ids()["text"].to_pylist()
    tokens = start.text.prepare(ids)
    with torch.no_grad():
        expected = reference.get_text_features(**tokens).pooler_output
    expected = torch.nn.functional.normalize(expected, dim=-1).numpy()
    assert np.abs(embeddings("text") - expected).max() < 1e-5
    assert (embeddings("audio") == encode_clips(start, clips, Machine(progress=False), "")).all()


def published_clap(folder: Path):
    """Save a small ClapModel of transformers as a hub would hold it; return its folder and the model."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

    audio = {"num_mel_bins": 16, "spec_size": 64, "patch_embeds_hidden_size": 8, "hidden_size": 16, "depths": [2, 2]}
    text = {"vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(3)
    model = ClapModel(
        ClapConfig(
            text_config=text | {"intermediate_size": 48, "max_position_embeddings": 90},
            audio_config=audio | {"num_attention_heads": [2, 4], "window_size": 4},
            projection_dim=12,
        )
    ).eval()
    model.save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, hop_length=160, fft_window_size=512, frequency_min=30, frequency_max=3500,
        max_length_s=1, truncation="rand_trunc", padding="repeatpad",
    ).save_pretrained(folder)  # fmt: skip
    names = ["<s>", "<pad>", "</s>", "a", "dog", "rain", "and", "long", "noise", "[UNK]"]
    words = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"unk_token": "[UNK]", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    return folder, model
