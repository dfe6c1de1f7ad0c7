from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clapline.chapter import read_chapter
from clapline.params.captions import Synthesize
from clapline.params.machine import Machine
from clapline.storage import read_json
from clapline.tables.captions import DROPPED, SYNTHETIC
from clapline.tables.clips import CLIPS
from stages.captions import checks, synthesize
from stages.captions.accounts import Account
from stages.captions.asking import Accepted, Outcome
from stages.captions.events import new_event
from stages.captions.synthesizing import Synthesis, Wish, synthesized
from stages.captions.translating import BACK_TRANSLATE_TRAIN, back_translation
from stages.train.sources import paired_source
from tests.stages.captions.fault_server import FaultServer, completion
from tests.stages.captions.places import clip, save, write_params

ALL = {"back_translations": 2, "word_edits": 2}
LEXICAL = {"similarity": {"model": "lexical"}}
MACHINE = Machine(progress=False)
TABLE = Path("data/captions/synthetic.parquet")
GERMAN = {
    "A dog barks while rain falls on the roof": "Ein Hund bellt, während Regen auf das Dach fällt.",
    "A man speaks followed by clicking of a keyboard": "Ein Mann spricht, danach klickt eine Tastatur.",
    "Birds chirp in the distance and wind blows": "Vögel zwitschern in der Ferne und der Wind weht.",
}


def clips() -> pd.DataFrame:
    return CLIPS.read("data/captioned/paired.parquet")


def run(workplace: Path, machine: dict[str, Any] | None = None, **section: Any) -> pd.DataFrame:
    write_params(workplace, synthesize={**LEXICAL, **section}, machine=machine or {})
    synthesize.main()
    return SYNTHETIC.read(TABLE)


def test_each_kind_is_checked_against_its_clip_and_counted(workplace: Path) -> None:
    table = run(workplace, **ALL)
    captions = clips().set_index("clip_id")["captions"]
    assert set(table["kind"]) == {"new", "back_translation", "word_edit"}
    assert set(table["language"]) == {"en"}
    assert "held" not in set(table["clip_id"])
    for row in table.itertuples():
        given = captions[row.clip_id]
        if row.kind == "new":
            assert checks.new_caption(given, [], row.text) is None
            assert new_event(given, row.text) is None
        elif row.kind == "back_translation":
            assert any(back_translation(caption, row.text) is None for caption in given)
        else:
            assert row.model == "rule"
            assert row.prompt_version == "word-edits-2"
        assert row.similarity >= 0.1
        assert row.similarity_measure == "lexical"
    for _, rows in table.groupby("clip_id"):
        assert rows["text"].str.lower().is_unique
        assert rows["caption_index"].is_unique
    summary = read_json("reports/synthesize/summary.json")
    assert set(summary) == {"synthesize_new", "synthesize_back_translation", "synthesize_word_edit"}
    listed = pd.read_csv("reports/synthesize/dropped.csv")
    for kind, rows in table.groupby("kind"):
        account = summary[f"synthesize_{kind}"]
        assert account["accepted"] == len(rows)
        assert account["dropped"] == (listed["task"] == f"synthesize_{kind}").sum()
        assert account["captions"] == account["accepted"] + account["dropped"]
    assert summary["synthesize_word_edit"]["questions"] == 0


def test_the_order_of_the_rows_changes_nothing(workplace: Path) -> None:
    section = Synthesize(captions_per_clip=3, **ALL, **LEXICAL)
    paired = clips()
    paired.at[0, "tags"] = ["siren"]

    def by_clip(rows: pd.DataFrame) -> dict[Any, Any]:
        table = SYNTHETIC.frame(synthesized(rows, section, MACHINE).rows)
        columns = ["clip_id", "caption_index", "text", "kind"]
        return {tuple(row[:2]): tuple(row[2:]) for row in table[columns].itertuples(index=False)}

    forward = by_clip(paired)
    assert forward == by_clip(paired.iloc[::-1]) == by_clip(paired.sample(frac=1, random_state=3))


def test_only_the_clips_own_tags_are_offered(workplace: Path) -> None:
    seen: dict[str, list[str]] = {}

    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        asked = json.loads(messages[1]["content"])
        seen[asked["captions"][0]] = asked["tags"]
        return {}

    rows = [clip(name, captions=[f"A sound of {name} is heard"], tags=[name]) for name in ("rain", "wind", "bells")]
    rows.append(clip("none", captions=["A sound of something is heard"]))
    save(workplace / "data/captioned/paired.parquet", rows)
    with FaultServer(answer).running() as server:
        run(workplace, {"base_url": server.url}, model="served", attempts=1)
    assert seen == {f"A sound of {name} is heard": [name] for name in ("rain", "wind", "bells")} | {
        "A sound of something is heard": []
    }


def test_a_tag_allows_its_event_and_another_clips_tag_does_not(workplace: Path) -> None:
    text = "A siren is heard among the noise of a street"

    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        return {"1": text}

    same = ["The noise of a street is heard"]
    rows = [clip("tagged", captions=same, tags=["siren"]), clip("bare", captions=same, tags=["street"])]
    save(workplace / "data/captioned/paired.parquet", rows)
    with FaultServer(answer).running() as server:
        table = run(workplace, {"base_url": server.url}, model="served", captions_per_clip=1)
    assert list(table["clip_id"]) == ["tagged"]
    (lost,) = pd.read_csv("reports/synthesize/dropped.csv").itertuples()
    assert lost.clip_id == "bare"
    assert lost.reason.startswith("new_event: ")
    assert lost.attempts == 3


def test_a_numbered_list_is_read_and_missing_captions_alone_are_asked_again(workplace: Path) -> None:
    texts = [
        "Barking is heard from a dog in the rain",
        "Rain on a roof and a barking dog",
        "While the dog barks, rain keeps falling",
        "The roof is wet with rain as a dog barks",
        "Dog barks mix with rain on a roof",
    ]
    wanted: list[list[str]] = []

    def script(body: dict[str, Any], count: int) -> tuple[int, Any, dict[str, str]]:
        names = json.loads(body["messages"][-1]["content"])["wanted"]
        wanted.append(names)
        lines = [f"{name}. {texts[int(name) - 1]}" for name in (names[:3] if len(wanted) == 1 else names)]
        return 200, completion("\n".join(lines)), {}

    save(
        workplace / "data/captioned/paired.parquet", [clip("c", captions=["A dog barks while rain falls on the roof"])]
    )
    with FaultServer(script=script).running() as server:
        table = run(workplace, {"base_url": server.url}, model="served")
    assert list(table["text"]) == texts
    assert list(table["attempts"]) == [1, 1, 1, 2, 2]
    assert wanted == [["1", "2", "3", "4", "5"], ["4", "5"]]


def test_translations_are_checked_for_language_and_their_meaning_is_not_measured(workplace: Path) -> None:
    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        asked = json.loads(messages[1]["content"])
        german = asked["language"] == "de" and len(asked["caption"]) > 43
        return {"text": GERMAN[asked["caption"]] if german else f"There is this: {asked['caption']}"}

    rows = [clip(str(k), captions=[caption]) for k, caption in enumerate(GERMAN)]
    save(workplace / "data/captioned/paired.parquet", rows)
    with FaultServer(answer).running() as server:
        table = run(
            workplace, {"base_url": server.url}, model="served", captions_per_clip=0, languages=["de", "ja", "de"]
        )
    assert list(table["text"]) == [GERMAN[caption] for caption in GERMAN if len(caption) > 43]
    assert set(table["kind"]) == {"translation"}
    assert set(table["language"]) == {"de"}
    assert set(table["similarity_measure"]) == {"none"}
    assert all(map(math.isnan, table["similarity"]))
    summary = read_json("reports/synthesize/summary.json")
    assert set(summary) == {"synthesize_translation_de", "synthesize_translation_ja"}
    assert summary["synthesize_translation_ja"]["accepted"] == 0
    reasons = pd.read_csv("reports/synthesize/dropped.csv")["reason"].str.partition(":")[0]
    assert set(reasons) == {"language"}


def test_a_served_round_trip_names_a_pivot_and_is_checked(workplace: Path) -> None:
    pivots: Counter[str] = Counter()

    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        asked = json.loads(messages[1]["content"])
        pivots[asked["pivot"]] += 1
        number = int(asked["caption"].split("door")[1].split(" ")[0])
        text = f"The door{number} of a house is slammed"
        return {"text": "Die Tür wird zugeschlagen und es ist laut" if number % 5 == 0 else text}

    captions = [f"A door{number} slams in a house" for number in range(40)]
    save(
        workplace / "data/captioned/paired.parquet",
        [clip(f"{k:02}", captions=captions[k : k + 4]) for k in range(0, 40, 4)],
    )
    with FaultServer(answer).running() as server:
        table = run(
            workplace, {"base_url": server.url}, model="served", captions_per_clip=0, back_translations=10, attempts=1
        )
    assert set(pivots) == {"German", "French", "Spanish", "Japanese", "Finnish"}
    assert len(table) == 32
    assert set(table["prompt_version"]) == {BACK_TRANSLATE_TRAIN.version}
    assert Counter(pd.read_csv("reports/synthesize/dropped.csv")["reason"].str.partition(":")[0]) == {"language": 8}


def test_a_text_that_the_clip_has_already_is_dropped(workplace: Path) -> None:
    given = "A door slams in a house"

    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        return {"1": "In a house, a door slams", "text": "In a house, a door slams."}

    save(workplace / "data/captioned/paired.parquet", [clip("c", captions=[given])])
    with FaultServer(answer).running() as server:
        table = run(workplace, {"base_url": server.url}, model="served", captions_per_clip=1, back_translations=1)
    assert list(table["kind"]) == ["new"]
    (lost,) = pd.read_csv("reports/synthesize/dropped.csv").itertuples()
    assert lost.task == "synthesize_back_translation"
    assert lost.reason.startswith("identical: ")
    assert read_json("reports/synthesize/summary.json")["synthesize_back_translation"]["dropped"] == 1


def test_the_examples_are_of_what_was_kept(workplace: Path) -> None:
    def answer(messages: list[dict[str, str]]) -> dict[str, str]:
        return {"1": "In a house, a door slams", "text": "In a house, a door slams."}

    save(workplace / "data/captioned/paired.parquet", [clip("c", captions=["A door slams in a house"])])
    with FaultServer(answer).running() as server:
        table = run(workplace, {"base_url": server.url}, model="served", captions_per_clip=1, back_translations=1)
    shown = read_chapter("reports/synthesize").blocks[-1].rows
    assert [(row[0], row[2]) for row in shown] == list(zip(table["kind"], table["text"], strict=True))


@pytest.mark.parametrize(
    ("language", "captions", "texts", "kept"),
    [
        ("ja", ["A dog barks twice", "Water drips twice"], ["犬が2回吠える", "水が2回滴る"], 2),
        ("ja", ["A dog barks twice", "Two barks of a dog"], ["犬が2回吠える", "犬が2回吠える。"], 1),
        ("fr", ["A dog barks", "A dog barks a lot"], ["L'été, chien aboie", "L'âté, chien aboie"], 2),
    ],
)
def test_translations_are_told_apart_by_all_they_say(
    language: str, captions: list[str], texts: list[str], kept: int
) -> None:
    (row,) = CLIPS.frame([clip("c", captions=captions)]).itertuples(index=False)
    outcomes = [Outcome({"text": Accepted(text, 1)}) for text in texts]
    wishes = [Wish(row, caption) for caption in captions]
    written = Synthesis()
    written.settle("translation", language, wishes, outcomes, Account("t", "m", "p"), "none")
    assert [row["text"] for row in written.rows] == texts[:kept]
    assert len(written.dropped) == 2 - kept


def test_a_caption_that_came_back_untranslated_is_dropped() -> None:
    (row,) = CLIPS.frame([clip("c", captions=["Footsteps"])]).itertuples(index=False)
    written = Synthesis()
    outcome = Outcome({"text": Accepted("footsteps.", 1)})
    written.settle("translation", "de", [Wish(row, "Footsteps")], [outcome], Account("t", "m", "p"), "none")
    assert not written.rows


@pytest.mark.parametrize("rows", [[], [clip("held", split="val", captions=["A cat meows"])]], ids=["none", "held out"])
def test_no_training_clip_gives_an_empty_table(workplace: Path, rows: list[dict[str, Any]]) -> None:
    save(workplace / "data/captioned/paired.parquet", rows)
    assert run(workplace, **ALL).empty


def test_nothing_asked_for_gives_an_empty_table(workplace: Path) -> None:
    assert run(workplace, captions_per_clip=0).empty
    assert read_json("reports/synthesize/summary.json") == {}
    assert DROPPED.frame(pd.read_csv("reports/synthesize/dropped.csv").to_dict("records")).empty


def test_new_captions_may_be_off_while_others_are_on(workplace: Path) -> None:
    table = run(workplace, captions_per_clip=0, word_edits=1)
    assert set(table["kind"]) == {"word_edit"}
    assert len(table) == 6
    assert set(table["caption_index"]) == {0}


def test_another_kind_leaves_the_texts_of_the_first_alone(workplace: Path) -> None:
    alone = run(workplace)
    both = run(workplace, **ALL)
    again = both[both["kind"] == "new"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, again)


def test_the_same_run_writes_the_same_bytes(workplace: Path) -> None:
    run(workplace, **ALL)
    first = TABLE.read_bytes()
    run(workplace, **ALL)
    assert TABLE.read_bytes() == first


def test_the_student_draws_all_kinds_by_clip(workplace: Path) -> None:
    table = run(workplace, **ALL)
    train = clips()[clips()["split"] == "train"]
    keys = list(zip(train["dataset"], train["clip_id"], strict=True))
    source = paired_source(train, {key: place for place, key in enumerate(keys)}, 1.0, table)
    assert [len(texts) for texts in source.synthetic] == [(table["clip_id"] == clip_id).sum() for _, clip_id in keys]
