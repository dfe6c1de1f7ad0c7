from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clapline.loaded_code import code_hashes, source_key


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `toy_code` with a module `one` and a package `inner` with a module `two`."""
    folder = tmp_path / "toy_code"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__.py", "one.py", "inner/__init__.py", "inner/two.py"):
        (folder / name).write_text(f"# {name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_code"]:
        del sys.modules[name]


def key(*modules: str) -> str:
    source_key.cache_clear()  # a process has one version of its code
    return source_key(*modules)


def test_a_key_is_of_the_source_and_of_the_names_in_any_order(package: Path):
    both = key("toy_code.one", "toy_code.inner.two")
    assert both == key("toy_code.inner.two", "toy_code.one")
    assert len({both, key("toy_code.one"), key("toy_code.inner.two"), key("toy_code"), key("toy_code.inner")}) == 5
    assert len(both) == 32


def test_a_package_stands_for_all_its_modules(package: Path):
    before = key("toy_code"), key("toy_code.one"), key("toy_code.inner")
    (package / "inner/two.py").write_text("changed = True\n")
    after = key("toy_code"), key("toy_code.one"), key("toy_code.inner")
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, False]
    (package / "inner/three.py").write_text("")
    assert key("toy_code.inner") != after[2]


def test_the_same_bytes_under_another_name_are_other_code(package: Path):
    before = key("toy_code.inner")
    (package / "inner/two.py").rename(package / "inner/three.py")
    assert key("toy_code.inner") != before


def test_no_module_is_imported_for_its_key(package: Path):
    (package / "one.py").write_text("raise RuntimeError\n")
    assert key("toy_code.one")
    assert "toy_code.one" not in sys.modules


def test_a_module_that_is_not_there_is_an_error(package: Path):
    with pytest.raises(ValueError, match=r"no module 'toy_code\.four'"):
        key("toy_code.four")


def test_code_of_the_process_is_that_of_this_project():
    hashes = code_hashes()
    assert "clapline.loaded_code" in hashes
    assert not any(name.startswith("pytest") for name in hashes)
