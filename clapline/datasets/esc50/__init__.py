"""ESC-50 (K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM MM 2015).

Layout, as in the dataset's repository: `audio/{fold}-{Freesound id}-{take}-{target}.wav`, `meta/esc50.csv`, `LICENSE`
with the uploader's title and licence of each clip. A mirror may hold a part of the clips, in any format that soundfile
reads, and `meta/clip_sources.csv` with columns `filename, fs_title, fs_license`, which then goes before LICENSE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from clapline.datasets.card import BadItem, Card, Fetched, RawClip
from clapline.datasets.sources import copy_files, csv_rows, decoded, files_below, listing, mirrored
from clapline.params.base import Section
from clapline.params.machine import Machine

LABELS = (
    "airplane", "breathing", "brushing teeth", "can opening", "car horn", "cat", "chainsaw", "chirping birds",
    "church bells", "clapping", "clock alarm", "clock tick", "coughing", "cow", "crackling fire", "crickets", "crow",
    "crying baby", "dog", "door wood creaks", "door wood knock", "drinking sipping", "engine", "fireworks", "footsteps",
    "frog", "glass breaking", "hand saw", "helicopter", "hen", "insects", "keyboard typing", "laughing", "mouse click",
    "pig", "pouring water", "rain", "rooster", "sea waves", "sheep", "siren", "sneezing", "snoring", "thunderstorm",
    "toilet flush", "train", "vacuum cleaner", "washing machine", "water drops", "wind",
)  # fmt: skip

CARD = Card(
    title="ESC-50",
    homepage="https://github.com/karolpiczak/ESC-50",
    licence="CC BY-NC 3.0; its ESC-10 classes CC BY 3.0; each clip's own in the table",
    version="2.0",
    recorded=True,
    clips=2000,
    sample_rate_hz=44100,
    oddities=(
        "clips of one Freesound recording share a fold, so folds are the splits",
        "short recordings are padded to 5 s with digital silence",
        "about a hundred UrbanSound8K slices come from the same Freesound recordings",
    ),
    labels=LABELS,
)

_NAMES = ("esc50", "ESC-50", "ESC-50-master")
_NEEDED = ("audio", "meta/esc50.csv")
_ATTRIBUTION = re.compile(
    r"^- \[(?P<clip>[^\]]+)\.\w+\]:\s+clip derived from (?P<title>.+) ?\(http\S*\) by .* \[(?P<licence>[^\]]+)\]"
)


class Options(Section):
    """Where the mirror grew, say so."""

    revision: int = Field(1, ge=1, description="raise it when the mirror's copy has changed, to fetch again")


def origin(options: Options) -> Any:
    """Return what tells one state of the source from another."""
    folder = mirrored(_NAMES, CARD, _NEEDED)
    return listing(folder, _files(folder))


def fetch(options: Options, raw: Path, machine: Machine) -> Fetched:
    """Copy the dataset from the mirror."""
    folder = mirrored(_NAMES, CARD, _NEEDED)
    return copy_files(folder, _files(folder), raw)


def read(options: Options, raw: Path) -> Iterator[RawClip | BadItem]:
    """Yield the clips of `meta/esc50.csv` in its order; a listed clip without a file is a bad item."""
    rows = csv_rows(raw / "meta/esc50.csv", ("filename", "fold", "target", "category", "src_file", "take"))
    files = {path.stem: path for path in files_below(raw / "audio")}
    attributions = _attributions(raw)
    for row in rows:
        clip_id = Path(row["filename"]).stem
        if clip_id not in files:
            yield BadItem(f"audio/{row['filename']}", "listed in meta/esc50.csv, but the file is missing")
            continue
        label = row["category"].replace("_", " ")
        title, licence = attributions.get(clip_id.rsplit("-", 1)[0], ("", ""))
        yield RawClip(
            clip_id=clip_id,
            path=Path("audio") / files[clip_id],
            tags=(label,),
            label=label,
            fold=int(row["fold"]),
            description=title or None,
            source_id=f"freesound:{row['src_file']}",
            licence=licence or "CC BY-NC 3.0",
        )


def _files(folder: Path) -> list[Path]:
    wanted = [Path("audio") / file for file in files_below(folder / "audio")]
    wanted += [Path("meta") / file for file in files_below(folder / "meta") if file.suffix == ".csv"]
    return wanted + [Path(name) for name in ("LICENSE",) if (folder / name).is_file()]


def _attributions(raw: Path) -> dict[str, tuple[str, str]]:
    """Return the uploader's title and licence by `{fold}-{Freesound id}-{take}`."""
    found = {}
    if (raw / "LICENSE").is_file():
        matches = map(_ATTRIBUTION.match, decoded((raw / "LICENSE").read_bytes()).splitlines())
        found = {match["clip"]: (match["title"].strip(), match["licence"]) for match in matches if match}
    if (raw / "meta/clip_sources.csv").is_file():
        for row in csv_rows(raw / "meta/clip_sources.csv", ("filename", "fs_title", "fs_license")):
            found[Path(row["filename"]).stem.rsplit("-", 1)[0]] = (row["fs_title"], row["fs_license"])
    return found
