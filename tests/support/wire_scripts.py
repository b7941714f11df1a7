"""What real services were seen to send, as bytes, and what a client has to make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from g4f_magic.messages import ToolCall, Usage
from support.chat_bytes import DONE, completion, dump, event


@dataclass(frozen=True)
class Stream:
    """The body of a reply with status 200, and what it says.

    ``said`` are words of the error's message, empty where there must be none;
    ``others`` are the texts of the choices after the first.
    """

    name: str
    body: bytes
    text: str = "hi"
    reason: str | None = "stop"
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    said: str = ""
    others: str = ""


@dataclass(frozen=True)
class Refusal:
    """A reply with the status of an error, and how often it is asked for."""

    name: str
    status: int
    body: bytes
    said: str
    hint: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    requests: int = 1
    kind: str = "application/json"


def part(delta: Any = None, **choice: Any) -> bytes:
    """The event of one delta."""
    return event({"choices": [{"index": 0, "delta": {} if delta is None else delta, **choice}]})


def said(content: Any, **delta: Any) -> bytes:
    """The event of some text."""
    return part({"content": content, **delta})


def called(*fragments: dict[str, Any], **delta: Any) -> bytes:
    """The event of fragments of tool calls."""
    return part({"tool_calls": list(fragments), **delta})


def used(**fields: Any) -> bytes:
    """The event of the usage, with other fields."""
    return event({**fields, "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


HI = said("hi")
STOP = part(finish_reason="stop")
CALLED = part(finish_reason="tool_calls")
HALF = said("half")
USED = Usage(3, 2)
WEATHER = ToolCall("c1", "weather", '{"a": 1}')
CLOCK = ToolCall("c2", "clock", "{}")
EMPTY = "sent an empty answer"
NO_ANSWER = "sent something that is no answer"

FRAMING = [
    Stream("plain", HI + STOP + DONE),
    Stream("carriage returns", (HI + STOP + DONE).replace(b"\n", b"\r")),
    Stream("both line ends", (HI + STOP + DONE).replace(b"\n", b"\r\n")),
    Stream("a byte order mark", b"\xef\xbb\xbf" + HI + STOP + DONE),
    Stream("blank lines before the first event", b"\n\r\n\n" + HI + STOP + DONE),
    Stream("no blank after the colon", (HI + STOP + DONE).replace(b": ", b":", 1)),
    Stream("other fields", b"id: 7\nretry: 10\nevent: message\n" + HI + STOP + DONE),
    Stream("data over two lines", HI.replace(b'"delta"', b'\ndata: "delta"') + STOP + DONE),
    Stream(
        "data over two lines, both line ends",
        (HI.replace(b'"delta"', b'\ndata: "delta"') + STOP + DONE).replace(b"\n", b"\r\n"),
    ),
    Stream("comments of llama.cpp", b": ping\n\n" + HI + b":\n\n" + STOP + DONE),
    Stream("comments of OpenRouter", b": OPENROUTER PROCESSING\n\n" * 3 + HI + STOP + DONE),
    Stream("no final line end", HI + STOP + b"data: [DONE]"),
    Stream("the last event unfinished", HI + STOP.rstrip(b"\n")),
    Stream("no [DONE], as from transformers", HI + STOP),
    Stream("text after [DONE]", HI + STOP + DONE + b": bye\n\n"),
    Stream("events that are no JSON", b"data: {oops\n\n" + HI + b"data: 7\n\n" + STOP + DONE),
    Stream("one JSON answer", dump(completion("hi", "stop")), "hi"),
    Stream(
        "one JSON answer over many lines",
        json.dumps(completion("hi", "stop", {"prompt_tokens": 3, "completion_tokens": 2})).encode(),
        usage=USED,
    ),
]

ENDS = [
    Stream("[DONE] without a reason, from llama-cpp-python", HI + DONE, reason=None),
    Stream("a clean end without a reason", HI, reason=None),
    Stream("a reason without text", STOP + DONE, ""),
    Stream("cut at the token limit", HI + part(finish_reason="length") + DONE, reason="length"),
    Stream("a reason together with the last text", part({"content": "hi"}, finish_reason="stop")),
    Stream("the reason twice", HI + STOP + STOP + DONE),
    Stream("an empty 200 for a context overflow", b"", said=EMPTY),
    Stream("only line ends", b"\r\n\r\n", said=EMPTY),
    Stream("only comments", b": ping\n\n: ping\n\n", said=NO_ANSWER),
    Stream("only [DONE]", DONE, said=NO_ANSWER),
    Stream("a login page", b"<html><title>Log in</title></html>", said="a web page instead of an"),
    Stream("a text", b"Service is down", said=NO_ANSWER),
]

ERRORS = [
    Stream(
        "an error half-way, from LiteLLM",
        HALF + event({"error": {"message": "no capacity", "code": "500"}}),
        "half",
        said="reported an error: no capacity",
    ),
    Stream(
        "an error at once, from gpt4free's API",
        event({"error": {"message": "no capacity"}}) + DONE,
        said="reported an error: no capacity",
    ),
    Stream("an error as text", HALF + event({"error": "bad"}) + DONE, "half", said=": bad"),
    Stream("an error as a list", event({"error": ["bad", "sad"]}), said=": bad; sad"),
    Stream("an error of FastChat", event({"object": "error", "message": "bad"}), said=": bad"),
    Stream("an event named error", b'event: error\ndata: {"message": "bad"}\n\n', said=": bad"),
    Stream("an event named error, of text", b"event: error\ndata: bad\n\n", said=": bad"),
    Stream("an event named error, empty", b"event: error\ndata:\n\n", said="no reason given"),
    Stream("a bare JSON line", HALF + b'{"error": {"message": "bad"}}\n', "half", said=": bad"),
    Stream("a JSON error with status 200", dump({"error": {"message": "bad"}}), said=": bad"),
    Stream("a JSON error, then [DONE]", dump({"error": "bad"}) + b"\n\n" + DONE, said=": bad"),
    Stream("an error with only a code", event({"error": {"code": 1302}}), said=": 1302"),
]

CONTENT = [
    Stream("role alone, then null", said("", role="assistant") + said(None) + HI + STOP + DONE),
    Stream("role in every delta", said("h", role="assistant") + said("i", role="assistant") + STOP),
    Stream("role null", said("hi", role=None) + STOP),
    Stream("the reason null until the end", part({"content": "hi"}, finish_reason=None) + STOP),
    Stream("no index", event({"choices": [{"delta": {"content": "hi"}}]}) + STOP),
    Stream("delta null", part({"content": "hi"}) + event({"choices": [{"delta": None}]}) + STOP),
    Stream("choices null", event({"choices": None}) + HI + STOP),
    Stream("parts", said([{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]) + STOP),
    Stream("the legacy text", event({"choices": [{"text": "hi"}]}) + STOP),
    Stream("a message in a stream", event({"choices": [{"message": {"content": "hi"}}]}) + STOP),
    Stream(
        "two choices",
        HI
        + event({"choices": [{"index": 1, "delta": {"content": "ho"}}]})
        + STOP
        + event({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
        others="ho",
    ),
    Stream("characters of two to four bytes", said("ü€🦊") + STOP + DONE, "ü€🦊"),
    Stream("escaped characters", HI.replace(b"hi", rb"\u00fc\ud83e\udd8a") + STOP, "ü🦊"),
    Stream(
        "a character cut between two events",
        HI.replace(b"hi", rb"a\ud83e") + HI.replace(b"hi", rb"\udd8ab") + STOP,
        "a🦊b",
    ),
    Stream("half a character", HI.replace(b"hi", rb"a\ud83e") + STOP, "a\ufffd"),
    Stream("bytes that are no UTF-8", HI.replace(b"hi", b"a\xff\xc3b") + STOP, "a\ufffd\ufffdb"),
    Stream("U+FFFD itself", said("\ufffd") + STOP, "\ufffd"),
    Stream("line ends of Unicode", said("a\u2028b\u0085c\x0bd") + STOP, "a\u2028b\u0085c\x0bd"),
    Stream("control characters, escaped", said("\x1b[1m\0\x08") + STOP, "\x1b[1m\0\x08"),
    Stream("blanks and line ends", said(" \n") + said("\n\tx ") + STOP, " \n\n\tx "),
]

THOUGHTS = [
    Stream("of DeepSeek", said(None, reasoning_content="hm") + HI + STOP, reasoning="hm"),
    Stream("of OpenRouter", said("", reasoning="hm") + HI + STOP, reasoning="hm"),
    Stream("null beside text", said("hi", reasoning_content=None) + STOP),
    Stream("tags in one piece", said("<think>hm</think>\n\nhi") + STOP, reasoning="hm"),
    Stream(
        "tags cut between events",
        said("<thi") + said("nk>h") + said("m</thin") + said("k>\n") + said("\nhi") + STOP,
        reasoning="hm",
    ),
    Stream("a tag that never closes", said("<think>hm") + STOP, "", reasoning="hm"),
    Stream(
        "a tag in the middle of a text", said("a <think>b</think>") + STOP, "a <think>b</think>"
    ),
]

ID = {"index": 0, "id": "c1", "type": "function"}
START = {**ID, "function": {"name": "weather", "arguments": ""}}
CALLS = [
    Stream(
        "id and name once",
        called(START)
        + called({"index": 0, "function": {"arguments": '{"a"'}})
        + called({"index": 0, "function": {"arguments": ": 1}"}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER,),
    ),
    Stream(
        "id and name in every fragment",
        called({**ID, "function": {"name": "weather", "arguments": '{"a"'}})
        + called({**ID, "function": {"name": "weather", "arguments": ": 1}"}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER,),
    ),
    Stream(
        "arguments null, missing, an object",
        called({**ID, "function": {"name": "weather", "arguments": None}})
        + called({"index": 0, "function": {}})
        + called({"index": 0, "function": {"arguments": {"a": 1}}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER,),
    ),
    Stream(
        "id late",
        called({"index": 0, "function": {"name": "weather", "arguments": '{"a": 1}'}})
        + called({"index": 0, "id": "c1", "function": {}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER,),
    ),
    Stream(
        "two at once, interleaved",
        called(START, {"index": 1, "id": "c2", "function": {"name": "clock", "arguments": "{"}})
        + called({"index": 0, "function": {"arguments": '{"a": 1}'}})
        + called({"index": 1, "function": {"arguments": "}"}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER, CLOCK),
    ),
    Stream(
        "no index",
        called({"id": "c1", "function": {"name": "weather", "arguments": '{"a": 1}'}})
        + called({"id": "c2", "function": {"name": "clock", "arguments": "{}"}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER, CLOCK),
    ),
    Stream(
        "every index 0, as from Gemini",
        called({**ID, "function": {"name": "weather", "arguments": '{"a": 1}'}})
        + called({"index": 0, "id": "c2", "function": {"name": "clock", "arguments": "{}"}})
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER, CLOCK),
    ),
    Stream(
        "the legacy function_call alongside",
        called(
            {**ID, "function": {"name": "weather", "arguments": '{"a": 1}'}},
            function_call={"name": "weather", "arguments": '{"a": 1}'},
        )
        + CALLED,
        "",
        "tool_calls",
        calls=(WEATHER,),
    ),
    Stream(
        "after some text",
        HI + called({**START, "function": {"name": "weather", "arguments": '{"a": 1}'}}) + CALLED,
        reason="tool_calls",
        calls=(WEATHER,),
    ),
]

USAGE = [
    Stream("in a chunk without choices", HI + STOP + used(choices=[]) + DONE, usage=USED),
    Stream("in a chunk with choices null", HI + STOP + used(choices=None) + DONE, usage=USED),
    Stream(
        "in a chunk with an empty choice",
        HI + STOP + used(choices=[{"index": 0, "delta": {}}]) + DONE,
        usage=USED,
    ),
    Stream(
        "in the chunk with the reason",
        HI + used(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        usage=USED,
    ),
    Stream(
        "null on every chunk",
        event({"choices": [{"delta": {"content": "hi"}}], "usage": None}) + STOP + used(choices=[]),
        usage=USED,
    ),
    Stream("without a reason to finish", HI + used(choices=[]), reason=None, usage=USED),
    Stream("never", HI + STOP + event({"choices": [], "usage": None}) + DONE),
]

#: Every reply with status 200, by a name that is said once.
STREAMS = {
    f"{group}: {stream.name}": stream
    for group, streams in {
        "framing": FRAMING,
        "end": ENDS,
        "error": ERRORS,
        "content": CONTENT,
        "reasoning": THOUGHTS,
        "tool calls": CALLS,
        "usage": USAGE,
    }.items()
    for stream in streams
}

SOON = (("Retry-After-Ms", "1"),)
LATER = (("Retry-After", "121"),)
BUDGET = dump({"error": {"message": "quota", "code": "insufficient_quota"}})
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx secrets</body></html>"
#: Every reply that is a refusal.
REFUSALS = [
    Refusal("code an int", 400, dump({"error": {"message": "bad", "code": 400}}), ": bad"),
    Refusal("code a string", 404, dump({"error": {"message": "bad", "code": "x"}}), ": bad", "-m"),
    Refusal("code null", 400, dump({"error": {"message": "bad", "code": None}}), ": bad"),
    Refusal("code absent", 400, dump({"error": {"message": "bad"}}), ": bad"),
    Refusal("error a string", 401, dump({"error": "bad"}), "401 Unauthorized: bad", "key"),
    Refusal("detail a string", 404, dump({"detail": "Not Found"}), ": Not Found", "base URL"),
    Refusal("detail a list", 422, dump({"detail": [{"loc": ["x"], "msg": "bad"}]}), ": bad"),
    Refusal("a text", 400, b"bad", "400 Bad Request: bad", kind="text/plain"),
    Refusal("nothing", 403, b"", "403 Forbidden", "key", kind="text/plain"),
    Refusal("a page", 502, PAGE, "said 502 Bad Gateway", "again", SOON, 3, "text/html"),
    Refusal("500 where 400 is meant", 500, dump({"detail": "bad"}), ": bad", "", SOON, 3),
    Refusal("529", 529, dump({"error": "busy"}), "529 Overloaded: busy", "", SOON, 3),
    Refusal("408", 408, b"{}", "408 Request Timeout", "", SOON, 3),
    Refusal("409", 409, b"{}", "409 Conflict", "", SOON, 3),
    Refusal("429, soon", 429, dump({"error": "slow"}), ": slow", "", SOON, 3),
    Refusal("429, at once", 429, b"{}", "429", "", (("Retry-After", "0"),), 3),
    Refusal(
        "429, a passed date",
        429,
        b"{}",
        "429",
        "",
        (("Retry-After", "Thu, 01 Jan 2026 00:00:00 GMT"),),
        3,
    ),
    Refusal("429, in two minutes", 429, b"{}", "429", "121 s", LATER, 1),
    Refusal("503, in two minutes", 503, b"{}", "503", "121 s", LATER, 1),
    Refusal("429, money spent", 429, BUDGET, ": quota", "budget", SOON, 1),
    Refusal("429, money spent, no pause", 429, BUDGET, ": quota", "budget", (), 1),
    Refusal("402", 402, dump({"error": "credit balance too low"}), "402", "budget", SOON, 1),
    Refusal("501 of an empty body", 501, b"", "501 Not Implemented", "", SOON, 3),
    Refusal(
        "a context too long", 400, dump({"error": "context length exceeded"}), "context", "too long"
    ),
]
