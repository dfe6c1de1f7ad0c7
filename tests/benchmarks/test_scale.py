"""docs/scale.md holds what benchmarks/scale.py prints, and its figures follow from sizes and rates."""

from __future__ import annotations

import dataclasses
import re
import sys

import pytest
import yaml

from benchmarks import scale
from benchmarks.scale import AUDIO, RECIPES, ROOT, SIZES, TEXT, Rates, count, estimate, main, splits_of, tables

DOCUMENT = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
RATES = Rates()


def values_of(recipe: str) -> dict:
    return yaml.safe_load((ROOT / "recipes" / f"{recipe}.yaml").read_text(encoding="utf-8"))


def figures(recipe: str, **changes: float) -> dict[str, float]:
    found = estimate(recipe, dataclasses.replace(RATES, **changes))
    return {heading: value for table in found.values() for heading, value in table.items()}


@pytest.mark.parametrize("number", range(len(tables(RATES))))
def test_the_document_holds_what_the_script_prints(number: int):
    assert tables(RATES)[number] in DOCUMENT, "run python benchmarks/scale.py"


def test_the_script_prints_them(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scale.py"])
    main()
    assert capsys.readouterr().out == "\n\n".join(tables(RATES)) + "\n"


@pytest.mark.parametrize("recipe", ["thesis", "robustclap", "unsupervised", "prolap"])
def test_the_page_of_a_paper_has_its_cost(recipe: str):
    found, text = figures(recipe), (ROOT / "docs" / "papers" / f"{recipe}.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^- Cost, \*\*estimated\*\*.*(?:\n  .*)*", text, re.MULTILINE)
    hours = {
        "GPU hours (A100)": ("teacher, GPU h", "student, GPU h", "embed, GPU h"),
        "CPU hours": ("prepare, fingerprint, CPU h", "decoding for training, CPU h", "for embed, CPU h"),
        "GB of disk": ("in all, GB",),
    }
    for unit, headings in hours.items():
        assert f"{scale._short(sum(found[heading] for heading in headings))} {unit}" in line
    asked = [f"({scale._short(found['cost, USD'])} USD", f"{scale._short(found['own server, h'])} hours of a server"]
    assert all(words in line for words in asked) == bool(found["requests"]) == ("requests" in line)


def test_a_rate_is_an_option(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scale.py", "--input-usd", "0", "--output-usd", "0"])
    main()
    assert tables(dataclasses.replace(RATES, input_usd=0, output_usd=0))[2] in capsys.readouterr().out


def test_every_rate_stands_in_the_document():
    for field in dataclasses.fields(Rates):
        (row,) = re.findall(rf"^\| `{field.name}` \|.*$", DOCUMENT, re.MULTILINE)
        number = float(row.split("|")[2].strip().replace(",", ""))
        assert number == pytest.approx(field.default, rel=1e-3), field.name
        assert ("assumed" in row) == (field.name in {"answered_tokens_per_s", "tokens_per_text"})


def test_every_recipe_is_there():
    full = {path.stem for path in (ROOT / "recipes").glob("*.yaml") if not path.stem.endswith(("-mini", "-low"))}
    assert set(RECIPES) == full


def test_doubling_a_rate_halves_the_hours():
    before = figures("everything")
    faster = figures("everything", search_gflops=2 * RATES.search_gflops, utilisation=2 * RATES.utilisation)
    for heading in ("search on two cores, h", "teacher, GPU h", "student, GPU h", "embed, GPU h"):
        assert faster[heading] == pytest.approx(before[heading] / 2)
    quicker = figures("everything", answered_tokens_per_s=2 * RATES.answered_tokens_per_s)
    assert quicker["own server, h"] == pytest.approx(before["own server, h"] / 2)
    changed = {heading for heading, value in before.items() if value != faster[heading]}
    assert changed == {"search on two cores, h", "teacher, GPU h", "student, GPU h", "embed, GPU h"}


def test_doubling_seconds_or_prices_doubles_what_follows():
    before = figures("robustclap")
    slower = figures("robustclap", prepare_cpu_s_per_h=2 * RATES.prepare_cpu_s_per_h)
    dearer = figures("robustclap", input_usd=2 * RATES.input_usd, output_usd=2 * RATES.output_usd)
    heading = "prepare, fingerprint, CPU h"
    assert slower[heading] == pytest.approx(2 * before[heading])
    assert dearer["cost, USD"] == pytest.approx(2 * before["cost, USD"])


def test_steps_are_those_that_the_headers_of_the_recipes_tell():
    """thesis: as many for both; everything: some 20 passes over the original pairs are 16,500 steps."""
    thesis = figures("thesis")
    assert thesis["teacher, steps"] == thesis["student, steps"] == -(-20 * 3839 * 5 // 16)
    assert figures("everything")["student, steps"] == 16500
    assert figures("unsupervised")["student, steps"] == pytest.approx(16500, rel=0.01)


def test_questions_are_those_that_the_headers_of_the_recipes_tell():
    """robustclap: some 138,000 paraphrases; everything: some 210,000, and new captions for 82,000 clips."""
    assert 2 * count(values_of("robustclap"), "paired")[2] == pytest.approx(138_000, rel=0.01)
    clips, _, reworded, *_ = count(values_of("everything"), "paired")
    assert 2 * reworded == pytest.approx(210_000, rel=0.01)
    assert clips == pytest.approx(82_000, rel=0.01)


def test_a_role_is_counted_by_its_splits():
    assert count(values_of("thesis"), "paired")[:2] == [3839, 19195]
    assert count(values_of("thesis"), "retrieval")[:2] == [1045, 5225]
    assert count(values_of("robustclap"), "retrieval")[0] == 975 + 1045 + 4947 + 16996
    assert count(values_of("urban"), "retrieval")[:2] == [400, 1200]
    assert splits_of({"kind": "audiocaps", "version": 1, "splits": ["test"]}) == {"test": (975, 5.0)}


def test_decoding_is_of_the_clips_that_are_drawn():
    """A clip of five captions is drawn five times a pass; half of `unsupervised`'s student batches are curated."""
    clips, captions, _, by_clip, by_caption = count(values_of("robustclap"), "paired")
    assert by_clip / clips < by_caption / captions < 22.5  # Clotho's clips are long, and have five captions each
    steps = figures("robustclap")["student, steps"]
    hours = 96 * steps * by_caption / captions / 3600
    seconds = 3600 * figures("robustclap")["decoding for training, CPU h"]
    assert seconds == pytest.approx(hours * RATES.decode_cpu_s_per_h)
    unsupervised, (_, captions, _, _, by_caption) = figures("unsupervised"), count(values_of("unsupervised"), "paired")
    a_pass = 128 * unsupervised["teacher, steps"] / 3600
    hours = a_pass * by_caption / captions + a_pass * (by_caption / captions + 10.0) / 2
    assert 3600 * unsupervised["decoding for training, CPU h"] == pytest.approx(hours * RATES.decode_cpu_s_per_h)
    pool_h = 2.04e6 * 10 / 3600
    assert unsupervised["for embed, CPU h"] == pytest.approx(pool_h * RATES.decode_cpu_s_per_h / 3600, rel=0.01)


def test_the_share_of_the_peak_is_that_of_the_published_run():
    """DCASE 2025's baseline, of the thesis' pairs: 20 epochs in 2 h 16 min on an A40 of 149.7 TFLOP/s."""
    flops = figures("thesis")["teacher, GPU h"] * 3600e12 * RATES.bf16_tflops * RATES.utilisation
    assert flops / (136 * 60) / 149.7e12 == pytest.approx(RATES.utilisation, abs=0.01)


def test_without_a_served_model_or_a_pool_nothing_is_asked_or_searched():
    prolap = figures("prolap")
    for heading in ("requests", "cost, USD", "search on two cores, h", "embed, GPU h", "embeddings, GB"):
        assert prolap[heading] == 0


def test_the_search_is_that_of_the_measured_run():
    """RESULTS.md: 500,000 clips × 50,000 captions × 512 in 74.4 s."""
    assert 2 * 500_000 * 50_000 * 512 / (RATES.search_gflops * 1e9) == pytest.approx(74.4, rel=0.01)
    assert "| threshold | clapline (bfloat16 proposes) | 74.4 | 145.5 | 344 |" in (
        ROOT / "benchmarks/RESULTS.md"
    ).read_text(encoding="utf-8")


def test_epochs_are_counted_over_captions_as_the_recipes_say():
    """`estimate` knows no other pass."""
    for recipe in RECIPES:
        for name in ("teacher", "student"):
            section = values_of(recipe)[name]
            assert section["steps"] is not None or section["pass_over"] == "captions", (recipe, name)


def test_every_size_and_tower_is_used():
    kinds, towers, texts = set(), set(), set()
    for recipe in RECIPES:
        values = values_of(recipe)
        kinds |= {options["kind"] for options in values["datasets"].values()}
        model = values["teacher"]["model"]
        towers.add(model.get("start") or model["audio"]["kind"])
        texts.add(model.get("start") or model["text"]["model"])
    assert kinds - set(SIZES) == {"dcase2025_relevance"}
    assert set(SIZES) <= kinds
    assert (set(AUDIO), set(TEXT)) == (towers, texts)


def test_the_script_is_small():
    assert len((ROOT / "benchmarks" / "scale.py").read_bytes()) < 14_000
    assert scale.__doc__.startswith("`python benchmarks/scale.py`")
