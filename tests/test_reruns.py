"""What an edit reruns: real `dvc repro` runs on tests/tiny.yaml in a copy of the repository.

The table is the project's promise (README.md, docs/design.md). Each case edits params.yaml (or a source file) once and
asserts the exact set of stages that ran; edits pile up, so no case can be answered from an earlier one's cache.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

TEACHER_AND_BELOW = {"teacher", "embed", "curate", "curated_topics", "student", "evaluate", "report"}
NEW_DATASET = {"download@more", "prepare@more", "fingerprint@more", "catalogue", "evaluate", "report"}
CAPTIONS_AND_BELOW = {"audit", "student", "evaluate", "richness", "topics", "curated_topics", "report"}


def set_value(params: dict, path: str, value: object) -> None:
    *sections, key = path.split(".")
    for section in sections:
        params = params.setdefault(section, {})
    params[key] = value


def knob(path: str, value: object) -> Callable[[dict], None]:
    return lambda params: set_value(params, path, value)


def add_dataset(name: str, role: str, split: str, **options: object) -> Callable[[dict], None]:
    def change(params: dict) -> None:
        counts = {"train": 8, "val": 4, "test": 4, "pool": 4, "single": 48}
        entry = {"kind": "soundscapes", "seed": 1, "duration_s": 2.0, **counts, **options}
        params["datasets"].setdefault(name, entry)
        params["roles"][role].append({"dataset": name, "where": {"split": [split]}})

    return change


# In this order. Every change of params.yaml also runs `settings`.
EDITS: dict[str, tuple[Callable[[dict], None], set[str]]] = {
    "machine": (knob("machine.workers", 1), set()),
    "report": (knob("report.title", "another title"), {"report"}),
    "evaluate": (knob("evaluate.bootstrap_resamples", 60), {"evaluate", "report"}),
    "richness": (knob("richness.mtld_threshold", 0.7), {"richness", "report"}),
    "topics": (knob("topics.neighbours", 10), {"topics", "curated_topics", "report"}),
    # Another map of the same topics.
    "topics, shown": (knob("topics.shown_topics", 1), {"topics", "report"}),
    "student": (knob("student.steps", 7), {"student", "evaluate", "report"}),
    "embed, into other shards": (knob("embed.clips_per_shard", 5), {"embed", "curate", "report"}),
    # Other last digits of the similarities, the same pairs: the student trains again and comes out the same.
    "embed": (knob("embed.precision", "fp16"), {"embed", "curate", "curated_topics", "student", "report"}),
    "curate": (
        knob("curate.maximum_captions_per_clip", 3),
        {"curate", "curated_topics", "student", "evaluate", "report"},
    ),
    "paraphrase": (knob("paraphrase.captions_per_clip", 3), {"paraphrase", *CAPTIONS_AND_BELOW}),
    "synthesize": (knob("synthesize.captions_per_clip", 3), {"synthesize", *CAPTIONS_AND_BELOW}),
    "stress": (knob("stress.kinds", ["typos"]), {"stress", "audit", "evaluate", "report"}),
    "mix": (knob("mix.clips", 5), {"mix", "audit", "student", "evaluate", "report"}),
    "audit": (knob("audit.prices", {"builtin": {"input": 0.1, "output": 0.2}}), {"audit", "report"}),
    "teacher": (knob("teacher.steps", 7), TEACHER_AND_BELOW),
    "a role": (
        lambda params: params["roles"]["unpaired"][0].update(share=[0.0, 0.5]),
        {"catalogue", "embed", "curate", "curated_topics", "student", "evaluate", "report"},
    ),
    "rewrite where every clip has captions": (knob("rewrite.captions_per_clip", 2), {"rewrite", "report"}),
    "prepare without effect on the clips": (knob("prepare.silence_dbfs", -95.0), {"prepare@soundscapes", "report"}),
    "leakage without effect on the roles": (knob("leakage.minimum_score", 0.2), {"catalogue", "report"}),
    "further zero-shot dataset": (add_dataset("more", "zero_shot", "single"), NEW_DATASET),
    "further retrieval dataset": (
        add_dataset("more2", "retrieval", "test", seed=2),
        {
            *("download@more2", "prepare@more2", "fingerprint@more2", "catalogue"),
            *("rewrite", "paraphrase", "stress", "audit", "evaluate", "report"),
        },
    ),
    "seed": (knob("seed", 1), {"catalogue", "mix", "audit", "topics", *TEACHER_AND_BELOW}),
}


class Copy:
    """A copy of the checkout with its own git history, stores and cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in filter(None, names):
            if (ROOT / name).is_file() and name not in {"dvc.lock", "reports/metrics.json"}:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests/tiny.yaml", folder / "params.yaml")
        binaries = str(Path(sys.executable).parent)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("CLAPLINE_", "DVC_", "GIT_"))},
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
        }
        self.git("init", "-q")
        self.git("config", "user.email", "test@example.org")
        self.git("config", "user.name", "test")
        self.commit("start")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result

    def git(self, *words: str) -> None:
        self.run("git", *words)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def repro(self) -> set[str]:
        """Run `dvc repro` and return the stages that ran."""
        return set(re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro").stdout))

    def edit(self, change: Callable[[dict], None]) -> None:
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        change(params)
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def stored(self) -> dict[str, int]:
        """Return what the stores of paid and downloaded things hold, by path and size."""
        stores = [self.folder / ".work" / name for name in ("replies", "downloads")]
        assert all(store.is_dir() for store in stores)
        return {str(path): path.stat().st_size for store in stores for path in store.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Copy:
    made = Copy(tmp_path_factory.mktemp("copy"))
    everything = made.repro()
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {name.split("@")[0] for name in everything} == set(stages)
    made.commit("first run")
    return made


def test_settings_run_before_anything_else(copy):
    """A bad setting stops the run before a stage has done work: `settings` is the first stage of all."""
    (copy.folder / "params.yaml").write_text((copy.folder / "params.yaml").read_text() + "\nunknown_section: 1\n")
    result = copy.run("dvc", "repro", check=False)
    copy.git("checkout", "params.yaml")
    assert result.returncode != 0
    assert re.findall(r"Running stage '([^']+)'", result.stdout) == ["settings"]
    assert "unknown_section" in result.stderr


def test_a_second_run_skips_every_stage(copy):
    assert copy.repro() == set()


def test_metrics_are_committed_small_and_compared(copy):
    metrics = json.loads((copy.folder / "reports/metrics.json").read_text())
    leaves = [value for model in metrics.values() for part in model.values() for value in flat(part)]
    assert 10 <= len(leaves) <= 60
    assert "student" in copy.run("dvc", "metrics", "show").stdout
    assert copy.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def flat(value: object) -> list[float]:
    return [leaf for item in value.values() for leaf in flat(item)] if isinstance(value, dict) else [value]


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_exactly_what_it_must(copy, name):
    change, expected = EDITS[name]
    copy.edit(change)
    assert copy.repro() == {"settings", *expected}


def test_a_benchmark_that_leaks_into_training_retrains_and_says_so(copy):
    def change(params: dict) -> None:
        twin = dict(params["datasets"]["soundscapes"])
        params["datasets"]["twin"] = twin
        params["roles"]["retrieval"].append({"dataset": "twin", "where": {"split": ["train"]}, "share": [0.0, 0.3]})

    copy.edit(change)
    result = copy.run("dvc", "repro")
    ran = set(re.findall(r"Running stage '([^']+)'", result.stdout))
    captions = {"rewrite", "paraphrase", "synthesize", "mix", "audit", "richness", "topics"}
    assert {"catalogue", *captions, *TEACHER_AND_BELOW} <= ran
    assert re.search(r"catalogue: [1-9]\d* clips left the training roles", result.stdout)


def test_source_edits(copy):
    page = copy.folder / "stages/report/__main__.py"
    page.write_text(page.read_text() + "\n# a comment\n")
    assert copy.repro() == {"report"}
    loss = copy.folder / "clapline/objectives/contrastive.py"
    text = loss.read_text()
    assert "return 0.5 * (" in text
    loss.write_text(text.replace("return 0.5 * (", "return 0.6 * ("))
    pairs = copy.folder / "data/curated/pairs.parquet"
    before = pairs.read_bytes()
    ran = copy.repro()
    # Where the other teacher picks the same pairs, their topics stay as they are.
    assert ran == TEACHER_AND_BELOW - (set() if pairs.read_bytes() != before else {"curated_topics"})


def test_a_temporary_experiment_pays_and_downloads_nothing_twice(copy):
    """In `dvc exp run --temp` the stores are the real repository's: no reply and no file is fetched again."""
    copy.commit("before the experiment")
    before = copy.stored()
    result = copy.run("dvc", "exp", "run", "--temp", "-S", "student.steps=8", "-n", "longer")
    assert set(re.findall(r"Running stage '([^']+)'", result.stdout)) == {"settings", "student", "evaluate", "report"}
    # Even stages that are forced to run again ask and fetch nothing.
    forced = copy.run("dvc", "exp", "run", "--temp", "-f", "-s", "download@soundscapes", "paraphrase")
    assert "Running stage 'paraphrase'" in forced.stdout
    assert copy.stored() == before
    shown = copy.run("dvc", "exp", "show", "--csv").stdout
    assert "longer" in shown
    assert "student.steps" in shown
