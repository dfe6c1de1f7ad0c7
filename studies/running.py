"""Run trials, one or several at a time, and go on where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studies.experiments import Running, left_running, start
from studies.trials import Trial

_POLL_S = 0.5
Ended = Callable[[Trial, "str | None"], None]


def run_all(trials: Sequence[Trial], jobs: int, folder: Path, ended: Ended) -> list[str]:
    """Run trials and return what went wrong, a line each; on an interruption the running ones are stopped.

    Args:
        trials: in the order in which they begin. One that still runs, for the call that began it was killed, is waited
            for.
        jobs: how many run at a time.
        folder: where logs lie: STUDY/ARM.SEED.log.
        ended: called with each trial when it ends, and with what went wrong, or None.
    """
    running = [found for trial in trials if (found := left_running(trial, folder)) is not None]
    begun = {of.trial.name for of in running}
    waiting = [trial for trial in trials if trial.name not in begun]
    failed = []
    try:
        while waiting or running:
            if waiting and len(running) < jobs and all(of.has_begun() or of.process is None for of in running):
                running.append(start(waiting.pop(0), folder))
            for of in [of for of in running if of.ended()]:
                running.remove(of)
                problem = f"failed ({_first_error(of)}; all of it: {of.log})" if of.failed() else None
                failed += [f"{of.trial.name} {problem}"] if problem else []
                ended(of.trial, problem)
            time.sleep(_POLL_S)
    finally:
        for of in running:
            of.stop()
    return failed


def _first_error(of: Running) -> str:
    text = of.log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines[-1:] or ["it printed nothing"])[0][:200]
