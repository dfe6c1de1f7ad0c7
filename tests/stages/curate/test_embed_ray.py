"""Ray encodes the same shards as this machine's own processes do."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from clapline.embeddings import write_matrix
from clapline.tables.clips import CLIPS
from stages.curate import embed, embed_shards
from tests.stages.curate.tiny_teacher import embeddings, outputs, write_params, written_workspace

SHARDS = {"clips_per_shard": 60, "captions_per_shard": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return written_workspace(tmp_path_factory.mktemp("made") / "workspace", clips=300)


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch) -> Path:
    shutil.copytree(made, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path / "workspace")
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "workspace"


def refused(capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        embed.main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_ray_that_is_not_installed_is_named(workspace, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    write_params(workspace, {"engine": "ray"})
    assert 'machine.engine: ray needs the extra "ray"' in refused(capsys)


def test_a_cluster_that_is_not_there_is_named(workspace, capsys):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    write_params(workspace, {"engine": "ray", "ray_address": "127.0.0.1:1"})
    assert "machine.ray_address = '127.0.0.1:1'" in refused(capsys)


@pytest.fixture
def cluster(request):
    """Ray on this machine with two cores, and so many GPUs as far as it knows."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray.init(num_cpus=2, num_gpus=request.param, include_dashboard=False, log_to_driver=False, logging_level="warning")
    yield
    ray.shutdown()


class Stopped(BaseException):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_ray_and_local_runs_are_equal_and_take_over_from_each_other(workspace, cluster, capsys, monkeypatch):
    write_params(workspace, **SHARDS)
    embed.main()
    local = outputs()
    shutil.rmtree("data/embeddings")
    write_params(workspace, {"engine": "ray"}, **SHARDS)
    embed.main()
    assert outputs() == local
    assert len([name for name in local if "audio" in name and name.endswith("safetensors")]) == 5
    shutil.rmtree("data/embeddings")
    capsys.readouterr()
    # The local run writes three shards and is broken off; Ray goes on, and finds a damaged clip; then the local run.
    written: list[Path] = []

    def noting(file: Path, *given) -> None:
        write_matrix(file, *given)
        written.append(file)
        if len(written) == 3:
            raise Stopped

    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(embed_shards, "write_matrix", noting)
        write_params(workspace, **SHARDS)
        embed.main()
    kept = [file.stat().st_ino for file in written]
    write_params(workspace, {"engine": "ray"}, **SHARDS)
    embed.main()
    assert re.search(r"; 3 of 8 shards were finished by a run before\n$", capsys.readouterr().out)
    assert outputs() == local
    assert {path.stat().st_ino for path in Path("data/embeddings/audio").glob("*.safetensors")} >= set(kept)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_what_goes_wrong_in_a_task_is_one_line(workspace, cluster, capsys):
    clips = CLIPS.read("data/roles/unpaired.parquet")
    clips.loc[200, "sha256"] = "0" * 64
    CLIPS.write("data/roles/unpaired.parquet", clips)
    write_params(workspace, {"engine": "ray"}, **SHARDS)
    assert f"clip {clips.loc[200, 'clip_id']!r} is not what the clip table says" in refused(capsys)
    assert not Path("data/embeddings").exists()


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_actors_for_gpus_encode_every_shard(workspace, cluster):
    """Ray believes in two GPUs; torch finds none, so that the actors encode on the CPU."""
    write_params(workspace, **SHARDS)
    embed.main()
    local = [embeddings(side) for side in ("audio", "text")]
    write_params(workspace, {"engine": "ray", "device": "auto"}, **SHARDS)
    embed.main()
    for side, expected in zip(("audio", "text"), local, strict=True):
        assert np.abs(embeddings(side) - expected).max() < 1e-6
