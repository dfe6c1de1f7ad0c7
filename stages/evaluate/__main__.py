"""Door of the stage evaluate: teacher and student on every benchmark, with intervals, figures and examples."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from clapline.errors import door
from clapline.metrics.protocols import PROTOCOLS
from clapline.params.base import read_section, read_seed
from clapline.params.evaluate import Evaluate
from clapline.params.machine import Machine
from clapline.storage import atomic_folder, write_json
from clapline.tables.captions import PARAPHRASES, STRESS
from clapline.tables.clips import CLIPS
from clapline.tables.judgements import JUDGEMENTS
from clapline.tables.per_query import PER_QUERY
from stages.evaluate.encoded import Encoded, Suites, encode
from stages.evaluate.measure import Inputs, measure_all, suites_of
from stages.evaluate.parts import query_rows
from stages.evaluate.report import Findings, write_report
from stages.evaluate.results import MODELS, Result, compare, headline_metrics


@door
def main() -> None:
    """Read both models and the evaluation roles; write `reports/metrics.json` and `reports/evaluate/`."""
    settings, seed, machine = read_section("evaluate", Evaluate), read_seed(), read_section("machine", Machine)
    protocol = PROTOCOLS[settings.protocol]
    suites = suites_of(read_inputs(), settings, protocol)
    costs: dict[str, dict[str, Any]] = {}
    load = partial(load_and_encode, suites=suites, settings=settings, machine=machine, costs=costs)
    measured, student = measure_all(suites, settings.ensembles, load, settings.bootstrap_resamples, seed)
    parts = {name: of.parts for name, of in measured.items()}

    def beside(first: str, second: str) -> list[Result]:
        return [
            result
            for key, part in parts[first].items()
            for result in compare(part, parts[second][key], settings.bootstrap_resamples, seed, (first, second))
        ]

    results = beside(*MODELS)
    found = Findings(
        parts,
        {captions: {name: of.directions[captions] for name, of in measured.items()} for captions in suites.by_captions},
        {name: of.uncertainty for name, of in measured.items() if of.uncertainty},
        results,
        [beside("student", name) for name in settings.ensembles],
    )
    rows = [query_rows(part, name) for name, own in parts.items() for part in own.values()]
    with atomic_folder("reports/evaluate") as folder:
        PER_QUERY.write(folder / "per_query.parquet", pd.concat([frame for frame in rows if len(frame)]))
        write_report(folder, suites, found, student, protocol, settings.examples, seed)
    write_json("reports/metrics.json", headline_metrics(results, protocol))
    write_costs(costs)
    print(f"evaluate: {len(results)} measures of teacher and student; see reports/evaluate")


def read_inputs() -> Inputs:
    """Read the tables of the roles, and the other words of the retrieval captions."""
    paraphrases = PARAPHRASES.read("data/captions/paraphrases_test.parquet")
    return Inputs(
        CLIPS.read("data/captioned/retrieval.parquet"),
        paraphrases[paraphrases["purpose"] == "test"],
        STRESS.read("data/captions/stress.parquet"),
        JUDGEMENTS.read("data/roles/judgements.parquet"),
        CLIPS.read("data/roles/zero_shot.parquet"),
        CLIPS.read("data/roles/hierarchy.parquet"),
    )


def write_costs(costs: dict[str, dict[str, Any]]) -> None:
    """Write reports/cost/evaluate.json: measured seconds and bytes, which no output of a stage may hold."""
    from stages.evaluate.cost import with_training

    write_json(Path("reports/cost") / "evaluate.json", with_training(costs))


def load_and_encode(
    model: str, suites: Suites, settings: Evaluate, machine: Machine, costs: dict[str, dict[str, Any]]
) -> Encoded:
    """Load one model, encode everything that is asked about, note what it costs, and let the model go."""
    from clapline.model.clap import Clap
    from clapline.model.device import choose_device
    from clapline.model.encode import gallery_of_clips
    from stages.evaluate.cost import cost_of

    clap = Clap.from_pretrained(f"models/{model}" if model in MODELS else model).to(choose_device(machine.device))
    clips = partial(gallery_of_clips, clap, machine=machine, description=f"encode clips ({model})")
    encoded = encode(model, suites, clips, clap.encode_text_gaussians, settings.gaussian_score)
    costs[model] = cost_of(clap, next(suites.clips().itertuples(index=False)), suites.texts()[0])
    return encoded


if __name__ == "__main__":
    main()
