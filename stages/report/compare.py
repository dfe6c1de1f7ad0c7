"""Lay experiments side by side as a page: `python -m stages.report.compare [A B …]`; none named: all of this commit.

An experiment is a folder (a checkout that was run), a git revision, or the name of a DVC experiment. The first is what
the others are held against. Writes reports/comparison/index.html, which opens from disk.
"""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from pathlib import Path

from clapline.errors import UserError, door
from clapline.progress import tracked
from clapline.storage import atomic_folder, write_text
from stages.report.arms import arms_of
from stages.report.comparison import cells_of, changed, differing, draw, metrics_of, not_alike, short_names, value_of
from stages.report.experiments import commit_of, finished_experiments, read_experiment
from stages.report.headline import MODELS
from stages.report.page import STYLE, TEMPLATES, environment

SORTING = TEMPLATES / "sorting.js"


@door
def main() -> None:
    """Read the experiments, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", help="folders, revisions, experiments; none: all of this commit")
    parser.add_argument("--out", type=Path, default=Path("reports/comparison"), help="default: %(default)s")
    given = parser.parse_args()
    names = given.experiments or finished_experiments()
    if len(names) < 2:
        raise UserError(f"only {', '.join(names)} to compare; name two, or run some: dvc exp run -S student.steps=240")
    places = [str(Path(name).resolve()) if Path(name).is_dir() else commit_of(name) for name in names]
    twice = [name for name, place in zip(names, places, strict=True) if places.count(place) > 1]
    if twice:
        raise UserError(f"{', '.join(twice)} are one experiment, which is named twice")
    if given.out.is_dir() and any(given.out.iterdir()) and not (given.out / SORTING.name).is_file():
        raise UserError(f"{given.out} holds other files, which the page would replace; name an empty folder by --out")
    experiments = [read_experiment(name) for name in tracked(names, "reading")]
    arms = arms_of(experiments)
    params = differing(arms)
    notes = not_alike(experiments)
    metrics = metrics_of(experiments, "student")
    chief = [place for place, metric in enumerate(metrics) if metric.chief]
    cells = {
        model: cells_of(arms, metrics, model, partial(tracked, description=f"comparing {model}s")) for model in MODELS
    }
    with atomic_folder(given.out) as folder:
        shutil.copyfile(STYLE, folder / "style.css")
        shutil.copyfile(SORTING, folder / SORTING.name)
        pictures = []
        for number, place in enumerate(chief, start=1):
            column = [row[place] for row in cells["student"]]
            pictures.append((metrics[place], f"metric_{number:02d}.svg"))
            draw(folder / f"metric_{number:02d}.svg", arms, column, metrics[place])
        html = (
            environment()
            .get_template("comparison.html.jinja")
            .render(
                arms=arms,
                changes=[changed(arm, arms[0], params) for arm in arms],
                short=short_names(params),
                params=params,
                metrics=metrics,
                chief=chief,
                notes=notes,
                value_of=value_of,
                several=len({metric.key[0] for metric in metrics}) > 1,
                cells=cells,
                pictures=pictures,
            )
        )
        write_text(folder / "index.html", html)
    counted = f"{len(experiments)} experiments in {len(arms)} arms, {len(params)} parameters differ"
    print(f"comparison: {counted}: {given.out}/index.html")


if __name__ == "__main__":
    main()
