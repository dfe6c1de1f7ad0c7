"""The `richness` section: how varied the words of the captions are."""

from __future__ import annotations

from pydantic import Field

from clapline.params.base import Section


class Richness(Section):
    """Lexical richness."""

    mtld_threshold: float = Field(0.72, gt=0, lt=1, description="type-token ratio at which an MTLD factor closes")
