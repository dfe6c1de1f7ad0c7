"""The `report` section."""

from __future__ import annotations

from pydantic import Field

from clapline.params.base import Section


class Report(Section):
    """The page."""

    title: str = Field("clapline", min_length=1, max_length=120, description="headline of the page")
