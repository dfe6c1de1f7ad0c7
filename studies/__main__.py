"""Run a paper's arms over several seeds as DVC experiments: `python -m studies robustclap-mini`; `make study NAME=…`.

What is finished is not run again, so a study that was broken off goes on where it stopped. Each trial (an arm with a
seed) runs in a folder of its own and leaves the workspace alone. Writes reports/studies/NAME.md and .html, after every
trial, from what there is.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from clapline.errors import UserError, door
from clapline.progress import progress_bar
from clapline.storage import store
from studies.definition import Study, read_study
from studies.experiments import finished, git, refuse_uncommitted_code
from studies.page import draw, write_page
from studies.results import Measured, against_control, datasets_of, judge, read_arm
from studies.running import run_all
from studies.text import Part, against, arms, claims, published, results, words
from studies.trials import Trial, trials_of

REPORTS = Path("reports/studies")


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe that has a study: robustclap, robustclap-mini, …")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--arms", nargs="+", default=[], help="default: all")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=10_000, help="of the intervals (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="run nothing: write the page from what is finished")
    parser.add_argument("--list", action="store_true", help="run nothing: print the trials and their revisions")
    return parser.parse_args(arguments)


@door
def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of a study, write its page."""
    given = _given(arguments)
    if given.jobs < 1 or given.resamples < 1:
        raise UserError("--jobs and --resamples: 1 or more")
    study = read_study(given.recipe)
    trials = trials_of(study, given.recipe, given.seeds, given.arms)
    if given.list:
        done = finished(trials)
        for trial in trials:
            print(f"{trial.name}\t{done.get(trial.name, 'to do')}")
        return
    failed: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that running trials are stopped too
    if not given.page:
        refuse_uncommitted_code()
        lock = FileLock(store("studies") / "lock", timeout=0)
        try:
            with lock:
                failed = _run(trials, given.jobs)
        except Timeout:
            raise UserError("another study runs in this repository; its trials share DVC's stash") from None
    revisions = finished(trials)
    _write(study, given.recipe, trials, revisions, given.resamples)
    if failed:
        raise UserError(f"{len(failed)} of {len(trials)} trials failed: {'; '.join(failed)}")


def _run(trials: Sequence[Trial], jobs: int) -> list[str]:
    done = finished(trials)
    wanted = [trial for trial in trials if trial.name not in done]
    print(f"{len(trials)} trials, {len(done)} finished already, {len(wanted)} to run", file=sys.stderr)
    with progress_bar() as bar:
        task = bar.add_task("trials", total=len(wanted))
        began = time.monotonic()

        def ended(trial: Trial, problem: str | None) -> None:
            bar.advance(task)
            said = problem or "finished"
            print(f"{trial.name}: {said}, {time.monotonic() - began:.0f} s since the start", file=sys.stderr)

        return run_all(wanted, jobs, store("studies"), ended)


def _write(study: Study, recipe: str, trials: Sequence[Trial], revisions: Mapping[str, str], resamples: int) -> None:
    measured = _measured(trials, revisions)
    if not measured:
        raise UserError(f"no trial of {recipe} is finished: there is nothing to show")
    REPORTS.mkdir(parents=True, exist_ok=True)
    datasets = datasets_of(measured, study.columns)
    verdicts = [judge(claim, measured, dataset, resamples) for claim in study.claims for dataset in datasets]
    differences = {dataset: against_control(study, measured, dataset, resamples) for dataset in datasets}
    parts = [Part("What held", words(study, verdicts, differences))]
    for number, dataset in enumerate(datasets, start=1):
        parts.append(results(study, measured, dataset))
        if differences[dataset]:
            figure = f"{recipe}_{number}.svg"
            draw(study, differences[dataset], REPORTS / figure)
            parts += [against(study, differences[dataset], dataset), Part(f"{dataset}, drawn", figure=figure)]
    parts += [claims(verdicts)] if verdicts else []
    parts += [*published(study), arms(study, recipe)]
    write_page(REPORTS, recipe, f"{study.title}: {recipe}", _introduction(study, recipe, trials, revisions), parts)
    print(f"{recipe}: {len(revisions)} of {len(trials)} trials: {REPORTS}/{recipe}.md and .html")


def _measured(trials: Sequence[Trial], revisions: Mapping[str, str]) -> dict[str, Measured]:
    by_arm: dict[str, dict[int, str]] = {}
    for trial in trials:
        if trial.name in revisions:
            by_arm.setdefault(trial.arm, {})[trial.seed] = revisions[trial.name]
    return {arm: read_arm(of) for arm, of in by_arm.items()}


def _introduction(study: Study, recipe: str, trials: Sequence[Trial], revisions: Mapping[str, str]) -> list[str]:
    missing = [trial.name for trial in trials if trial.name not in revisions]
    seeds = sorted({trial.seed for trial in trials})
    said = [
        study.paper,
        f"Made by `make study NAME={recipe}` at commit {git('rev-parse', '--short', 'HEAD').strip()}: "
        f"{len(revisions)} trials, seeds {', '.join(map(str, seeds))}. Each is a DVC experiment of the name "
        f"`{recipe}.ARM.SEED`: `dvc exp show`, `dvc exp apply`, "
        f"`python -m stages.report.compare {trials[0].name} {trials[-1].name}`.",
    ]
    if missing:
        said.append(f"Not finished, so not in the tables: {', '.join(f'`{name}`' for name in missing)}.")
    return said


if __name__ == "__main__":
    main()
