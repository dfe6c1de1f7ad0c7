"""The frame of every door: one line for the user, no traceback where nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from clapline.errors import UserError, door

DOOR = """
import argparse
from clapline.errors import UserError, door

@door
def main():
    {body}

main()
"""
PRINTS = "[print('line', number) for number in range({lines})]"


def unread(body: str, *options: str) -> subprocess.CompletedProcess:
    """Run a door whose standard output is a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, *options, "-c", DOOR.format(body=body)]
    try:
        return subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    finally:
        os.close(writer)


@pytest.mark.parametrize("options", [[], ["-u"]])
@pytest.mark.parametrize("lines", [3, 200_000])
def test_a_reader_that_has_gone_is_no_error(lines, options):
    """Few lines break when they are flushed at the end, many in the middle."""
    done = unread(PRINTS.format(lines=lines), *options)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_user_error_is_told_though_nobody_reads_the_rest():
    done = unread("print('begun'); raise UserError('no such dataset')")
    assert (done.returncode, done.stderr) == (2, "error: no such dataset\n")


def test_help_that_nobody_reads_is_no_error():
    assert unread("argparse.ArgumentParser().parse_args(['--help'])").stderr == ""


def test_another_connection_that_breaks_is_not_hidden():
    command = [sys.executable, "-c", DOOR.format(body="raise BrokenPipeError('a server left')")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "BrokenPipeError: a server left" in done.stderr


def test_without_a_standard_output_it_runs(tmp_path):
    body = f"open({str(tmp_path / 'made')!r}, 'w').close()"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, DOOR.format(body=body)])
    assert done.returncode == 0
    assert (tmp_path / "made").exists()


def test_a_user_error_is_one_line(capsys):
    @door
    def main() -> None:
        raise UserError("a line\n  and another")

    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: a line and another\n"
