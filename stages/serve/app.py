"""The routes of the search page. A request names clips by number alone; every error is one line of JSON."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from clapline.audio.shards import ShardReader
from clapline.errors import UserError
from stages.serve.answers import Answer, Answers
from stages.serve.part import Unsatisfiable, asked_part
from stages.serve.upload import MAXIMUM_BYTES, MAXIMUM_S, TooLarge, bounded, decode

TEMPLATES = Path(__file__).parent / "templates"
MAXIMUM_COUNT = 50
MAXIMUM_LETTERS = 500

# Nothing but this server is asked for anything; what is uploaded is played from the browser's memory (blob:).
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    # The rows of another gallery, or the words of another page, may stand behind the same address tomorrow.
    "Cache-Control": "no-store",
}

Sentence = Annotated[str, Query(max_length=MAXIMUM_LETTERS)]
Count = Annotated[int, Query(ge=1, le=MAXIMUM_COUNT)]


def build_app(
    answers: Answers, model: str, seed: int, hosts: Sequence[str], root: Path | str = ".", heard_s: float = MAXIMUM_S
) -> FastAPI:
    """Return the application.

    Args:
        answers: the model over its gallery.
        model: its name, to be shown.
        seed: draws the examples.
        hosts: names under which a browser may ask, so that no page of a name that someone lets resolve to this
            machine can; "*": any.
        root: the folder that the clip table's shards are under.
        heard_s: what is kept of a longer upload, from its start: as the stage prepare cuts recordings.
    """
    app = FastAPI(title="clapline search", docs_url=None, redoc_url=None, openapi_url=None)
    page, reader = render(answers, model, seed), ShardReader(root)
    _add_errors(app)

    @app.middleware("http")
    async def guarded(request: Request, following: Any) -> Response:
        if "*" not in hosts and request.url.hostname not in hosts:
            response: Response = JSONResponse({"error": "this server answers under its own name alone"}, 400)
        elif request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            # A page of another site may send forms and embed sounds without asking; it gets neither.
            response = JSONResponse({"error": "this server answers its own page alone"}, 403)
        else:
            try:
                response = await following(request)
            except Exception as error:  # whatever it is, the answer has the headers of all others
                response = JSONResponse({"error": f"the search failed: {type(error).__name__}"}, 500)
                traceback.print_exception(error)
        response.headers.update(_HEADERS)
        return response

    @app.get("/", response_class=HTMLResponse)
    def index() -> str:
        return page

    @app.get("/style.css")
    def style() -> FileResponse:
        return FileResponse(TEMPLATES / "style.css", media_type="text/css")

    @app.get("/page.js")
    def script() -> FileResponse:
        return FileResponse(TEMPLATES / "page.js", media_type="text/javascript")

    @app.get("/api/search")
    def search(q: Sentence, k: Count = 10) -> Answer:
        return answers.search(_sentence(q), k)

    @app.get("/api/paraphrases")
    def paraphrases(q: Sentence, k: Count = 5) -> Answer:
        return answers.paraphrases(_sentence(q), k)

    @app.post("/api/audio")
    async def audio(request: Request, k: Count = 10) -> Answer:
        async with bounded(request).form(max_files=1, max_fields=4) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise UserError("send one audio file as the field `file` of a form")
            return await run_in_threadpool(hear, file, k)

    decoding = threading.Lock()  # a recording takes room while it is decoded: one at a time

    def hear(file: UploadFile, count: int) -> Answer:
        with decoding:
            samples = decode(file.file, file.filename or "", answers.model.features.prepared_rate_hz, heard_s)
        return answers.captions(samples, count)

    @app.get("/clip/{row}")
    def clip(row: int, request: Request) -> Response:
        found = answers.clip(row)
        if found is None:
            raise HTTPException(404, f"no clip {row}: the gallery has {len(answers.gallery)}")
        return flac(reader.read_bytes(found), request.headers.get("range"))

    return app


def flac(data: bytes, wanted: str | None) -> Response:
    """Return a clip, or the part of it that a player asks for."""
    size = len(data)
    try:
        part = asked_part(wanted, size)
    except Unsatisfiable:
        return JSONResponse({"error": f"the clip has {size} bytes"}, 416, {"Content-Range": f"bytes */{size}"})
    headers = {"Accept-Ranges": "bytes"}
    if part is None:
        return Response(data, 200, headers, "audio/flac")
    start, stop = part
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Response(data[start:stop], 206, headers, "audio/flac")


def render(answers: Answers, model: str, seed: int) -> str:
    """Return the page; what it shows of a query is fetched by its script."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("page.html.jinja").render(
        model=model,
        gallery=answers.gallery.name,
        clips=len(answers.gallery),
        texts=len(answers.gallery.texts),
        kind=answers.gallery.kind_of_texts,
        examples=answers.examples(seed),
        paraphrases=answers.has_paraphrases,
        gaussian=answers.model.gaussian,
        letters=MAXIMUM_LETTERS,
        megabytes=MAXIMUM_BYTES // 2**20,
        bytes=MAXIMUM_BYTES,
        seconds=round(MAXIMUM_S),
    )


def _sentence(query: str) -> str:
    plain = " ".join(query.split())
    if not plain:
        raise UserError("q: write a sentence")
    return plain


def _add_errors(app: FastAPI) -> None:
    def told(status: int, message: str) -> JSONResponse:
        return JSONResponse({"error": " ".join(message.split())}, status)

    # Of starlette's handlers an async one runs at once, without a thread.
    @app.exception_handler(UserError)
    async def user_error(request: Request, error: UserError) -> JSONResponse:
        return told(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return told(422, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))

    @app.exception_handler(TooLarge)
    async def too_large(request: Request, error: TooLarge) -> JSONResponse:
        return told(413, str(error))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return told(error.status_code, str(error.detail))
