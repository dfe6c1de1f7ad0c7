from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import pytest
import yaml

from clapline.chapter import Block, read_chapter
from clapline.storage import read_json
from stages.captions.audit.__main__ import main
from tests.stages.captions.audited import PRICES, QUERIES, write_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a small run, not audited yet."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of a small run, audited."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    with contextlib.chdir(folder):
        main()
    return folder / "reports"


def tables(reports: Path) -> dict[str, Block]:
    blocks = read_chapter(reports / "audit").blocks
    return {block.columns[0] + "/" + block.columns[-1]: block for block in blocks if block.kind == "table"}


def column(block: Block, name: str) -> list:
    return [row[block.columns.index(name)] for row in block.rows]


def test_metrics_name_shares_tokens_and_cost(reports: Path) -> None:
    metrics = read_json(reports / "captions.json")
    level_1 = metrics["paraphrase"]["train_level_1"]
    assert level_1["accepted_share"] == 1
    assert level_1["askings_per_question"] == pytest.approx(4 / 3)
    # All prompts and half of the answers went through the batch API: 1 M × 2 × ½ + (0.25 M × ½ + 0.25 M) × 8.
    assert level_1["cost_usd"] == pytest.approx(1 + 3)
    assert metrics["paraphrase"]["train_level_2"]["accepted_share"] == pytest.approx(2 / 3, abs=1e-6)
    # Both levels stand in one question, whose tokens count with the first.
    assert metrics["paraphrase"]["train_level_2"]["cost_usd"] == 0
    assert metrics["paraphrase"]["train_level_2"]["askings_per_question"] is None
    assert metrics["paraphrase"]["test_level_1"]["cost_usd"] == 0
    assert metrics["stress"]["stress_typos"]["cost_usd"] == 0
    assert metrics["rewrite"]["rewrite_paired"]["accepted_share"] is None
    assert metrics["similarity"]["paraphrase"] == {
        "test_level_1": 0.9, "test_level_2": 0.7, "train_level_1": 0.9, "train_level_2": 0.7,
    }  # fmt: skip
    assert metrics["similarity"]["synthesize"] == {"new_en": 0.8}


def test_one_unknown_price_makes_the_total_unknown_and_is_named(reports: Path) -> None:
    metrics = read_json(reports / "captions.json")
    assert metrics["synthesize"]["synthesize_new"]["cost_usd"] is None
    assert metrics["total"]["cost_usd"] is None
    assert any(
        "other" in block.caption and "price" in block.caption for block in read_chapter(reports / "audit").blocks
    )


def test_known_prices_make_a_total(run: Path) -> None:
    prices = {**PRICES, "other": {"input": 100.0, "output": 0.0}}
    (run / "params.yaml").write_text(yaml.safe_dump({"audit": {"prices": prices}}))
    main()
    assert read_json("reports/captions.json")["total"]["cost_usd"] == pytest.approx(4.005)
    costs = tables(run / "reports")["stage/USD"]
    assert costs.rows[-1][0] == "total"
    assert costs.rows[-1][-1] == pytest.approx(4.005)
    assert sum(column(costs, "prompt tokens")[:-1]) == column(costs, "prompt tokens")[-1] == 1_000_350


def test_seen_words_are_told_by_where_they_were_seen(reports: Path) -> None:
    level_2 = read_json(reports / "captions.json")["seen"]["level_2"]
    # Brought in: locomotive, klaxon, hound. Training paraphrases brought in "hound"; the held-out clip's klaxon is not
    # training's.
    assert level_2["words_in_rewording"] == pytest.approx(1 / 3, abs=1e-6)
    assert level_2["words_in_training"] == pytest.approx(1 / 3, abs=1e-6)
    assert level_2["frames_in_training"] == 0
    shown = next(block for key, block in tables(reports).items() if key.startswith("level/"))
    assert "hound" in column(shown, "words seen most often")


def test_dropped_captions_are_counted_under_their_task_and_check(reports: Path) -> None:
    block = next(
        block for key, block in tables(reports).items() if key.startswith("stage/") and "accepted (%)" in block.columns
    )
    by_task = {row[1]: dict(zip(block.columns, row, strict=True)) for row in block.rows}
    assert by_task["train_level_2"]["words kept"] == 1
    assert by_task["train_level_2"]["at once (%)"] == pytest.approx(33.33)
    assert by_task["test_level_1"]["identical"] == by_task["test_level_2"]["identical"] == 1
    assert by_task["train_level_1"]["identical"] == 0
    rejects = tables(reports)["stage/what the check saw last"]
    assert sorted(column(rejects, "dropped")) == [1, 1, 1]
    # A query that reads "NA" is a text.
    assert column(rejects, "for example").count("NA") == 2


def test_every_block_of_the_chapter_is_there(reports: Path) -> None:
    blocks = read_chapter(reports / "audit").blocks
    figures = [block.file for block in blocks if block.kind == "figure"]
    assert figures == ["fates.svg", "overlap.svg", "similarity.svg"]
    words = {name: (reports / "audit" / str(name)).read_text() for name in figures}
    assert "dropped: words kept" in words["fates.svg"]
    assert re.search(r"at least 0\.8.*at most 0\.9.*at most 0\.6", words["overlap.svg"], re.DOTALL)
    assert re.search(r"at least 0\.75.*at least 0\.1.*at least 0\.6", words["similarity.svg"], re.DOTALL)
    examples = tables(reports)["purpose/similarity 2"]
    shown = {row[1]: row for row in examples.rows}
    assert shown[QUERIES[0]][0] == "test"
    assert shown["Birds chirp and wind blows"][4:] == ["(dropped)", None]
    distances = tables(reports)["dataset/words, paraphrase"]
    assert set(column(distances, "dataset")) == {"all", "clotho", "toy"}
    assert any("trian passes" in row for row in tables(reports)["kind/measure"].rows)
    assert column(tables(reports)["mixture/captions"], "captions") == ["A dog barks, then a man speaks"]
    variety = tables(reports)["measure/Clotho: phi-4"]
    assert variety.columns == ["measure", "own captions", "new", "Clotho: people", "Clotho: phi-4"]
    assert variety.rows[0][1:3] == [3, 1]


def test_a_second_run_writes_the_same_bytes(run: Path) -> None:
    def digests() -> dict[Path, str]:
        files = [path for path in sorted((run / "reports").rglob("*")) if path.is_file()]
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    main()
    first = digests()
    main()
    assert digests() == first


def test_empty_tables_leave_a_chapter_that_says_so(run: Path) -> None:
    write_run(run, texts=False)
    main()
    metrics = read_json("reports/captions.json")
    assert metrics["total"] == {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0}
    assert metrics["seen"] == {}
    said = " ".join(block.caption for block in read_chapter("reports/audit").blocks)
    assert "no paraphrases" in said
    assert (run / "reports/audit/fates.svg").is_file()


@pytest.mark.parametrize(
    "gone", ["data/captions/stress.parquet", "reports/mix/summary.json", "reports/paraphrase/dropped.csv"]
)
def test_a_stage_that_has_not_run_is_one_clear_line(run: Path, gone: str, capsys: pytest.CaptureFixture[str]) -> None:
    (run / gone).unlink()
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert gone in message
    assert not (run / "reports/audit").exists()
