"""Curves while a run is under way, through DVCLive: `dvc plots` and its viewers can follow them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvclive import Live


class LiveCurves:
    """Rows of values by name, written as they come to a folder that no stage declares.

    The folder is made anew from `rows`, what a resumed run has saved of its past: what a killed run wrote after its
    last checkpoint would else stand there twice. Nothing is sent anywhere, unless the user has set up DVC Studio. A
    folder that cannot be written costs the curves, not the run.

    Args:
        folder: where to write, e.g. reports/live/student; None: nowhere.
        rows: of steps made before, each with its `step`.
    """

    def __init__(self, folder: Path | None, rows: Sequence[Mapping[str, float]] = ()) -> None:
        self._live = None if folder is None else _open(folder)
        for row in rows:
            self._log(row)
        self._write()

    def add(self, row: Mapping[str, float]) -> None:
        """Write one row of values by name; `step` says where on the curve it lies."""
        self._log(row)
        self._write()

    def _log(self, row: Mapping[str, float]) -> None:
        if self._live is None:
            return
        try:
            self._live.step = int(row["step"])
            for name, value in row.items():
                if name != "step":
                    self._live.log_metric(name, value)
        except OSError as error:
            self._give_up(error)

    def _write(self) -> None:
        if self._live is None:
            return
        try:
            self._live.make_summary()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        print(f"live curves end here: {error}", file=sys.stderr)
        self._live = None


def _open(folder: Path) -> Live | None:
    try:
        # Half a second, of which the stages that draw no curve know nothing.
        from dvclive import Live
    except ImportError:
        print("no live curves: the package dvclive is not installed", file=sys.stderr)
        return None
    try:
        # Neither an experiment nor a dvc.yaml of its own: DVC runs this stage and knows its outputs.
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None)
    except OSError as error:
        print(f"no live curves: {error}", file=sys.stderr)
        return None
