"""params.yaml and the recipes are whole, valid and commented; a bad one gets one clear line and changes nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]


def settings(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.settings"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_is_valid(path, tmp_path):
    (tmp_path / "params.yaml").write_text(path.read_text())
    result = settings(tmp_path)
    assert result.returncode == 0, result.stderr


def test_every_knob_of_the_default_has_a_comment_with_its_range():
    bare = []
    seen: set[str] = set()
    for line in (ROOT / "params.yaml").read_text().splitlines():
        match = re.match(r"^\s+([a-z_]+): *([^ #{\[][^#]*?) *(#.*)?$", line)
        if match and not match[3] and match[1] not in seen:
            bare.append(line)
        if match and match[3]:
            seen.add(match[1])  # a knob that a second section repeats is explained once
    assert bare == []


EDITS = {
    "unknown section": ("\nstudnet: {}\n", "studnet"),
    "misspelt key": (("  steps: 780", "  stesp: 780"), "did you mean 'steps'"),
    "number as text": (("audio: 3.0e-3", "audio: '3.0e-3'"), "a number is text"),
    "sigma out of range": (("sigma_audio_text: 0.85", "sigma_audio_text: 1.85"), "less than or equal to 1"),
    "unknown kind": (("kind: soundscapes", "kind: soundscape"), "known: audiocaps, audioset"),
    "role names no dataset": (("{dataset: soundscapes, where: {split: [pool]}}", "{dataset: other}"), "other"),
    "empty role": (("    - {dataset: soundscapes, where: {split: [pool]}}\n", "    []\n"), "unpaired"),
    "section missing": (("curate:\n", "curata:\n"), "curat"),
    "not yaml": ("\n  : : {\n", "YAML"),
}


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_a_bad_setting_is_one_clear_line(edit, tmp_path):
    change, expected = EDITS[edit]
    text = (ROOT / "params.yaml").read_text()
    if isinstance(change, tuple):
        assert change[0] in text, f"the default no longer holds {change[0]!r}"
        text = text.replace(*change, 1)
    else:
        text += change
    (tmp_path / "params.yaml").write_text(text)
    result = settings(tmp_path)
    assert result.returncode != 0
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("error: ")
    assert expected in result.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]


def test_comments_stay_below_the_line_length():
    for path in FILES:
        assert yaml.safe_load(path.read_text())
        assert max(map(len, path.read_text().splitlines())) <= 120, path.name
