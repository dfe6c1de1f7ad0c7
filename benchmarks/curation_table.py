"""`python benchmarks/curation_table.py RUNS`: tables of benchmarks/curation.py, each arm beside its control.

Per setting and benchmark: the mean of each arm over the seeds, and arm minus the control of the same loss with a 95 %
interval and a p-value. Both seeds and recordings are resampled with replacement, crossed (10,000 times): another seed
draws other training recordings and other weights, another test set would hold other recordings, and the clips of one
recording stand or fall together; in retrieval so do the recordings of a class, which share its captions. The p-value is
twice the smaller tail.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from clapline.metrics.bootstrap import interval, sign_p_value
from clapline.randomness import generator

RESAMPLES = 10_000
NAMES = {
    "esc50.zero_shot.accuracy": "ESC-50 accuracy",
    "esc50.t2a.r10": "ESC-50 R@10",
    "esc50.t2a_level2.r10": "ESC-50 R@10, level 2",
    "urbansound8k.zero_shot.accuracy": "US8K accuracy",
    "urbansound8k.t2a.map10": "US8K mAP@10",
}
_RUN = re.compile(r"(?P<setting>\w+)-(?P<seed>\d+)-(?P<arm>.+)\.npz")

Runs = dict[str, dict[int, dict[str, np.ndarray]]]  # arm → seed → what was measured


def main() -> None:
    """Print a table for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="the folder that --out named")
    parser.add_argument("--measures", nargs="+", default=list(NAMES))
    arguments = parser.parse_args()
    for setting, arms in read_runs(arguments.runs).items():
        print(f"\n### {setting}, {len(arms['teacher'])} seeds\n\n{curated_table(arms)}\n")
        print(table(arms, arguments.measures))


def read_runs(folder: Path) -> dict[str, Runs]:
    """Return the finished runs by setting, arm and seed."""
    settings: dict[str, Runs] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(folder.glob("*.npz")):
        run = _RUN.fullmatch(path.name)
        with np.load(path) as file:
            settings[run["setting"]][run["arm"]][int(run["seed"])] = dict(file)
    return settings


def mean(run: dict[str, np.ndarray], measure: str) -> float:
    """Return a measure of one run."""
    return float(run[measure][:, 0].sum() / run[measure][:, 1].sum())


def difference(
    arm: dict[int, dict[str, np.ndarray]], control: dict[int, dict[str, np.ndarray]], measure: str
) -> tuple[float, float, float, float]:
    """Return arm minus control over the seeds that both have: mean, interval, p-value."""
    seeds = sorted(set(arm) & set(control))
    recording = _units(arm[seeds[0]], measure)
    sums = np.stack(
        [_by_recording(arm[seed][measure] - [[1, 0]] * control[seed][measure], recording) for seed in seeds]
    )
    random = generator(0, "curation study", measure)
    count = sums.shape[1]
    drawn_seeds = random.multinomial(len(seeds), [1 / len(seeds)] * len(seeds), size=RESAMPLES)
    drawn = random.multinomial(count, [1 / count] * count, size=RESAMPLES)
    totals = np.einsum("rs,rc,scm->rm", drawn_seeds, drawn, sums, optimize=True)
    gaps = totals[:, 0] / totals[:, 1]
    at_hand = float(np.mean([mean(arm[seed], measure) - mean(control[seed], measure) for seed in seeds]))
    return at_hand, *interval(gaps), sign_p_value(gaps)


def _units(run: dict[str, np.ndarray], measure: str) -> np.ndarray:
    """Return what is drawn together, a number for each clip: recordings; in retrieval those that share queries too.

    All clips of a class share their class's captions: drawn clip by clip, the queries would hardly change.
    """
    dataset, part, _ = measure.split(".")
    _, recording = np.unique(run[f"{dataset}.recordings"], return_inverse=True)
    if part == "zero_shot":
        return recording
    groups = run[f"{dataset}.groups"]
    count = recording.max() + 1
    joined = sparse.coo_array(
        (np.ones(len(groups)), (recording, count + groups)), shape=(count + groups.max() + 1,) * 2
    )
    return connected_components(joined, directed=False)[1][recording]


def _by_recording(values: np.ndarray, recording: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(recording, column) for column in values.T], axis=1)


def table(arms: Runs, measures: list[str]) -> str:
    """Return means, and differences from the control of the same loss, as Markdown."""
    lines = [f"| arm | {' | '.join(NAMES.get(name, name) for name in measures)} |", "|---" * (len(measures) + 1) + "|"]
    for arm, runs in sorted(arms.items(), key=lambda item: (item[0].split("-")[-1], item[0])):
        strategy, loss = arm.split("-")[0], arm.split("-")[-1]
        rounds = "_2" if strategy.endswith("_2") else ""  # a control of as many steps
        control = arms.get(f"control{rounds}-{loss}")
        cells = []
        for measure in measures:
            values = [mean(run, measure) for run in runs.values()]
            cell = f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"
            if control is not None and not arm.startswith("control") and set(runs) & set(control):
                gap, low, high, p = difference(runs, control, measure)
                cell += f"<br>{gap:+.3f} [{low:+.3f}, {high:+.3f}] p {p:.3f}"
            cells.append(cell)
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def curated_table(arms: Runs) -> str:
    """Return what each strategy chose, means over the seeds, as Markdown."""
    figures = {
        arm.split("-")[0]: [json.loads(str(run["figures"])) for run in runs.values()] for arm, runs in arms.items()
    }
    frames = {arm: pd.DataFrame(rows) for arm, rows in figures.items() if any(rows)}
    lines = ["| strategy | new pairs | clips | original pairs | precision | chance |", "|---|---|---|---|---|---|"]
    for arm, frame in frames.items():
        means = frame.mean(numeric_only=True)
        shares = [f"{means[name]:.3f}" if name in means else "" for name in ("precision", "chance")]
        counts = [f"{means[name]:,.0f}" for name in ("pairs", "clips", "original")]
        lines.append(f"| {arm} | {' | '.join([*counts, *shares])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
