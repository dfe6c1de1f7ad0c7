"""The frame of every door: one line for the user, no traceback where nobody reads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clapline.errors import UserError, door

PRINTS = "from clapline.errors import door\ndoor(lambda: [print('line', number) for number in range({lines})])()"
BREAKS = "from clapline.errors import door\n@door\ndef main():\n    raise BrokenPipeError('a server left')\nmain()"


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("lines", [3, 200_000])
def test_a_reader_that_has_gone_is_no_error(lines, unbuffered):
    """Few lines break when they are flushed at the end, many in the middle."""
    command = [sys.executable, *(["-u"] if unbuffered else []), "-c", PRINTS.format(lines=lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_another_connection_that_breaks_is_not_hidden():
    done = subprocess.run([sys.executable, "-c", BREAKS], capture_output=True, text=True)
    assert done.returncode == 1
    assert "BrokenPipeError: a server left" in done.stderr


def test_a_user_error_is_one_line(capsys):
    @door
    def main() -> None:
        raise UserError("a line\n  and another")

    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: a line and another\n"
