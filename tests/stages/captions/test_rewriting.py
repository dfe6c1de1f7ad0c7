from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clapline.params.captions import Rewrite
from clapline.params.machine import Machine
from clapline.storage import read_json
from clapline.tables.clips import CLIPS
from stages.captions import rewrite
from stages.captions.builtin import answer
from stages.captions.rewriting import RewriteAccount, captioned
from tests.stages.captions.places import clip, frame, save, write_params

QUIET = Machine(progress=False)
SOUNDBIBLE = Path(__file__).resolve().parents[3] / "../shared/mirror/wavcaps/json_files/SoundBible/sb_final.json"
Heard = list[tuple[str, dict[str, Any], int]]


@pytest.fixture
def heard(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What a model is asked that names the first label or word, and finds no sound where there is "poem"."""
    asked_of: Heard = []

    def model(purpose: str, asked: dict[str, Any], wanted: list[str], turn: int) -> dict[str, str]:
        asked_of.append((purpose, asked, turn))
        told = json.dumps(asked)
        if "poem" in told:
            return dict.fromkeys(wanted, "Failure.")
        if "stubborn" in told or ("slow" in told and not turn):
            return dict.fromkeys(wanted, "A thing in Berlin makes a noise")
        thing = [*asked["labels"], *asked.get("description", "").split()][0]
        return {name: f"The {thing} makes noise {'and ' * int(name)}noise" for name in wanted}

    monkeypatch.setitem(answer._TASKS, "rewrite", model)
    return asked_of


def written(rows: list[dict[str, Any]], role: str = "paired", **settings: Any) -> tuple[Any, Any, Any, RewriteAccount]:
    table, dropped, aside, account, _ = captioned(frame(rows), role, Rewrite(**settings), QUIET)
    return table.set_index("clip_id"), dropped, aside.set_index("clip_id")["reason"], account


def test_every_clip_is_in_one_state(heard: Heard) -> None:
    rows = [
        clip("kept", captions=["As it was"], duration_s=0.1, description="poem"),
        clip("short", label="dog", duration_s=0.4),
        clip("bare"),
        clip("file", description="Tascam DR-05 take 7"),
        clip("poem", description="A poem about love"),
        clip("told", description="Rain on window, Zoom H4n.WAV"),
        clip("slow", label="slow dog"),
        clip("stubborn", label="stubborn dog"),
        clip("dog", label="dog"),
        clip("same", label="dog"),
    ]
    table, dropped, aside, account = written(rows, minimum_duration_s=0.5)
    assert list(table.index) == ["kept", "told", "slow", "dog", "same"]
    assert table.loc["kept", "captions"] == ["As it was"]
    assert table.loc["told", "captions"][0] == "The rain makes noise and noise"
    assert table.loc["dog", "captions"] == table.loc["same", "captions"]
    assert {clip_id: reason.split(":")[0] for clip_id, reason in aside.items()} == {
        "short": "too_short",
        "bare": "nothing_given",
        "file": "nothing_about_sound",
        "poem": "not_a_sound",
        "stubborn": "checks",
    }
    states = account.states
    assert states == {
        "raw": 10,
        "kept": 1,
        "filtered": {"nothing_about_sound": 1, "nothing_given": 1, "too_short": 1},
        "asked": {"1": 4, "2": 1, "3": 1},
        "accepted": 4,
        "failed": {"checks": 1, "not_a_sound": 1},
    }
    assert states["raw"] == len(table) + len(aside)
    # Equal words are asked about once; what is no sound is not asked again; what is stubborn three times.
    assert len(heard) == 1 + 1 + 2 + 3 + 1
    assert set(dropped["clip_id"]) == {"poem", "stubborn"}
    assert dropped["reason"].str.contains("remove berlin").sum() == 3
    assert "5 clips" not in account.sentence("paired")
    assert "10 clips, 1 with captions, 4 given captions (4 asked 1 times" in account.sentence("paired")


def test_tags_stand_beside_the_label_and_keep_their_order(heard: Heard) -> None:
    rows = [
        clip("both", label="dog_bark", tags=["wind", "dog bark", "", "a_bird"], description="close mic"),
        clip("onsets", tags=["Siren", "Applause", "Bell"]),
    ]
    written(rows)
    assert [asked for _, asked, _ in heard] == [
        {"labels": ["dog bark"], "tags": ["wind", "a bird"], "description": "close", "wanted": ["1", "2", "3"]},
        {"labels": ["Siren", "Applause", "Bell"], "wanted": ["1", "2", "3"]},
    ]


def test_benchmarks_see_the_label_alone_and_lose_no_short_clip(heard: Heard) -> None:
    rows = [
        clip("a", split="test", label="dog", tags=["wind"], description="rose", duration_s=0.1),
        clip("b", split="test", label="dog", description="something else"),
        clip("c", split="test", description="a dog barks"),
    ]
    table, _, aside, account = written(rows, "retrieval", minimum_duration_s=0.5)
    assert [(purpose, asked) for purpose, asked, _ in heard] == [
        ("test", {"labels": ["dog"], "wanted": ["1", "2", "3"]})
    ]
    assert list(table.index) == ["a", "b"]
    assert aside["c"].startswith("nothing_given")
    assert account.states["filtered"] == {"nothing_given": 1}


def test_descriptions_can_be_left_out(heard: Heard) -> None:
    rows = [clip("a", label="dog", description="close mic"), clip("b", description="a dog barks")]
    _, _, aside, _ = written(rows, use_descriptions=False)
    assert [asked for _, asked, _ in heard] == [{"labels": ["dog"], "wanted": ["1", "2", "3"]}]
    assert aside["b"].startswith("nothing_given")


def test_no_clips_at_all(heard: Heard) -> None:
    table, dropped, aside, account = written([])
    assert len(table) == len(dropped) == len(aside) == 0
    assert account.states["raw"] == 0


def test_the_door_reports_the_states(workplace: Path, heard: Heard) -> None:
    rows = [clip("dog", label="dog"), clip("poem", description="A poem"), clip("short", label="cat", duration_s=0.2)]
    for role in ("paired", "text"):
        save(workplace / f"data/roles/{role}.parquet", rows)
    save(workplace / "data/roles/retrieval.parquet", [clip("query", split="test", label="cat", duration_s=0.2)])
    write_params(workplace, rewrite={"minimum_duration_s": 0.5})
    rewrite.main()
    summary = read_json("reports/rewrite/summary.json")
    assert {role: part["states"]["accepted"] for role, part in summary.items()} == {
        "rewrite_paired": 1,
        "rewrite_text": 1,
        "rewrite_retrieval": 1,
    }
    assert list(CLIPS.read("data/captioned/retrieval.parquet")["clip_id"]) == ["query"]
    aside = pd.read_csv("reports/rewrite/set_aside.csv")
    assert sorted(aside["reason"].str.split(":").str[0]) == 2 * ["not_a_sound"] + 2 * ["too_short"]
    assert "set aside: 1 not_a_sound, 1 too_short" in Path("reports/rewrite/chapter.json").read_text()


def test_what_is_denied_is_never_captioned(workplace: Path) -> None:
    rows = [
        clip("none", description="No dog, no cat"),
        clip("birds", description="Birds singing in the forest, no traffic and no people"),
    ]
    for role in ("paired", "text", "retrieval"):
        save(workplace / f"data/roles/{role}.parquet", rows if role == "paired" else [])
    write_params(workplace, rewrite={})
    rewrite.main()
    table = CLIPS.read("data/captioned/paired.parquet").set_index("clip_id")["captions"]
    assert list(table.index) == ["birds"]
    told = " ".join(table["birds"]).lower()
    assert "birds singing in the forest" in told
    assert not any(word in told for word in ("traffic", "people", "dog", "cat "))
    aside = pd.read_csv("reports/rewrite/set_aside.csv").set_index("clip_id")["reason"]
    assert aside["none"].startswith("nothing_about_sound")


def test_few_real_descriptions_are_taken_for_no_sound(workplace: Path) -> None:
    if not SOUNDBIBLE.is_file():
        pytest.skip("no mirror of real descriptions here")
    data = json.loads(SOUNDBIBLE.read_text(encoding="utf-8"))["data"]
    rows = [clip(str(place), description=one["description"]) for place, one in enumerate(data)]
    table, _, aside, account = written(rows)
    assert account.states["raw"] == len(data) > 1200
    assert account.states["accepted"] >= 0.95 * len(data)
    assert aside.str.startswith("not_a_sound").sum() < 0.05 * len(data)
    for words in ("termites and ants crawling", "playing pool hitting ball", "log being tossed into lake"):
        assert any(words in text.lower() for texts in table["captions"] for text in texts)
