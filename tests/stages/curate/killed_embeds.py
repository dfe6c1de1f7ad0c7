"""Runs the door embed and kills it: `python -m tests.stages.curate.killed_embeds '{"workspace": [deaths]}'`.

Every attempt is a fork of this process, which has imported everything: a real process and a real SIGKILL, without
seconds of start-up. After the last death in a workspace one attempt is let through. `encoded` in it gets a line per
shard that was encoded to its end, `said` what the attempts say, `exits` how they ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clapline.embeddings
import clapline.model.encode
from clapline.model.clap import Clap
from stages.curate import embed, embed_shards


def mortal(do: Callable, death: dict[str, Any], where: str, halfway: Callable[..., None] | None = None) -> Callable:
    """Return `do` as a process does it that dies at its n-th call: before it, or in the middle of it."""
    calls = 0

    def done(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if death.get("where") == where and calls == death["call"]:
            if halfway is not None:
                halfway(*given)
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*given, **named)

    return done


def half_a_file(_: Any, path: Path) -> None:
    Path(path).write_bytes(b"\x60\x00\x00\x00\x00\x00\x00\x00{")


def attempt(death: dict[str, Any]) -> None:
    write = embed_shards.write_matrix

    def noted(file: Path, *given: Any) -> None:
        write(file, *given)
        with Path("encoded").open("a") as lines:
            lines.write(f"{file.name}\n")

    # Between two shards, in the middle of one's clips, of its file, before its rows are there.
    embed_shards.write_matrix = mortal(noted, death, "before writing")
    clapline.model.encode.gallery_of_inputs = mortal(clapline.model.encode.gallery_of_inputs, death, "hearing")
    clapline.embeddings.save_file = mortal(clapline.embeddings.save_file, death, "writing", half_a_file)
    embed.lay_rows = mortal(embed.lay_rows, death, "laying rows")
    # While outputs are put in place, and between that and the end of the work.
    clapline.embeddings.os.link = mortal(os.link, death, "linking")
    clapline.embeddings.write_json = mortal(clapline.embeddings.write_json, death, "counting")
    embed.discard = mortal(embed.discard, death, "discarding")
    embed.main()


def forked(workspace: str, death: dict[str, Any]) -> int:
    """Return how an attempt ended, as `os.waitpid` says it."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    os.chdir(workspace)
    os.environ["CLAPLINE_HOME"] = f"{workspace}/home"
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        attempt(death)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def main() -> None:
    # What only a first use imports is imported once, too.
    Clap.from_pretrained(Path(next(iter(json.loads(sys.argv[1]))), "models/teacher")).encode_texts(["a"])
    for workspace, deaths in json.loads(sys.argv[1]).items():
        exits = [forked(workspace, death) for death in [*deaths, {}]]
        Path(workspace, "exits").write_text(json.dumps(exits))


if __name__ == "__main__":
    main()
