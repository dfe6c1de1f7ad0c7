from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.captions.places import clip, save, write_params

CAPTIONS = [
    "A dog barks while rain falls on the roof",
    "A man speaks followed by clicking of a keyboard",
    "Birds chirp in the distance and wind blows",
    "A car engine is idling loudly near a busy street",
    "Water is pouring into a large metal container",
    "A woman talks and then a door slams",
]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params and captioned tables, stores of its own, and no key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "stores"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    write_params(tmp_path)
    paired = [
        clip(f"clip{k}", captions=[f"{text} number{k}" if k >= 6 else text for text in CAPTIONS[: 1 + k % 3]])
        for k in range(6)
    ]
    paired.append(clip("held", split="val", captions=["A cat meows in a kitchen"]))
    retrieval = [
        clip("query0", split="test", captions=["A train passes and blows its horn", "A dog barks while rain falls"])
    ]
    save(tmp_path / "data/captioned/paired.parquet", paired)
    save(tmp_path / "data/captioned/retrieval.parquet", retrieval)
    return tmp_path
