"""The Makefile's commands that nothing else runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_clean_leaves_what_no_stage_wrote(tmp_path):
    kept = ("models/published/msclap-2023", "reports/studies", "reports/comparison", ".work/replies")
    gone = ("data/raw/soundscapes", "models/teacher", "models/student", "reports/evaluate", "reports/live")
    for name in (*kept, *gone):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "file").touch()
    for name in ("reports/metrics.json", "reports/captions.json", "reports/index.html"):
        (tmp_path / name).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in kept if not (tmp_path / name / "file").exists()] == []
    assert [name for name in gone if (tmp_path / name).exists()] == []
    assert sorted(path.name for path in (tmp_path / "reports").glob("*.*")) == ["captions.json", "metrics.json"]
