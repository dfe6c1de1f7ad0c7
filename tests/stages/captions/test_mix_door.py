"""The door of the mixtures: clips that hold what their caption tells, traceable, and the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import stages.captions.builtin.answer as answer
from clapline.audio.decode import flac_bytes
from clapline.audio.mixing import level_difference_db
from clapline.audio.shards import ShardReader, ShardWriter
from clapline.storage import read_json
from clapline.tables.captions import DROPPED
from clapline.tables.clips import CLIPS
from clapline.tables.mixes import MIXES
from stages.captions import mix
from stages.captions.recipes import Edit, Recipe
from stages.captions.rendering import LARGEST_DIFFERENCE_DB, render
from tests.stages.captions.places import clip, save

RATE = 8000
SOUNDS = ("A dog barks", "Rain falls on a roof", "A church bell rings", "A train passes by", "A man speaks loudly")


def tone(hz: float, seconds: float, level: float = 0.2) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def power_at(audio: np.ndarray, hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    at = np.fft.rfftfreq(len(audio), 1 / RATE)
    return float(spectrum[np.abs(at - hz) < 15].sum() / spectrum.sum())


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten training clips, each a tone of its own; one clip held out for validation; one caption without audio."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "stores"))
    shard = Path("data/clips/toy/0.tar")
    shard.parent.mkdir(parents=True)
    rows = []
    with ShardWriter(shard) as writer:
        for k in range(11):
            audio = tone(300 + 250 * k, 1.0 + 0.1 * k)
            place = writer.add(f"c{k}", flac_bytes(audio, RATE))
            where = {"shard": shard.as_posix(), "offset": place.offset, "nbytes": place.nbytes, "sha256": place.sha256}
            rows.append(
                clip(
                    f"c{k}",
                    **where,
                    sample_rate_hz=RATE,
                    duration_s=len(audio) / RATE,
                    captions=["A cat meows" if k == 10 else f"{SOUNDS[k % 5]} in a hall", SOUNDS[k % 5]][: 1 + k % 2],
                    split="val" if k == 10 else "train",
                    tags=[f"tag{k}", "hall"],
                    source_id=f"freesound:{k}",
                    licence="CC0" if k % 2 else "CC BY 4.0",
                )
            )
    rows.append(clip("text", shard="", nbytes=0, captions=["Words alone are no sound"]))
    save(tmp_path / "data/captioned/paired.parquet", rows)
    set_mix(tmp_path, clips=30)
    return tmp_path


def set_mix(folder: Path, machine: dict | None = None, **values: object) -> None:
    params = {"seed": 0, "mix": values, "machine": {"progress": False, **(machine or {})}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def digests(folder: Path) -> dict[str, str]:
    files = [*folder.glob("data/mixed/*"), *folder.glob("reports/mix/*")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def test_mixtures_hold_both_clips_and_can_be_traced(workplace: Path) -> None:
    set_mix(workplace, clips=60, edits=["volume", "speed"])
    mix.main()
    clips, recipes = CLIPS.read("data/mixed/clips.parquet"), MIXES.read("data/mixed/recipes.parquet")
    sources = CLIPS.read("data/captioned/paired.parquet").set_index("clip_id")
    assert list(clips.clip_id) == list(recipes.clip_id)
    assert set(recipes.relation) == {"mix", "concatenate"}
    assert not {"c10", "text"} & {*recipes.first_clip_id, *recipes.second_clip_id}
    reader = ShardReader()
    for row, recipe in zip(clips.itertuples(), recipes.itertuples(), strict=True):
        assert (row.dataset, row.split) == ("mix", "train")
        assert not isinstance(row.source_id, str)  # of two recordings
        assert row.captions == [recipe.text]
        audio = reader.read(row)
        assert len(audio) / RATE == pytest.approx(row.duration_s)
        assert row.duration_s <= 10.0
        half = len(audio) // 2
        for side, part in (("first", audio[: half // 2]), ("second", audio[-half // 2 :])):
            name = getattr(recipe, f"{side}_clip_id")
            assert getattr(recipe, f"{side}_caption") in sources.captions[name]
            assert set(sources.tags[name]) <= set(row.tags)
            hz = 300 + 250 * int(name[1:])
            assert power_at(audio, hz) > 0.005
            if recipe.relation == "concatenate":
                assert power_at(part, hz) > 0.9
        assert row.tags.count("hall") == 1
    summary, listed = read_json("reports/mix/summary.json")["mix"], (workplace / "reports/mix/dropped.csv").read_text()
    assert summary["captions"] == 60 == len(clips) + listed.count("\n") - 1


def test_every_run_gives_the_same_bytes_whatever_the_workers(workplace: Path) -> None:
    set_mix(workplace, machine={"workers": 1}, clips=40)
    mix.main()
    first = digests(workplace)
    assert {"clips.parquet", "recipes.parquet", "00000.tar", "mixture_03.flac", "chapter.json"} <= set(first)
    mix.main()
    assert digests(workplace) == first
    set_mix(workplace, machine={"workers": 3, "concurrency": 2}, clips=40)
    mix.main()
    assert digests(workplace) == first


def test_a_change_of_edits_asks_again_only_where_words_change(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    builtin = answer._TASKS["mix"]
    monkeypatch.setitem(answer._TASKS, "mix", lambda *given: asked.append(given) or builtin(*given))
    mix.main()
    paid = len(asked)
    assert paid > 0
    mix.main()
    set_mix(workplace, clips=30, maximum_duration_s=3.0)
    mix.main()
    assert len(asked) == paid


def test_a_mixture_without_a_caption_is_listed_not_made(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builtin = answer._TASKS["mix"]

    def mute_on_bells(purpose: str, asked: dict, wanted: list[str], turn: int) -> dict[str, str]:
        bells = "bell" in asked["first"] + asked["second"]
        return {"caption": "something else altogether is told here"} if bells else builtin(purpose, asked, wanted, turn)

    monkeypatch.setitem(answer._TASKS, "mix", mute_on_bells)
    mix.main()
    clips, recipes = CLIPS.read("data/mixed/clips.parquet"), MIXES.read("data/mixed/recipes.parquet")
    assert 0 < len(clips) < 30
    assert not any("bell" in caption for caption in [*recipes.first_caption, *recipes.second_caption])
    listed = pd.read_csv(workplace / "reports/mix/dropped.csv")
    assert list(listed) == DROPPED.schema.names
    assert len(listed) == 30 - len(clips)
    assert listed["reason"].str.startswith("content").all()
    assert listed["original"].str.contains("bell").all()


def test_no_mixture_is_an_empty_table_and_a_short_chapter(workplace: Path) -> None:
    set_mix(workplace, clips=0)
    (workplace / "data/captioned/paired.parquet").unlink()  # not even read
    code = "import sys, stages.captions.mix as m; m.main(); print([x for x in ('torch', 'openai') if x in sys.modules])"
    root = Path(mix.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"],
        capture_output=True, text=True, cwd=workplace, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == "[]"
    assert CLIPS.read("data/mixed/clips.parquet").empty
    assert MIXES.read("data/mixed/recipes.parquet").empty
    assert not list((workplace / "data/mixed").glob("*.tar"))
    assert json.loads((workplace / "reports/mix/chapter.json").read_text())["title"] == "Mixtures"


def test_the_chapter_plays_three_mixtures_and_credits_their_sources(workplace: Path) -> None:
    mix.main()
    blocks = json.loads((workplace / "reports/mix/chapter.json").read_text())["blocks"]
    players = [block for block in blocks if block["kind"] == "audio"]
    assert len(players) == 3
    for block in players:
        assert (workplace / "reports/mix" / block["file"]).read_bytes()[:4] == b"fLaC"
        assert block["caption"].count("freesound:") == 2


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        mix.main()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_what_cannot_be_mixed_is_said_in_one_line(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = CLIPS.read("data/captioned/paired.parquet").to_dict("records")
    save(workplace / "data/captioned/paired.parquet", [{**rows[0], "sample_rate_hz": 16000, "fold": None}, *rows[1:]])
    assert "8000, 16000 Hz" in refused(capsys)
    save(workplace / "data/captioned/paired.parquet", [{**rows[0], "fold": None}])
    assert "one recording" in refused(capsys)
    save(
        workplace / "data/captioned/paired.parquet",
        [{**rows[0], "clip_id": row["clip_id"], "source_id": None} for row in rows],
    )
    assert "one recording" in refused(capsys)
    spoilt = [{**row, "sha256": f"{place:064d}"} for place, row in enumerate(rows)]
    save(workplace / "data/captioned/paired.parquet", spoilt)
    assert "is not what the clip table says" in refused(capsys)
    assert not Path("data/mixed").exists()  # nothing half-written is left behind


def test_clips_that_cannot_be_heard_are_left_out_and_counted(workplace: Path) -> None:
    rows = CLIPS.read("data/captioned/paired.parquet").to_dict("records")
    random = np.random.default_rng(0)
    unheard = {
        "silent": np.zeros(2 * RATE, np.float32),
        "dither": random.choice(np.float32([-1, 0, 1]), 2 * RATE) / np.float32(2**15),
        "click": tone(400, 0.012),
    }
    heard = {"faint": tone(400, 2.0, 0.001), "mostly_silent": np.append(np.zeros(60 * RATE, np.float32), tone(400, 1))}
    shard = Path("data/clips/toy/1.tar")
    with ShardWriter(shard) as writer:
        for name, audio in (unheard | heard).items():
            place = writer.add(name, flac_bytes(audio, RATE))
            where = {"shard": shard.as_posix(), "offset": place.offset, "nbytes": place.nbytes, "sha256": place.sha256}
            length = {"sample_rate_hz": RATE, "duration_s": len(audio) / RATE}
            rows.append(clip(name, **where, **length, captions=["A cow moos in a field"]))
    save(workplace / "data/captioned/paired.parquet", [{**row, "fold": None} for row in rows])
    set_mix(workplace, clips=80)
    mix.main()
    recipes = MIXES.read("data/mixed/recipes.parquet")
    mixed = {*recipes.first_clip_id, *recipes.second_clip_id}
    assert set(heard) < mixed
    assert not set(unheard) & mixed
    assert "3 training clips were left out" in (workplace / "reports/mix/chapter.json").read_text()


def test_shards_hold_their_mixtures_when_there_are_several(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "CLIPS_PER_SHARD", 7)
    mix.main()
    clips, recipes = CLIPS.read("data/mixed/clips.parquet"), MIXES.read("data/mixed/recipes.parquet")
    assert list(clips.clip_id) == list(recipes.clip_id)
    assert clips.groupby("shard").size().tolist()[:-1] == [7] * (len(clips) // 7)
    tags = CLIPS.read("data/captioned/paired.parquet").set_index("clip_id")["tags"]
    for row, made in zip(clips.itertuples(), recipes.itertuples(), strict=True):
        assert set(row.tags) == {*tags[made.first_clip_id], *tags[made.second_clip_id]}


def recipe(relation: str, *edits: Edit | None) -> Recipe:
    first, second = edits or (None, None)
    return Recipe("mix-000001", relation, (0, 1), ("", ""), (first, second), 0.5)


def test_both_clips_find_room_in_a_short_mixture() -> None:
    long, short = tone(400, 6.0), tone(1500, 1.0)
    made = render(recipe("concatenate"), long, short, RATE, 4.0)
    assert made.cut_s == (3.0, 0.0)
    assert made.duration_s == pytest.approx(3.95)
    made = render(recipe("concatenate"), long, tone(1500, 5.0), RATE, 4.0)
    assert made.cut_s == (4.0, 3.0)
    made = render(recipe("mix"), long, short, RATE, 4.0)
    assert made.cut_s == (2.0, 0.0)
    assert made.duration_s == 4.0


def test_louder_than_the_other_is_meant_to_the_letter() -> None:
    faint, strong = tone(400, 1.0, 0.01), tone(1500, 1.0, 0.5)
    assert level_difference_db(faint, strong) == pytest.approx(-34, abs=0.1)
    assert render(recipe("mix", Edit("volume", 6.0), None), faint, strong, RATE, 4.0).level_db == 6.0
    assert render(recipe("mix", None, Edit("volume", 6.0)), faint, strong, RATE, 4.0).level_db == -6.0
    assert render(recipe("mix"), faint, strong, RATE, 4.0).level_db == -LARGEST_DIFFERENCE_DB
    near = tone(1500, 1.0, 0.02)
    assert render(recipe("mix"), faint, near, RATE, 4.0).level_db == pytest.approx(-6.02, abs=0.01)
