"""Door of the stage evaluate: teacher and student on every benchmark, with intervals, figures and examples."""

from __future__ import annotations

from functools import partial

import pandas as pd

from clapline.errors import door
from clapline.params.base import read_section, read_seed
from clapline.params.evaluate import Evaluate
from clapline.params.machine import Machine
from clapline.storage import atomic_folder, write_json
from clapline.tables.captions import PARAPHRASES, STRESS
from clapline.tables.clips import CLIPS
from clapline.tables.per_query import PER_QUERY
from stages.evaluate.benchmarks import hierarchy_benchmarks, retrieval_benchmarks, zero_shot_benchmarks
from stages.evaluate.encoded import Encoded, Suites, encode
from stages.evaluate.parts import Part, query_rows, retrieval_parts, traversal_part, zero_shot_part
from stages.evaluate.report import write_report
from stages.evaluate.results import MODELS, compare, headline_metrics

Parts = dict[tuple[str, str], Part]


@door
def main() -> None:
    """Read both models and the evaluation roles; write `reports/metrics.json` and `reports/evaluate/`."""
    settings, seed, machine = read_section("evaluate", Evaluate), read_seed(), read_section("machine", Machine)
    paraphrases = PARAPHRASES.read("data/captions/paraphrases_test.parquet")
    suites = Suites(
        retrieval_benchmarks(
            CLIPS.read("data/captioned/retrieval.parquet"),
            paraphrases[paraphrases["purpose"] == "test"],
            STRESS.read("data/captions/stress.parquet"),
        ),
        zero_shot_benchmarks(CLIPS.read("data/roles/zero_shot.parquet"), settings.prompts),
        hierarchy_benchmarks(CLIPS.read("data/roles/hierarchy.parquet")),
    )
    parts: dict[str, Parts] = {}
    encoded: dict[str, Encoded] = {}
    rows: list[pd.DataFrame] = []
    for model in MODELS:
        encoded.clear()  # one model's clips at a time: as frames they take gigabytes
        encoded[model] = load_and_encode(model, suites, machine)
        measured = [part for benchmark in suites.retrieval for part in retrieval_parts(benchmark, encoded[model])]
        measured += [zero_shot_part(benchmark, encoded[model]) for benchmark in suites.zero_shot]
        measured += [traversal_part(benchmark, encoded[model]) for benchmark in suites.hierarchy]
        parts[model] = {(part.dataset, part.name): part for part in measured}
        benchmarks = {benchmark.dataset: benchmark for benchmark in suites.retrieval}
        rows += [query_rows(benchmarks[part.dataset], part, model) for part in measured if "ranks" in part.details]
    results = [
        result
        for key, part in parts["teacher"].items()
        for result in compare(part, parts["student"][key], settings.bootstrap_resamples, seed)
    ]
    with atomic_folder("reports/evaluate") as folder:
        PER_QUERY.write(folder / "per_query.parquet", pd.concat(rows, ignore_index=True))
        write_report(folder, suites, parts, encoded["student"], results, settings.examples, seed)
    write_json("reports/metrics.json", headline_metrics(results))
    print(f"evaluate: {len(results)} measures of teacher and student; see reports/evaluate")


def load_and_encode(model: str, suites: Suites, machine: Machine) -> Encoded:
    """Load one model, encode everything that is asked about, and let the model go."""
    from clapline.model.clap import Clap
    from clapline.model.device import choose_device
    from clapline.model.encode import gallery_of_clips

    clap = Clap.from_pretrained(f"models/{model}").to(choose_device(machine.device))
    clips = partial(gallery_of_clips, clap, machine=machine, description=f"encode clips ({model})")
    return encode(model, suites, clips, clap.encode_texts)


if __name__ == "__main__":
    main()
