"""OpenAI's batch API: a file of questions, answered within a day at half the price.

What was handed in is written down in the store of replies before and after, so that a run that was killed at any moment
takes the same batch up again. Every answer is stored as it is read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import openai

from clapline.errors import UserError
from clapline.storage import content_key, read_json, write_json
from stages.captions.client import Client
from stages.captions.replies import ReplyStore

# What OpenAI takes in one file.
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
_DONE = {"completed", "failed", "expired", "cancelled"}
_FIRST_POLL_S = 0.5
_LONGEST_POLL_S = 30.0
_BACK_OFF = 1.5
_ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_OVER_THE_LIMIT = "token_limit_exceeded"
_TAG = "clapline"
_RETRIES = 5


@dataclass(frozen=True)
class Item:
    """One question of a batch."""

    key: str
    prompt_version: str
    messages: list[dict[str, str]]
    wanted: list[str]


async def ask_batches(
    items: Sequence[Item],
    client: Client,
    replies: ReplyStore,
    folder: Path,
    server: str,
    model: str,
    answered: Callable[[int], None],
) -> None:
    """Take up the batches that `folder` lists for this server and model, hand in what is still unanswered, wait for it.

    Replies are stored; what a batch left out (expired, refused) simply stays unanswered. `answered` is told how many
    replies came. Raises UserError when the server has no batch API.
    """
    sdk = client.sdk.with_options(max_retries=_RETRIES)
    failure = ""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for record in sorted(folder.glob("*.json")):
            known = read_json(record)
            if (known["server"], known["model"]) == (server, model):
                await _finish(record, known, sdk, client, replies, answered)
        again = True
        while again and (missing := [item for item in items if replies.get(item.key) is None]):
            records = [await _hand_in(chunk, sdk, folder, server, model) for chunk in _chunks(missing, client)]
            ends = [await _finish(record, read_json(record), sdk, client, replies, answered) for record in records]
            # An account may have only so many tokens waiting: what was too much is handed in once the rest is done.
            again = _OVER_THE_LIMIT in ends and "completed" in ends
    except openai.APIStatusError as error:
        failure = (
            f"answers its batch API with status {error.status_code}; set it to false, or check machine.base_url and "
            "the key variable"
        )
    except openai.APIConnectionError:
        failure = "cannot be reached; what was handed in is written down, run again to go on"
    if failure:
        raise UserError(f"machine.batch_api: the server of model {model!r} {failure}")


def _chunks(items: Sequence[Item], client: Client) -> Iterator[list[tuple[str, bytes]]]:
    """Yield (key, line of the file) in files as large as a server takes."""
    chunk: list[tuple[str, bytes]] = []
    size = 0
    for item in items:
        line = _line(item, client)
        if chunk and (len(chunk) >= MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append((item.key, line))
        size += len(line)
    if chunk:
        yield chunk


def _line(item: Item, client: Client) -> bytes:
    name = f"{item.key}.{item.prompt_version}"
    body = client.body(item.messages, item.wanted)
    request = {"custom_id": name, "method": "POST", "url": _ENDPOINT, "body": body}
    return json.dumps(request, ensure_ascii=False).encode() + b"\n"


async def _hand_in(
    chunk: list[tuple[str, bytes]], sdk: openai.AsyncOpenAI, folder: Path, server: str, model: str
) -> Path:
    """Upload one file, create its batch, and write its id down."""
    name = content_key(server, model, [key for key, _ in chunk])
    record = folder / f"{name}.json"
    # Written before the batch exists: should this process die between the two, the server is asked for the name.
    write_json(record, {"server": server, "model": model, "name": name, "batch": None})
    with tempfile.TemporaryFile() as file:
        file.writelines(line for _, line in chunk)
        file.seek(0)
        uploaded = await sdk.files.create(file=(f"{name}.jsonl", file), purpose="batch")
    # Never sent again by itself: a create that was lost on the way back would be paid twice.
    batch = await sdk.with_options(max_retries=0).batches.create(
        input_file_id=uploaded.id,
        endpoint=_ENDPOINT,
        completion_window="24h",
        metadata={_TAG: name},
    )
    write_json(record, {"server": server, "model": model, "name": name, "batch": batch.id})
    print(f"batch {batch.id}: {len(chunk)} questions handed in to {model}", file=sys.stderr, flush=True)
    return record


async def _finish(
    record: Path,
    known: dict[str, Any],
    sdk: openai.AsyncOpenAI,
    client: Client,
    replies: ReplyStore,
    answered: Callable[[int], None],
) -> str:
    """Wait for a batch, store its replies, and forget it; return how it ended."""
    batch_id = known["batch"] or await _named(known["name"], sdk)
    batch = await _ended(batch_id, sdk) if batch_id else None
    end = ""
    if batch is not None:
        end = batch.status
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                answered(await _take_in(file_id, sdk, client, replies))
        replies.sync()
        if batch.status != "completed":
            errors = batch.errors.data if batch.errors and batch.errors.data else []
            reason = client.hidden(" ".join(f": {errors[0].message}".split())[:200]) if errors else ""
            if any(error.code == _OVER_THE_LIMIT for error in errors):
                end = _OVER_THE_LIMIT
            print(f"batch {batch.id} {batch.status}{reason}", file=sys.stderr, flush=True)
    record.unlink(missing_ok=True)
    return end


async def _named(name: str, sdk: openai.AsyncOpenAI) -> str | None:
    """Return the id of the batch that a killed run created without writing its id down."""
    async for batch in sdk.batches.list(limit=100):
        if (batch.metadata or {}).get(_TAG) == name:
            return batch.id
    return None


async def _ended(batch_id: str, sdk: openai.AsyncOpenAI) -> Any:
    """Wait for the end of a batch; None when the server does not know it."""
    poll_s = _FIRST_POLL_S
    while True:
        try:
            batch = await sdk.batches.retrieve(batch_id)
        except openai.NotFoundError:
            return None
        if batch.status in _DONE:
            return batch
        await asyncio.sleep(poll_s)
        poll_s = min(_LONGEST_POLL_S, poll_s * _BACK_OFF)


async def _take_in(file_id: str, sdk: openai.AsyncOpenAI, client: Client, replies: ReplyStore) -> int:
    """Store the replies of a result file; return how many were new. Lines without an answer are passed over."""
    count = 0
    async with sdk.files.with_streaming_response.content(file_id) as response:
        async for line in response.iter_lines():
            try:
                value = json.loads(line)
                key, _, prompt_version = value["custom_id"].partition(".")
                if value["response"]["status_code"] != 200:
                    continue
                reply = client.batched(value["response"]["body"], prompt_version)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if replies.get(key) is None:
                replies.put(key, reply)
                count += 1
    return count
