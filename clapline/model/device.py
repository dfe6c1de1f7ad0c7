"""Where models run."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """Return the CPU for `cpu`; for `auto` the accelerator that torch finds, else the CPU."""
    if name == "auto" and torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")
