"""The bytes a chat-completions service sends, to be put together by scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from support.byteserver import Exchange

    Headers = Iterable[tuple[str, str]]

#: The end of a chunked body.
END = b"0\r\n\r\n"
#: The event that closes a stream by OpenAI's custom.
DONE = b"data: [DONE]\n\n"

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
REASONS |= {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


def head(status: int, content_type: str, headers: Headers = ()) -> bytes:
    """The status line and headers, blank line included."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Other')}", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def sse_head(content_type: str = "text/event-stream", headers: Headers = ()) -> bytes:
    """The head of a 200 whose body comes in chunks (see `chunked` and `END`)."""
    return head(200, content_type, [("Transfer-Encoding", "chunked"), *headers])


def chunked(data: bytes) -> bytes:
    """``data`` as one chunk of a chunked body; nothing for nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def reply(
    status: int, body: bytes, content_type: str = "text/plain", headers: Headers = ()
) -> bytes:
    """A whole response with a Content-Length."""
    return head(status, content_type, [("Content-Length", str(len(body))), *headers]) + body


def json_reply(status: int, obj: Any, headers: Headers = ()) -> bytes:
    """A whole JSON response."""
    return reply(status, dump(obj), "application/json", headers)


def dump(obj: Any) -> bytes:
    """Compact JSON in UTF-8, characters as they are."""
    return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode()


def event(obj: Any) -> bytes:
    """One server-sent event with ``obj`` as JSON."""
    return b"data: " + dump(obj) + b"\n\n"


def chunk(choices: list[dict[str, Any]], model: str, **fields: Any) -> bytes:
    """The event of one ``chat.completion.chunk``."""
    envelope = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1700000000}
    return event({**envelope, "model": model, "choices": choices, **fields})


def delta(text: str | None, *, index: int = 0, model: str = "test-model", **fields: Any) -> bytes:
    """The event that adds ``text``; ``fields`` join it inside ``delta``.

    With ``None`` there is no ``content`` at all, as in a delta of tool calls.
    """
    content = {} if text is None else {"content": text}
    choice = {"index": index, "delta": {**content, **fields}, "finish_reason": None}
    return chunk([choice], model)


def finish(
    reason: str = "stop",
    usage: Mapping[str, int] | None = None,
    *,
    index: int = 0,
    model: str = "test-model",
) -> bytes:
    """The event with ``finish_reason``, then one with the usage if there is any."""
    last = chunk([{"index": index, "delta": {}, "finish_reason": reason}], model)
    return last if usage is None else last + chunk([], model, usage=dict(usage))


def counted(pieces: int) -> dict[str, int]:
    """A usage of 3 tokens in and one out for every piece."""
    return {"prompt_tokens": 3, "completion_tokens": pieces, "total_tokens": 3 + pieces}


def stream_script(
    texts: Sequence[str],
    delay_s: float = 0.0,
    finish_reason: str | None = "stop",
    usage: Mapping[str, int] | Literal["counted"] | None = "counted",
    models: Sequence[str] = ("test-model",),
) -> Callable[[Exchange], None]:
    """A script of a service that answers each chat with ``texts``, one event each.

    It also serves ``GET …/models``, and the answer at once where ``stream`` is
    not asked for. Without ``finish_reason`` the stream ends cleanly but
    unfinished: no finish event, no usage, no ``[DONE]``.
    """
    tokens = counted(len(texts)) if usage == "counted" else usage

    def script(exchange: Exchange) -> None:
        path = exchange.request.path.partition("?")[0]
        if exchange.request.method == "GET" and path.endswith("/models"):
            names = [{"id": name, "object": "model"} for name in models]
            exchange.send(json_reply(200, {"object": "list", "data": names}))
        elif not path.endswith("/chat/completions"):
            exchange.send(json_reply(404, {"error": {"message": f"no such path: {path}"}}))
        elif not exchange.request.json.get("stream"):
            exchange.send(json_reply(200, completion("".join(texts), finish_reason, tokens)))
        else:
            send_stream(exchange, texts, delay_s, finish_reason, tokens)

    return script


def send_stream(
    exchange: Exchange,
    texts: Sequence[str],
    delay_s: float,
    finish_reason: str | None,
    usage: Mapping[str, int] | None,
) -> None:
    """Sends a chunked stream of ``texts``, each in its own write."""
    exchange.send(sse_head() + chunked(delta("", role="assistant")))
    for text in texts:
        exchange.sleep(delay_s)
        exchange.send(chunked(delta(text)))
    if finish_reason is not None:
        exchange.send(chunked(finish(finish_reason, usage) + DONE))
    exchange.send(END)


def completion(
    text: str, finish_reason: str | None = "stop", usage: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    body = {"id": "chatcmpl-test", "object": "chat.completion", "created": 1700000000}
    used = {} if usage is None else {"usage": dict(usage)}
    return {**body, "model": "test-model", "choices": [choice], **used}
