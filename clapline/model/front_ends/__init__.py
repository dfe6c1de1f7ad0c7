"""Front ends: waveforms → the spectrogram features that an audio encoder hears. One module per kind of features."""

from __future__ import annotations

from clapline.model.front_ends.ast import AstFrontEnd
from clapline.model.front_ends.atst import AtstFrontEnd
from clapline.model.front_ends.base import FrontEnd
from clapline.model.front_ends.clap import ClapFrontEnd
from clapline.model.front_ends.log_mel import LogMel
from clapline.model.front_ends.passt import PasstFrontEnd
from clapline.params.features import Features

KINDS: dict[str, type[FrontEnd]] = {
    "log_mel": LogMel,
    "clap": ClapFrontEnd,
    "passt": PasstFrontEnd,
    "atst": AtstFrontEnd,
    "ast": AstFrontEnd,
}


def build_front_end(features: Features) -> FrontEnd:
    """Return the front end that the settings name.

    Raises:
        UserError: a segment is too short for one analysis window.
    """
    return KINDS[features.kind](features)


__all__ = ["FrontEnd", "build_front_end"]
