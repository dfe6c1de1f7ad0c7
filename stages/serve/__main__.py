"""Serve a search page on this machine: `python -m stages.serve`, or `make search`.

Type a sentence and hear the nearest clips of a gallery; drop a recording and read the nearest captions.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clapline.errors import UserError, door
from clapline.params.base import read_section, read_seed
from clapline.params.machine import Machine
from clapline.params.prepare import Prepare

if TYPE_CHECKING:
    from fastapi import FastAPI

PARAPHRASES_FILE = "data/captions/paraphrases_test.parquet"
NEEDED = ("fastapi", "uvicorn", "python_multipart")
EVERYWHERE = ("0.0.0.0", "::")


@door
def main(arguments: Sequence[str] | None = None) -> None:
    """Load the model and the gallery, and answer until Ctrl-C."""
    given = _given(arguments)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"the search page needs {', '.join(missing)}: `make search`, or pip install -e '.[search]'")
    with listening(given.host, given.port) as heard:
        serve(given.model, given.gallery, given.host, heard)


def serve(model: str, gallery: str, host: str, heard: socket.socket) -> None:
    """Answer what comes in on a socket."""
    import uvicorn

    app = application(model, gallery, host)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{heard.getsockname()[1]}"
    print(f"search: {model} over {gallery} at {address} (Ctrl-C ends it)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # raised again once the server has ended
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[heard])


def application(model: str, gallery_name: str, host: str) -> FastAPI:
    """Return the application of a model over a gallery, both by their names on the command line."""
    from clapline.model.clap import Clap
    from clapline.model.device import choose_device
    from clapline.tables.captions import PARAPHRASES
    from stages.serve.answers import Answers
    from stages.serve.app import build_app
    from stages.serve.gallery import embed_gallery, read_gallery
    from stages.serve.model import ServedModel
    from stages.serve.upload import MAXIMUM_S

    machine, seed = read_section("machine", Machine), read_seed()
    gallery = read_gallery(gallery_name)
    clap = Clap.from_pretrained(model).to(choose_device(machine.device))
    embedded = embed_gallery(clap, model, gallery, machine)
    known = PARAPHRASES.read(PARAPHRASES_FILE) if Path(PARAPHRASES_FILE).is_file() else PARAPHRASES.frame()
    hosts = ["*"] if host in EVERYWHERE else [host, "127.0.0.1", "localhost"]
    heard_s = min(MAXIMUM_S, read_section("prepare", Prepare).maximum_duration_s)
    return build_app(Answers(ServedModel(clap), gallery, embedded, known), model, seed, hosts, heard_s=heard_s)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, before anything is loaded. Raises UserError when it is not to be had."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise UserError(f"cannot listen at {host}:{port} ({error}); choose another with --host, --port") from None
    return bound


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stages.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="models/student", help="folder or hub id (default: models/student)")
    parser.add_argument(
        "--gallery",
        default="retrieval",
        help="retrieval, zero_shot, hierarchy, unpaired, or the path of a clip table (default: retrieval)",
    )
    parser.add_argument("--port", type=int, default=8321, help="0: any free one (default: 8321)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="this machine alone (default: 127.0.0.1); 0.0.0.0: whoever reaches it"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
