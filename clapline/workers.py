"""Worker processes that start clean and end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor


def worker_pool(workers: int, preload: Sequence[str] = ()) -> ProcessPoolExecutor:
    """Return a pool of processes; `preload` names modules to import once for all of them.

    Started by a fork server: a plain fork of a process with threads can hang.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)


def end_with_parent() -> None:
    """Let this worker end with the process that started it: else a killed run leaves its workers waiting."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
