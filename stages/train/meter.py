"""Sums of a run's values that do not stop the device at each step, and the time and memory it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Sums:
    """Sums by name of scalars on the device, fetched seldom: each fetch waits for all work under way there."""

    def __init__(self, values: Mapping[str, float] | None = None) -> None:
        self._sums: dict[str, Tensor | float] = dict(values or {})

    def add(self, values: Mapping[str, Tensor], share: float = 1.0) -> None:
        """Add `share` of each value."""
        for name, value in values.items():
            # Summed in double precision where the device has it: long sums of small losses keep their digits.
            wide = value.detach() if value.device.type == "mps" else value.detach().double()
            self._sums[name] = self._sums.get(name, 0.0) + share * wide

    def fetch(self) -> dict[str, float]:
        """Return the sums so far."""
        return {name: float(value) for name, value in self._sums.items()}

    def take(self) -> dict[str, float]:
        """Return the sums so far and begin anew."""
        found = self.fetch()
        self._sums = {}
        return found


class Clock:
    """How long this process has worked on how many steps, and how much of it it waited for data."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.began = time.perf_counter()
        self.waited_s = 0.0
        self.steps = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the block as waiting for data."""
        moment = time.perf_counter()
        yield
        self.waited_s += time.perf_counter() - moment

    def words(self, clips_per_step: int, steps_left: int) -> str:
        """Return data time, compute time, clips per second, time left and memory, for a line of progress."""
        passed_s = max(time.perf_counter() - self.began, 1e-9)
        left_s = passed_s / max(self.steps, 1) * steps_left
        parts = [
            f"data {self.waited_s:.1f} s, compute {passed_s - self.waited_s:.1f} s",
            f"{self.steps * clips_per_step / passed_s:.0f} clips/s",
            f"{_duration(left_s)} left",
        ]
        if self.device.type == "cuda":
            used, whole = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(self.device).total_memory
            parts.append(f"GPU memory {used / 2**30:.1f} of {whole / 2**30:.0f} GiB")
        return "  ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
