"""A chat-completions service inside this process: real bytes, no network, no model.

Routes, fields and errors follow https://platform.openai.com/docs/api-reference;
the same request always gives the same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import colorsys
import hashlib
import json
import re
import struct
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NoReturn

from ..service import ServiceReply
from .demo_json import json_answer
from .demo_models import CHAT_MODELS, IMAGE_MODEL, MODELS
from .demo_tools import part_of
from .demo_voice import NOTICE, fault_in, hear, plan, tokens_in, tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from .demo_voice import Heard

_CREATED = 1_735_689_600  # a fixed date, so that answers are the same every time
_JSON = "application/json"
_LONGEST_SIDE = 1024
_MOST_PICTURES = 10
_ERROR_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error"}
_FAULT_STATUSES = {
    "401": (401, "invalid_api_key", "Incorrect API key provided. demo-error was asked for this."),
    "429": (429, "rate_limit_exceeded", "Rate limit reached. demo-error was asked for this."),
    "500": (500, "server_error", "The server had an error. demo-error was asked for this."),
}
_LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Log in</title></head>"
    b'<body><form method="post"><input name="password" type="password"></form></body></html>\n'
)


class _RefusedError(Exception):
    """A request that is answered by an error status; raised by ``_refuse`` alone."""

    def __init__(self, message: str, status: int, code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _refuse(message: str, *, status: int = 400, code: str | None = None) -> NoReturn:
    raise _RefusedError(message, status, code)


@dataclass(frozen=True, slots=True)
class _Speech:
    """What will be said, token by token."""

    id: str
    model: str
    reasoning: list[str]
    content: list[str]
    finish_reason: str
    tokens_in: int
    calls: list[dict[str, Any]]

    @property
    def usage(self) -> dict[str, Any]:
        tokens_out = len(self.reasoning) + len(self.content)
        return {
            "prompt_tokens": self.tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": self.tokens_in + tokens_out,
            "completion_tokens_details": {"reasoning_tokens": len(self.reasoning)},
        }


async def serve(
    method: str,
    path: str,
    headers: Mapping[str, str],  # noqa: ARG001  # any key will do
    body: bytes,
) -> ServiceReply:
    """Answer one request; errors are replies, and only a body can break."""
    try:
        match f"{method.upper()} {path.partition('?')[0].rstrip('/')}":
            case "GET /v1/models":
                return _reply(_listing())
            case "POST /v1/chat/completions":
                return _complete(_read(body))
            case "POST /v1/images/generations":
                return _reply(await _generate(_read(body)))
            case route:
                _refuse(f"Invalid URL ({route})", status=404)
    except _RefusedError as refusal:
        return _refusal(refusal)


def _listing() -> dict[str, Any]:
    common = {"object": "model", "created": _CREATED, "owned_by": "g4f_magic"}
    data = [
        {"id": name, **common, "supports_reasoning": model.reasons}
        for name, model in CHAT_MODELS.items()
    ]
    return {"object": "list", "data": [*data, {"id": IMAGE_MODEL, **common, "type": "image"}]}


def _complete(request: dict[str, Any]) -> ServiceReply:
    model = _known_model(request)
    if model == IMAGE_MODEL:
        _refuse(f"'{model}' does not chat: use /v1/images/generations")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        _refuse("'messages' must be a list with at least one message")
    if not all(isinstance(message, dict) for message in messages):
        _refuse("every message must be an object with 'role' and 'content'")
    heard = hear(messages)
    fault = fault_in(heard.prompt) if model == "demo-error" else ""
    if fault in _FAULT_STATUSES:
        status, code, message = _FAULT_STATUSES[fault]
        _refuse(message, status=status, code=code)
    speech = _speech(model, heard, request)
    if fault == "html":
        return ServiceReply(200, _headers("text/html; charset=utf-8"), _paced([_LOGIN_PAGE], 0))
    if not request.get("stream"):
        return ServiceReply(200, _headers(_JSON), _whole(speech, fault))
    options = request.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    events = _faulty(_events(speech, wants_usage=wants_usage), speech, fault)
    speaker = CHAT_MODELS[model]
    frames = _paced(events, speaker.tokens_per_s, fault, after_s=speaker.first_token_s)
    return ServiceReply(200, _headers("text/event-stream; charset=utf-8"), frames)


def _known_model(request: dict[str, Any], default: str | None = None) -> str:
    model = request.get("model") or default
    if model is None:
        _refuse("you must provide a model parameter")
    if model not in MODELS:
        message = f"The model '{model}' does not exist. The demo has: {', '.join(MODELS)}"
        _refuse(message, status=404, code="model_not_found")
    return str(model)


def _speech(model: str, heard: Heard, request: dict[str, Any]) -> _Speech:
    """Return what the model says within ``stop`` and ``max_tokens``."""
    speaker = CHAT_MODELS[model]
    with_tools = None if model == "demo-error" else part_of(request, heard.prompt)
    text = f"{NOTICE}\n\n{with_tools.text}" if with_tools else speaker.say(heard)
    text = json_answer(request.get("response_format"), heard.prompt) or text
    content = tokens_of(_stopped(text, request.get("stop")))
    reasoning = tokens_of(plan(heard)) if speaker.reasons else []
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        _refuse(f"'max_tokens' must be a whole number above 0, not {limit!r}")
    said = len(reasoning) + len(content)
    limit = said if limit is None else limit  # as elsewhere, reasoning counts
    calls = with_tools.calls if with_tools is not None and said <= limit else []
    messages = request["messages"]
    seed = json.dumps([model, messages]).encode()
    return _Speech(
        id=f"chatcmpl-demo{hashlib.sha256(seed).hexdigest()[:24]}",
        model=model,
        reasoning=reasoning[:limit],
        content=content[: max(0, limit - len(reasoning))],
        finish_reason=("tool_calls" if calls else "stop") if said <= limit else "length",
        tokens_in=tokens_in(messages),
        calls=calls,
    )


def _stopped(text: str, stop: Any) -> str:
    marks = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(marks, list) or not all(isinstance(mark, str) for mark in marks):
        _refuse("'stop' must be a string or a list of strings")
    return min((text.partition(mark)[0] for mark in marks if mark), key=len, default=text)


def _events(speech: _Speech, *, wants_usage: bool) -> Iterator[bytes]:
    """Yield the server-sent events of an answer, one for each token."""
    common = {"id": speech.id, "object": "chat.completion.chunk", "created": _CREATED}
    common["model"] = speech.model
    usage: dict[str, Any] = {"usage": None} if wants_usage else {}

    def event(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**common, "choices": [choice], **usage})

    yield event({"role": "assistant", "content": ""})
    for token in speech.reasoning:
        yield event({"reasoning_content": token})
    for token in speech.content:
        yield event({"content": token})
    for call in speech.calls:
        yield event({"tool_calls": [call]})
    yield event({}, speech.finish_reason)
    if wants_usage:
        yield _event({**common, "choices": [], "usage": speech.usage})
    yield b"data: [DONE]\n\n"


def _faulty(events: Iterator[bytes], speech: _Speech, fault: str) -> Iterator[bytes]:
    """Return as many of the events as the fault lets through."""
    if not fault:
        return events
    lengths = {"stall": 1, "cutoff": 1 + len(speech.content)}
    kept = islice(events, lengths.get(fault, 1 + len(speech.content) // 2))
    return chain(kept, [_event(_broken_off())]) if fault == "in-stream" else kept


def _broken_off() -> dict[str, Any]:
    message = "The model broke off. demo-error was asked for this."
    return _error(message, "server_error", "server_error")


async def _paced(
    frames: Iterable[bytes], per_s: float, fault: str = "", *, after_s: float = 0.0
) -> AsyncIterator[bytes]:
    """Yield the frames after a delay at a steady rate (0: at once), then fail if asked to."""
    loop = asyncio.get_running_loop()
    start = loop.time() + after_s
    for count, frame in enumerate(frames):
        due = start + count / per_s if per_s else start
        await asyncio.sleep(max(0.0, due - loop.time()))
        yield frame
    if fault == "stall":
        await asyncio.Event().wait()
    if fault == "cut":
        message = "demo-error was asked to break the connection"
        raise ConnectionResetError(message)


def _whole(speech: _Speech, fault: str) -> AsyncIterator[bytes]:
    """Return the body of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(speech.content)}
    if speech.reasoning:
        message["reasoning_content"] = "".join(speech.reasoning)
    if speech.calls:
        message["tool_calls"] = speech.calls
    finish_reason = None if fault == "cutoff" else speech.finish_reason
    completion = {
        "id": speech.id,
        "object": "chat.completion",
        "created": _CREATED,
        "model": speech.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        ],
        "usage": speech.usage,
    }
    body = _dump(_broken_off() if fault == "in-stream" else completion)
    kept = {"stall": 0, "cut": len(body) // 2}.get(fault, len(body))
    return _paced([body[:kept]] if kept else [], 0, fault)


async def _generate(request: dict[str, Any]) -> dict[str, Any]:
    model = _known_model(request, IMAGE_MODEL)
    if model != IMAGE_MODEL:
        _refuse(f"'{model}' makes no pictures: use '{IMAGE_MODEL}'")
    prompt, count = request.get("prompt"), request.get("n", 1)
    if not isinstance(prompt, str) or not prompt.strip():
        _refuse("'prompt' must say what to draw")
    if not isinstance(count, int) or not 1 <= count <= _MOST_PICTURES:
        _refuse(f"'n' must be 1 to {_MOST_PICTURES}, not {count!r}")
    width, height = _size(request.get("size"))
    seeds = [json.dumps([prompt, request.get("seed"), number]) for number in range(count)]
    pictures = [await asyncio.to_thread(draw, seed, width, height) for seed in seeds]
    texts = [base64.b64encode(picture).decode() for picture in pictures]
    if request.get("response_format") == "url":
        return {"created": _CREATED, "data": [{"url": f"data:image/png;base64,{t}"} for t in texts]}
    return {"created": _CREATED, "data": [{"b64_json": text} for text in texts]}


def _size(size: Any) -> tuple[int, int]:
    wanted = "512x512" if size is None or size == "auto" else str(size)
    sides = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", wanted)
    width, height = (int(sides[1]), int(sides[2])) if sides else (0, 0)
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        _refuse(f"'size' must be like 512x512, at most 1024x1024, not {size!r}")
    return width, height


def draw(seed: str, width: int, height: int) -> bytes:
    """Return a PNG of soft discs on a gradient, the same for the same arguments.

    Works on whole rows, one plane per colour, since pixels one by one are slow:
    the gradient is one long ramp that moves on by a pixel each row.
    """
    dice = iter(hashlib.shake_256(seed.encode()).digest(64))
    hue = next(dice) / 256
    start = colorsys.hsv_to_rgb(hue, 0.75, 0.35)
    end = colorsys.hsv_to_rgb((hue + 0.1 + next(dice) / 1024) % 1, 0.55, 0.95)
    steps = range(width + height)
    ramps = [
        bytes(int(255 * (a + (b - a) * step / len(steps))) for step in steps)
        for a, b in zip(start, end, strict=True)
    ]
    discs = [disc for _ in range(7) for disc in _soft_disc(dice, hue, width, height)]
    rows = bytearray()
    for y in range(height):
        planes = [bytearray(ramp[y : y + width]) for ramp in ramps]
        for x_mid, y_mid, radius, tints in discs:
            if (half_squared := radius**2 - (y - y_mid) ** 2) > 0:
                half = half_squared**0.5
                span = slice(max(0, round(x_mid - half)), max(0, round(x_mid + half)))
                for plane, tint in zip(planes, tints, strict=True):
                    plane[span] = plane[span].translate(tint)
        row = bytearray(3 * width)
        row[0::3], row[1::3], row[2::3] = planes
        rows += b"\0" + row  # each row of a PNG begins with its filter, here none
    return _png(width, height, bytes(rows))


def _soft_disc(
    dice: Iterator[int], hue: float, width: int, height: int
) -> Iterator[tuple[float, float, float, list[bytes]]]:
    """Yield middle, radius and tint tables of discs that lie on one another."""
    x, y = next(dice) / 255 * width, next(dice) / 255 * height
    radius = (0.06 + next(dice) / 255 * 0.2) * min(width, height)
    colour = colorsys.hsv_to_rgb((hue + next(dice) / 512) % 1, 0.5, 1.0)
    tints = [bytes(int(v + (255 * c - v) * 0.12) for v in range(256)) for c in colour]
    for shrunk in (1.0, 0.985, 0.97, 0.7):
        yield x, y, radius * shrunk, tints


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(
        ">IIBBBBB", width, height, 8, 2, 0, 0, 0
    )  # 8 bits each of red, green, blue
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 4)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        _refuse("We could not parse the JSON body of your request.")
    if not isinstance(request, dict):
        _refuse("the JSON body of a request must be an object")
    return request


def _refusal(refusal: _RefusedError) -> ServiceReply:
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    reply = _reply(_error(str(refusal), kind, refusal.code), refusal.status)
    if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
        reply.headers["retry-after"] = "1"
    return reply


def _error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _reply(value: dict[str, Any], status: int = 200) -> ServiceReply:
    return ServiceReply(status, _headers(_JSON), _paced([_dump(value)], 0))


def _headers(content_type: str) -> dict[str, str]:
    return {"content-type": content_type, "x-request-id": "req_demo"}


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + _dump(value) + b"\n\n"


def _dump(value: dict[str, Any]) -> bytes:
    """Write JSON as services do, in UTF-8; half characters become question marks."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
