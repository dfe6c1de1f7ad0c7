from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clapline import storage


def test_an_interrupted_write_leaves_what_was_there(tmp_path):
    target = tmp_path / "table.bin"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), storage.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupted_folder_leaves_what_was_there(tmp_path):
    target = tmp_path / "model"
    for content in ("first", "second"):
        with storage.atomic_folder(target) as temporary:
            (temporary / "a.txt").write_text(content)
    with pytest.raises(RuntimeError), storage.atomic_folder(target) as temporary:
        (temporary / "b.txt").write_text("third")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("a.txt", "second")]
    assert list(tmp_path.iterdir()) == [target]


def test_a_read_only_hard_link_is_replaced_not_written_through(tmp_path):
    """DVC's cache may hold the same file: writing in place would corrupt it."""
    cached, output = tmp_path / "cache", tmp_path / "output"
    cached.write_text("cached")
    output.hardlink_to(cached)
    output.chmod(0o444)
    storage.write_text(output, "new")
    assert (cached.read_text(), output.read_text()) == ("cached", "new")


def test_stores_are_found_by_the_root_never_by_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "repository"))
    monkeypatch.delenv("CLAPLINE_HOME", raising=False)
    assert storage.store("replies") == tmp_path / "repository/.work/replies"
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))
    assert storage.store("replies") == tmp_path / "home/replies"
    monkeypatch.setenv("CLAPLINE_MIRROR", "../mirror")
    assert storage.mirror() == (tmp_path / "mirror").resolve()
    monkeypatch.delenv("CLAPLINE_MIRROR")
    assert storage.mirror() is None


def test_json_is_exact_and_refuses_nan(tmp_path):
    path = tmp_path / "a.json"
    storage.write_json(path, {"b": 0.1 + 0.2, "a": "σ"})
    assert storage.read_json(path) == {"b": 0.30000000000000004, "a": "σ"}
    assert list(json.loads(path.read_text())) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON"):
        storage.write_json(path, float("nan"))


def test_content_keys_ignore_the_order_of_keys_and_nothing_else():
    assert storage.content_key({"a": 1, "b": 2}) == storage.content_key({"b": 2, "a": 1})
    keys = [storage.content_key(value) for value in (1, "1", [1], [1, 2], [2, 1], 1.0, None, True)]
    assert len(set(keys)) == len(keys)


def test_seeds_do_not_depend_on_the_process():
    """Known trap 9: ids from the salted `hash`."""
    code = "from clapline import randomness as r; print(r.derived_seed(1, 's', 'x', 2), r.generator(0, 's').random())"
    root = Path(__file__).resolve().parents[2]
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={"PYTHONHASHSEED": salt}, capture_output=True, check=True
        ).stdout
        for salt in ("1", "2")
    }
    assert len(runs) == 1


def test_seeds_differ_by_seed_stage_and_item():
    from clapline.randomness import derived_seed

    drawn = {derived_seed(*words) for words in [(0, "a"), (1, "a"), (0, "b"), (0, "a", "b"), (0, "ab"), (0, "a", 1)]}
    assert len(drawn) == 6
