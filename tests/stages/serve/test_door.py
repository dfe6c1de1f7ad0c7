"""The door: it answers until it is ended, and says in one line why it cannot begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx2
import pytest

from clapline.errors import UserError
from stages.serve import __main__ as door
from stages.serve.__main__ import listening, main
from tools.import_graph import ROOT

pytest.importorskip("uvicorn")


def test_it_says_where_answers_and_ends(workspace):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.serve", "--port", "0"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = next(line for line in process.stdout if " at http" in line)
        address = line.split(" at ")[1].split()[0]
        found = httpx2.get(f"{address}/api/search", params={"q": "a dog", "k": 2}, timeout=30).json()
        assert len(found["results"]) == 2
        assert httpx2.get(address, headers={"Host": "elsewhere.example"}, timeout=30).status_code == 400
    finally:
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert "Traceback" not in complaints


def test_a_port_that_is_taken_is_one_clear_error(workspace, capsys):
    with listening("127.0.0.1", 0) as heard:
        heard.listen()
        with pytest.raises(SystemExit) as ended:
            main(["--port", str(heard.getsockname()[1])])
    assert ended.value.code == 2
    assert "choose another with --host, --port" in capsys.readouterr().err
    with pytest.raises(UserError, match="cannot listen"):
        listening("127.0.0.1", 99999)


def test_missing_packages_are_one_clear_error(workspace, capsys, monkeypatch):
    monkeypatch.setattr(door, "NEEDED", ("fastapi", "not_installed_anywhere"))
    with pytest.raises(SystemExit):
        main([])
    assert "needs not_installed_anywhere: `make search`" in capsys.readouterr().err


def test_a_model_that_is_none_is_one_clear_error(workspace, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit):
        main(["--port", "0", "--model", "models/none"])
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
