"""clapline: the library that the stages of the pipeline share. `from clapline import Clap` loads a trained model."""

from typing import Any

__all__ = ["Clap"]


def __getattr__(name: str) -> Any:
    """Import `Clap` only when it is asked for: most stages need no torch."""
    if name == "Clap":
        from clapline.model.clap import Clap

        return Clap
    raise AttributeError(f"module 'clapline' has no attribute {name!r}")
