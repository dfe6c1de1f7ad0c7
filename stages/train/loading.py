"""Batches one after the other, read ahead by processes of their own where the machine's settings ask for them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from clapline.errors import UserError
from clapline.params.machine import Machine
from clapline.workers import end_with_parent
from stages.train.batch import Batch

BATCHES_AHEAD = 2  # per process that reads


def batches(feeder: Dataset, first: int, machine: Machine, device: torch.device) -> Iterator[Batch]:
    """Yield the batches of micro-steps from `first` on, on the CPU (pinned where the device is a GPU).

    Raises:
        UserError: as the feeder does, also when another process read the batch.
    """
    ahead = {}
    if machine.loaders:
        # A fork of a process with threads can hang (torchaudio, OpenMP): a fork server starts clean ones.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["stages.train.feeder"])
        ahead = {
            "num_workers": machine.loaders,
            "multiprocessing_context": context,
            "prefetch_factor": BATCHES_AHEAD,
            "worker_init_fn": _begin,
        }
    loader = DataLoader(
        _Guarded(feeder),
        batch_size=None,
        sampler=range(first, len(feeder)),
        pin_memory=device.type == "cuda",
        # The loader draws a seed for its workers, who need none: not from the generator that dropout is drawn from.
        generator=torch.Generator(),
        **ahead,
    )
    for batch in loader:
        if isinstance(batch, _Failed):
            raise UserError(batch.message)
        yield batch


class _Failed:
    """A UserError on its way from another process: torch would hand it on with a traceback in its text."""

    def __init__(self, message: str) -> None:
        self.message = message


class _Guarded(Dataset):
    def __init__(self, feeder: Dataset) -> None:
        self.feeder = feeder

    def __getitem__(self, m: int) -> Batch | _Failed:
        try:
            return self.feeder[m]
        except UserError as error:
            return _Failed(str(error))


def _begin(worker: int) -> None:
    end_with_parent()
