"""Run a paper's arms over several seeds as DVC experiments: `python -m studies robustclap-mini`; `make study NAME=…`.

What is finished is not run again, so a study that was broken off goes on where it stopped. Trials (an arm with a seed)
run in clones of the commit at hand, under `.work/studies`: the workspace may be edited meanwhile. Writes
reports/studies/NAME.md and .html from what is finished, at the end or when it is interrupted.
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
from clapline.params.base import read_params
from clapline.progress import progress_bar
from clapline.storage import store
from studies.clones import Clone
from studies.definition import Study, read_study
from studies.finished import finished, git, refuse_uncommitted_code
from studies.page import draw, write_page
from studies.results import UNKNOWN, Measured, Verdict, against_control, datasets_of, judge, read_arm
from studies.running import run_all
from studies.text import Part, against, arms, claims, published, results, words
from studies.trials import Trial, trials_of

REPORTS = Path("reports/studies")


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="", help="a recipe that has a study; `default`: params.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--arms", nargs="+", default=[], help="default: all")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="run nothing: write the page from what is finished")
    parser.add_argument("--list", action="store_true", help="run nothing: print the trials and their revisions")
    return parser.parse_args(arguments)


@door
def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of a study, write its page."""
    given = _given(arguments)
    if given.jobs < 1:
        raise UserError(f"--jobs {given.jobs}: 1 or more")
    study = read_study(given.recipe)
    trials = trials_of(study, given.recipe, given.seeds, given.arms)
    commit = git("rev-parse", "HEAD").strip()
    if given.list:
        done = finished(trials, commit)
        for trial in trials:
            print(f"{trial.name}\t{done.get(trial.name, 'to do')}")
        return
    failed: list[str] = []
    if given.page:
        _write(study, given.recipe, trials, commit)
        return
    refuse_uncommitted_code()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that running trials are stopped, and the page written
    try:
        with FileLock(store("studies") / "lock", timeout=0):
            try:
                failed = _run(trials, given.jobs, commit)
            finally:
                if finished(trials, commit):
                    _write(study, given.recipe, trials, commit)
    except Timeout:
        raise UserError("another study runs in this repository: its clones are in use") from None
    if failed:
        raise UserError(f"{len(failed)} of {len(trials)} trials failed: {'; '.join(failed)}")


def _run(trials: Sequence[Trial], jobs: int, commit: str) -> list[str]:
    done = finished(trials, commit)
    wanted = [trial for trial in trials if trial.name not in done]
    print(f"{len(trials)} trials, {len(done)} finished already, {len(wanted)} to run", file=sys.stderr)
    if not wanted:
        return []
    folder, root = store("studies").resolve(), Path.cwd()
    machine = read_params().get("machine")
    clones = [
        Clone(root, folder / f"clone-{number}", commit, folder, machine) for number in range(min(jobs, len(wanted)))
    ]
    for clone in clones:
        if clone.left_running(wanted) is None:
            clone.prepare()
    with progress_bar() as bar:
        task = bar.add_task("trials", total=len(wanted))
        began = time.monotonic()

        def ended(trial: Trial, problem: str | None) -> None:
            bar.advance(task)
            said = problem or "finished"
            print(f"{trial.name}: {said}, {time.monotonic() - began:.0f} s since the start", file=sys.stderr)

        return run_all(wanted, clones, ended)


def _write(study: Study, recipe: str, trials: Sequence[Trial], commit: str) -> None:
    revisions = finished(trials, commit)
    measured = _measured(trials, revisions)
    if not measured:
        raise UserError(f"no trial of {recipe} is finished: there is nothing to show")
    REPORTS.mkdir(parents=True, exist_ok=True)
    datasets = datasets_of(measured, study.columns)
    verdicts = _verdicts(study, recipe, measured, datasets)
    differences = {dataset: against_control(study, measured, dataset) for dataset in datasets}
    told = words(study, verdicts, differences)
    if len({seed for arm in measured.values() for seed in arm.seeds}) == 1:
        told.insert(0, "One seed: provisional. What is said holds for other clips, not for other seeds.")
    parts = [Part("What held", told)]
    for number, dataset in enumerate(datasets, start=1):
        parts.append(results(study, measured, dataset))
        if differences[dataset]:
            figure = f"{recipe}_{number}.svg"
            draw(study, differences[dataset], REPORTS / figure)
            parts += [against(study, differences[dataset], dataset), Part(f"{dataset}, drawn", figure=figure)]
    parts += [claims(verdicts)] if verdicts else []
    parts += [*published(study), arms(study, recipe)]
    write_page(
        REPORTS, recipe, f"{study.title}: {recipe}", _introduction(study, recipe, trials, measured, commit), parts
    )
    count = sum(len(arm.seeds) for arm in measured.values())
    print(f"{recipe}: {count} of {len(trials)} trials: {REPORTS}/{recipe}.md and .html")


def _verdicts(study: Study, recipe: str, measured: Mapping[str, Measured], datasets: Sequence[str]) -> list[Verdict]:
    """Return each claim's verdicts where it was measured, or one that says that it was not."""
    found = []
    for claim in study.claims_on(recipe):
        of = [judge(claim, measured, dataset) for dataset in datasets if claim.dataset in (None, dataset)]
        known = [verdict for verdict in of if verdict.outcome != UNKNOWN]
        found += known or [Verdict(claim, "–", None, UNKNOWN)]
    return found


def _measured(trials: Sequence[Trial], revisions: Mapping[str, str]) -> dict[str, Measured]:
    by_arm: dict[str, dict[int, str]] = {}
    for trial in trials:
        if trial.name in revisions:
            by_arm.setdefault(trial.arm, {})[trial.seed] = revisions[trial.name]
    found = {}
    for arm, of in by_arm.items():
        try:
            found[arm] = read_arm(of)
        except UserError as error:  # its results are no longer in the cache
            print(f"left out: arm {arm}: {error}. dvc exp remove those trials to run them again", file=sys.stderr)
    return found


def _introduction(
    study: Study, recipe: str, trials: Sequence[Trial], measured: Mapping[str, Measured], commit: str
) -> list[str]:
    shown = [trial for trial in trials if trial.arm in measured and trial.seed in measured[trial.arm].seeds]
    missing = [trial.name for trial in trials if trial not in shown]
    seeds = sorted({trial.seed for trial in shown})
    of_a_seed = [trial.name for trial in shown if trial.seed == seeds[0]][:2]
    said = [
        study.paper,
        "An arm is a way to train, a trial an arm with a seed. Level 1: the same words in another structure, level 2: "
        "other words too; a view is such a paraphrase beside its caption in training.",
        f"Made by `make study NAME={recipe}`, code of commit {commit[:7]}: {len(shown)} trials, seeds "
        f"{', '.join(map(str, seeds))}. Each is a DVC experiment called `{recipe}.ARM.SEED`: `dvc exp list -A`, "
        f"`dvc exp apply NAME`, `python -m stages.report.compare {' '.join(of_a_seed)}`.",
    ]
    if missing:
        said.append(f"Not in the tables, for they are not finished: {', '.join(f'`{name}`' for name in missing)}.")
    return said


if __name__ == "__main__":
    main()
