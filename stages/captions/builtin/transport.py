"""The builtin model's side of the wire: a transport that answers chat requests in-process, as a server would."""

from __future__ import annotations

import json

import httpx2

from stages.captions.builtin.answer import answer


class BuiltinTransport(httpx2.AsyncBaseTransport):
    """Answers POST …/chat/completions; anything else is 404. Deterministic; usage counts white-space words."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response to one request."""
        body = json.loads(await request.aread())
        if not request.url.path.endswith("/chat/completions"):
            return httpx2.Response(404, json={"error": {"message": "builtin answers chat completions only"}})
        content = answer(body["messages"])
        asked = sum(len(message["content"].split()) for message in body["messages"])
        said = len(content.split())
        return httpx2.Response(
            200,
            json={
                "id": "builtin",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
            },
            request=request,
        )
