"""Run trials, one or several at a time, and go on where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from studies.clones import Clone, Running
from studies.trials import Trial

_POLL_S = 0.5
Ended = Callable[[Trial, "str | None"], None]


def run_all(trials: Sequence[Trial], clones: Sequence[Clone], ended: Ended) -> list[str]:
    """Run trials and return what went wrong, a line each; on an interruption the running ones are stopped.

    Args:
        trials: in the order in which they begin. Those of one seed share stages: while its first runs, its others wait,
            so that what they share is made once. One that still runs, for the call that began it was killed, is waited
            for.
        clones: as many run at a time.
        ended: called with each trial when it ends, and with what went wrong, or None.
    """
    waiting = list(trials)
    running: list[Running] = []
    for clone in clones:
        left = clone.left_running(waiting)
        if left is not None:
            running.append(left)
            waiting.remove(left.trial)
    ready: set[int] = set()  # seeds of which a trial has ended
    failed = []
    try:
        while waiting or running:
            free = [clone for clone in clones if clone not in [of.clone for of in running]]
            following = _next(waiting, {of.trial.seed for of in running} - ready)
            if free and following is not None:
                waiting.remove(following)
                running.append(free[0].start(following))
            for of in [of for of in running if of.ended()]:
                running.remove(of)
                ready.add(of.trial.seed)
                problem = of.collect()
                failed += [f"{of.trial.name} {problem}"] if problem else []
                ended(of.trial, problem)
            time.sleep(_POLL_S)
    finally:
        for of in running:
            of.stop()
    return failed


def _next(waiting: Sequence[Trial], under_way: set[int]) -> Trial | None:
    return next((trial for trial in waiting if trial.seed not in under_way), None)
