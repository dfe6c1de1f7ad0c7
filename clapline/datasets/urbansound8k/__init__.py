"""UrbanSound8K (J. Salamon, C. Jacoby, J. P. Bello, "A Dataset and Taxonomy for Urban Sound Research", ACM MM 2014).

Layout, as published: `audio/fold{N}/{fsID}-{classID}-{occurrence}-{slice}.wav`, `metadata/UrbanSound8K.csv`. A mirror
may hold a part of the slices, in any format that soundfile reads.

Tags: a slice's own label and, where ESC-50 names the same sound otherwise, ESC-50's word for it: dog bark is `dog`
there and engine idling is `engine` (car horn and siren are called the same in both). So that a caption about an ESC-50
dog counts as right for a slice with a dog bark.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from clapline.datasets.card import BadItem, Card, Fetched, RawClip
from clapline.datasets.sources import copy_files, csv_rows, files_below, listing, mirrored
from clapline.params.base import Section
from clapline.params.machine import Machine

CARD = Card(
    title="UrbanSound8K",
    homepage="https://urbansounddataset.weebly.com/urbansound8k.html",
    licence="CC BY-NC 3.0",
    version="1.0",
    recorded=True,
    clips=8732,
    sample_rate_hz=None,
    oddities=(
        "sample rates, bit depths and channels differ between the slices, and give the class away in part",
        "many slices come from one recording; the published folds keep a recording on one side",
        "fold2/159747-8-0-21 is all but silent",
    ),
    labels=(
        "air conditioner", "car horn", "children playing", "dog bark", "drilling", "engine idling", "gun shot",
        "jackhammer", "siren", "street music",
    ),
)  # fmt: skip

_NAMES = ("urbansound8k", "UrbanSound8K")
_NEEDED = ("audio", "metadata/UrbanSound8K.csv")
_ESC50_NAME = {"dog bark": "dog", "engine idling": "engine"}


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
    """Yield the slices of `metadata/UrbanSound8K.csv` in its order; a listed slice without a file is a bad item."""
    rows = csv_rows(raw / "metadata/UrbanSound8K.csv", ("slice_file_name", "fsID", "fold", "class"))
    files = {path.with_suffix("").as_posix(): path for path in files_below(raw / "audio")}
    for row in rows:
        clip_id = Path(row["slice_file_name"]).stem
        place = f"fold{row['fold']}/{clip_id}"
        if place not in files:
            missing = f"audio/fold{row['fold']}/{row['slice_file_name']}"
            yield BadItem(missing, "listed in metadata/UrbanSound8K.csv, but the file is missing")
            continue
        label = row["class"].replace("_", " ")
        yield RawClip(
            clip_id=clip_id,
            path=Path("audio") / files[place],
            tags=(label, _ESC50_NAME[label]) if label in _ESC50_NAME else (label,),
            label=label,
            fold=int(row["fold"]),
            source_id=f"freesound:{row['fsID']}",
            licence=CARD.licence,
        )


def _files(folder: Path) -> list[Path]:
    wanted = [Path("audio") / file for file in files_below(folder / "audio")]
    return [*wanted, Path("metadata/UrbanSound8K.csv")]
