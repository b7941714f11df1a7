"""What goes out to a chat-completions service and what comes back, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar

import jsonschema  # type: ignore[import-untyped]
import pytest
from support.api_schema import check_request
from support.byteserver import (
    DONE,
    END,
    chunked,
    delta,
    event,
    finish,
    free_port,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.chat_bytes import completion, dump
from support.events import HELLO, Heard, hear

from g4f_magic.client import Client
from g4f_magic.errors import (
    MissingAuthError,
    ModelNotFoundError,
    NetworkError,
    NetworkTimeoutError,
    ProviderError,
    ResponseError,
    UsageError,
)
from g4f_magic.image_bytes import media_type
from g4f_magic.messages import (
    FinishReason,
    Image,
    ImageResponse,
    Message,
    Reasoning,
    ToolCall,
    Usage,
)
from g4f_magic.providers import OpenaiChat, OpenaiTemplate, get_provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.byteserver import Exchange, Script
    from support.events import StartServer

KEY = "sk-secret-0123456789"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PNG_TEXT = base64.b64encode(PNG).decode()
HTML = (
    b"<!DOCTYPE html><html><head><title>Sign\n in</title></head><body><p>secrets</p></body></html>"
)


def says(body: bytes, content_type: str = "text/event-stream") -> Script:
    """A service that answers everything with this body, status 200."""
    return lambda exchange: exchange.send(reply(200, body, content_type))


def refuses(status: int, body: Any = "no", headers: Mapping[str, str] | None = None) -> Script:
    """A service that answers everything with this status."""
    data = body if isinstance(body, bytes) else dump(body)
    pairs = list((headers or {}).items())
    return lambda exchange: exchange.send(reply(status, data, "application/json", pairs))


def in_turn(*scripts: Script) -> Script:
    """A service that answers one request after the other with these."""
    left = iter(scripts)

    def script(exchange: Exchange) -> None:
        next(left)(exchange)

    return script


def answer_to(byte_server: StartServer, body: bytes, kind: str = "text/event-stream") -> Heard:
    """What is heard when the service answers with this body."""
    return hear(get_provider(byte_server(says(body, kind)).url))


def failure(heard: Heard) -> ProviderError:
    """The error of the other side that ended an answer."""
    assert isinstance(heard.error, ProviderError), heard
    return heard.error


def at(url: str, **attributes: Any) -> type[OpenaiTemplate]:
    """A subclass as a user writes it, for a service at this address."""
    return type("Own", (OpenaiTemplate,), {"api_base": f"{url}/v1", **attributes})


def sent_by(byte_server: StartServer, model: str | None = "m", **params: Any) -> dict[str, Any]:
    """The body of the request that a question with these parameters sends."""
    server = byte_server(stream_script(["hi"]))
    assert hear(at(server.url), model, **params).error is None
    body: dict[str, Any] = server.requests[-1].json
    return body


# --- answers ---------------------------------------------------------------------------------

RICH = b"".join(
    [
        b"\xef\xbb\xbf: ping\r\n\r\n",
        delta("", role="assistant"),
        delta(None, reasoning_content="hm "),
        delta("<think>so</think>"),
        delta("\n\nGrüße ").replace(b"\n", b"\r\n"),
        b": OPENROUTER PROCESSING\n\n",
        delta("🦊\u2028"),
        delta(
            None, tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]
        ),
        delta(None, tool_calls=[{"index": 0, "function": {"arguments": '{"ä": 1}'}}]),
        finish("tool_calls", {"prompt_tokens": 3, "completion_tokens": 5}),
        DONE,
    ]
)
RICH_TOLD = (
    "Grüße 🦊\u2028",
    "hm so",
    [ToolCall("1", "f", '{"ä": 1}')],
    [Usage(3, 5)],
    [FinishReason("tool_calls")],
)


def test_an_answer_streams_with_all_that_belongs_to_it(byte_server: StartServer) -> None:
    """Text, thoughts, calls, usage and the end: what is lost here is lost everywhere."""
    heard = answer_to(byte_server, RICH)
    assert heard.told == RICH_TOLD
    assert heard.events[-1] == FinishReason("tool_calls")


def test_an_answer_is_the_same_one_byte_at_a_time(byte_server: StartServer) -> None:
    """Networks cut where they like; an umlaut or a tag cut in two would be garbled."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for place in range(len(RICH)):
            exchange.send(chunked(RICH[place : place + 1]))
        exchange.send(END)

    assert hear(get_provider(byte_server(script).url)).told == RICH_TOLD


def test_text_is_told_as_soon_as_it_is_here(byte_server: StartServer) -> None:
    """A reader would see nothing until the answer is whole."""
    import threading  # noqa: PLC0415  # an event between two threads of this test only

    seen = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("first")))
        assert exchange.wait(seen)
        exchange.send(chunked(delta(" last") + finish() + DONE) + END)

    async def listen() -> str:
        text = ""
        events = get_provider(byte_server(script).url).create_async_generator("m", HELLO)
        async with aclosing(events):
            async for one in events:
                text += str(one)
                if text:
                    seen.set()
        return text

    assert asyncio.run(listen()) == "first last"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "text/event-stream"])
def test_the_announced_type_does_not_matter(byte_server: StartServer, kind: str) -> None:
    """Servers label events as JSON and JSON as events; both would be thrown away."""
    assert answer_to(byte_server, delta("hi") + finish() + DONE, kind).text == "hi"
    assert answer_to(byte_server, dump(completion("hi")), kind).text == "hi"


def test_one_json_answer_to_a_streaming_request_is_understood(byte_server: StartServer) -> None:
    """Servers that cannot stream would seem to say nothing."""
    tokens = {"prompt_tokens": 3, "completion_tokens": 1}
    heard = answer_to(byte_server, dump(completion("hi", "stop", tokens)), "application/json")
    assert heard.told == ("hi", "", [], [Usage(3, 1)], [FinishReason("stop")])


def test_a_question_without_streaming_is_answered_at_once(byte_server: StartServer) -> None:
    """``stream=False`` is for services that bill or break streams."""
    server = byte_server(stream_script(["hi"]))
    heard = hear(at(server.url), stream=False)
    assert (heard.text, server.requests[0].json["stream"]) == ("hi", False)
    assert "stream_options" not in server.requests[0].json
    assert server.requests[0].headers["accept"] == "application/json"


def test_an_answer_may_end_without_done(byte_server: StartServer) -> None:
    """The server of transformers never sends it."""
    heard = answer_to(byte_server, delta("hi") + finish())
    assert heard.told == ("hi", "", [], [], [FinishReason("stop")])


@pytest.mark.parametrize("end", [b"", DONE, b"data: [DONE]"])
def test_an_answer_without_a_reason_to_finish_does_not_invent_one(
    byte_server: StartServer, end: bytes
) -> None:
    """The card says that it was cut off, which is true."""
    heard = answer_to(byte_server, delta("hi") + end)
    assert (heard.text, heard.all_of(FinishReason), heard.error) == ("hi", [], None)


def test_what_follows_done_is_not_waited_for(byte_server: StartServer) -> None:
    """A server that keeps the stream open would keep the cell running."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("hi") + finish() + DONE))
        exchange.sleep(60)

    server = byte_server(script)
    assert hear(get_provider(server.url)).text == "hi"
    server.wait_for(server.exchanges[0].done.is_set)


@pytest.mark.parametrize("last", [finish(), finish() + DONE, DONE], ids=["reason", "both", "done"])
def test_a_connection_that_breaks_after_the_end_breaks_nothing(
    byte_server: StartServer, last: bytes
) -> None:
    """A complete answer would be shown as an error, and asked and paid for again."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("hi") + last))
        exchange.close()

    heard = hear(get_provider(byte_server(script).url))
    assert (heard.text, heard.error) == ("hi", None)


def test_a_connection_that_breaks_half_way_is_an_error_with_the_half(
    byte_server: StartServer,
) -> None:
    """What had arrived stays visible; half an answer must not pass for a whole one."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("half")))
        exchange.reset()

    server = byte_server(script)
    error = failure(hear(get_provider(server.url)))
    assert isinstance(error, NetworkError)
    assert (error.partial, len(server.requests)) == ("half", 1)


def test_silence_half_way_is_an_error_with_the_half(byte_server: StartServer) -> None:
    """A cell would otherwise wait for ever."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("half")))
        exchange.sleep(60)

    error = failure(hear(get_provider(byte_server(script).url), timeout=0.2))
    assert isinstance(error, NetworkTimeoutError)
    assert error.partial == "half"


@pytest.mark.parametrize(
    "last",
    [
        event({"error": {"message": "overloaded", "code": 503}}),
        event({"error": "overloaded"}),
        event({"object": "error", "message": "overloaded", "code": 50001}),
        b'event: error\ndata: {"message": "overloaded"}\n\n',
        b"event: error\ndata: overloaded\n\n",
        b'{"error": {"message": "overloaded"}}\n',
    ],
)
@pytest.mark.parametrize("first", [b"", delta("half")], ids=["at once", "half-way"])
def test_an_error_inside_a_good_reply_is_an_error(
    byte_server: StartServer, first: bytes, last: bytes
) -> None:
    """LiteLLM and others end a stream so; it would look like a short or an empty answer."""
    error = failure(answer_to(byte_server, first + last + DONE))
    assert isinstance(error, ResponseError)
    assert "reported an error" in str(error)
    assert "overloaded" in str(error)
    assert (error.status, error.partial) == (200, "half" if first else "")


def test_an_error_printed_over_several_lines_is_read(byte_server: StartServer) -> None:
    """A pretty-printed body would be taken for events and lost."""
    body = json.dumps({"error": {"message": "no such model"}}, indent=4).encode()
    assert "no such model" in str(failure(answer_to(byte_server, body)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "sent an empty answer"),
        (b" \r\n", "sent an empty answer"),
        (HTML, "sent a web page instead of an answer: Sign in"),
        (b"\xef\xbb\xbf" + HTML, "sent a web page instead of an answer: Sign in"),
        (b"<p>secrets</p>", "sent a web page instead of an answer"),
        (
            b"\x00\xff secrets \xfe",
            "sent something that is no answer (text/event-stream, 12 bytes)",
        ),
        (b"data: secrets\n\n", "sent something that is no answer"),
        (b'{"details": "secrets"}', "sent something that is no answer"),
        (b": ping\n\n" + DONE, "sent something that is no answer"),
    ],
)
def test_a_good_status_with_nonsense_is_an_error(
    byte_server: StartServer, body: bytes, said: str
) -> None:
    """A login page or an empty reply would pass for an answer without text."""
    error = failure(answer_to(byte_server, body))
    assert said in str(error)
    assert "secrets" not in str(error)
    assert "base URL" in error.hint


@pytest.mark.parametrize("status", [300, 302, 304])
def test_a_status_that_promises_no_answer_is_a_refusal(
    byte_server: StartServer, status: int
) -> None:
    """Called an empty answer, with status 200, nobody would look for the redirect."""
    error = failure(hear(at(byte_server(refuses(status, b"")).url)))
    assert isinstance(error, ResponseError)
    assert str(error).startswith(f"Own said {status} ")
    assert error.status == status


def test_comments_keep_an_answer_alive(byte_server: StartServer) -> None:
    """OpenRouter sends them for minutes; they are no text and no end."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for _ in range(4):
            exchange.send(chunked(b": OPENROUTER PROCESSING\n\n"))
            exchange.sleep(0.1)
        exchange.send(chunked(delta("hi") + finish() + DONE) + END)

    assert hear(get_provider(byte_server(script).url), timeout=0.3).text == "hi"


# --- refusals and retries --------------------------------------------------------------------


def test_a_refusal_says_who_what_and_why(byte_server: StartServer) -> None:
    """A person must see what to change without reading a log."""
    headers = {"x-request-id": "req-7", "retry-after": "500"}
    server = byte_server(refuses(429, {"error": {"message": "slow down"}}, headers))
    error = failure(hear(at(server.url)))
    assert isinstance(error, ResponseError)
    assert str(error) == "Own said 429 Too Many Requests: slow down"
    assert (error.status, error.provider, error.request_id) == (429, "Own", "req-7")
    assert (error.retry_after_s, error.hint) == (500, "try again in 500 s")


def test_a_passing_failure_is_waited_for_and_said(byte_server: StartServer) -> None:
    """A cell that waits without a word looks dead."""
    replies = [refuses(503, "busy", {"retry-after-ms": "1"}), stream_script(["hi"])]
    server = byte_server(in_turn(*replies))
    heard = hear(at(server.url))
    assert (heard.text, [wait.seconds for wait in heard.waits]) == ("hi", [0.001])


def test_a_spent_budget_is_not_asked_again(byte_server: StartServer) -> None:
    """Waiting does not bring money."""
    server = byte_server(refuses(429, {"error": {"code": "insufficient_quota"}}))
    error = failure(hear(at(server.url)))
    assert ("budget" in error.hint, len(server.requests)) == (True, 1)


def test_a_dead_address_is_named() -> None:
    """It is mostly a server that was not started."""
    url = f"http://127.0.0.1:{free_port()}/v1"
    error = failure(hear(get_provider(url), max_retries=0))
    assert url.split("/")[2] in str(error)


# --- requests --------------------------------------------------------------------------------


def test_the_description_of_the_api_does_object() -> None:
    """A check that accepts everything would protect nobody."""
    with pytest.raises(jsonschema.ValidationError):
        check_request("/v1/chat/completions", {"model": "m", "messages": []})
    with pytest.raises(jsonschema.ValidationError):
        check_request("/v1/chat/completions", {"model": "m", "messages": HELLO, "stop": {"a": 1}})
    with pytest.raises(jsonschema.ValidationError):
        check_request("/v1/images/generations", {"model": "m"})


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"stream": False},
        {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": ["a", "b"]},
        {"stop": "a", "seed": 3, "reasoning_effort": "low", "tools": [TOOL]},
        {"response_format": {"type": "json_object"}, "extra_parameters": {"n": 1}},
    ],
)
def test_requests_are_as_the_api_describes_them(
    byte_server: StartServer, params: dict[str, Any]
) -> None:
    """Strict services answer 400 to a field of the wrong shape."""
    check_request("/v1/chat/completions", sent_by(byte_server, **params))


def test_requests_of_a_long_conversation_are_as_described(byte_server: StartServer) -> None:
    """History with calls and pictures is where shapes go wrong."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG_TEXT}}
    one = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[Message] = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [one]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "user", "content": "Grüße \ud83e 🦊"},
    ]
    before = json.dumps(messages)
    body = sent_by(byte_server, messages=messages)
    check_request("/v1/chat/completions", body)
    assert body["messages"] == messages
    assert json.dumps(messages) == before


def test_only_what_was_given_is_sent(byte_server: StartServer) -> None:
    """A null or a default of ours would overrule the service's own."""
    assert sent_by(byte_server) == {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.odd_request
def test_fields_that_nobody_here_knows_are_sent_on(byte_server: StartServer) -> None:
    """What a service invents tomorrow must work today; extra data has the last word."""
    body = sent_by(
        byte_server,
        temperature=0,
        top_k=5,
        extra_parameters={"a": 1, "b": 1},
        extra_data={"b": 2, "c": None, "model": "other", "prompt": "odd"},
    )
    assert {n: body[n] for n in ("temperature", "top_k", "a", "b", "c", "model", "prompt")} == {
        "temperature": 0, "top_k": 5, "a": 1, "b": 2, "c": None, "model": "other", "prompt": "odd"
    }  # fmt: skip


@pytest.mark.odd_request
def test_extra_parameters_may_be_only_names(byte_server: StartServer) -> None:
    """gpt4free's list of names that may be sent: here all are, and the list is no field."""
    body = sent_by(byte_server, extra_parameters=["tools", "top_k"], top_k=5)
    assert body["top_k"] == 5
    assert not {"tools", "extra_parameters"} & body.keys()


def test_a_service_that_refuses_usage_options_is_not_sent_any(byte_server: StartServer) -> None:
    """Old servers answer 400 to ``stream_options``."""
    server = byte_server(stream_script(["hi"]))
    hear(at(server.url, asks_for_usage=False))
    assert "stream_options" not in server.requests[0].json


def test_what_was_sent_can_be_looked_at_without_keys(byte_server: StartServer) -> None:
    """``answer.request`` is pasted into bug reports."""
    server = byte_server(stream_script(["hi"]))
    address = server.url.replace("//", "//me:secret@")
    heard = hear(at(address), api_key=KEY)
    assert heard.sent.url == f"{server.url}/v1/chat/completions"
    assert heard.sent.body == server.requests[0].json
    assert KEY not in repr(heard.events)


@pytest.mark.parametrize(
    "odd", [{"x": b"bytes"}, {"x": float("nan")}, {"x": object()}, {"x": {(1, 2): 3}}]
)
def test_what_json_cannot_hold_is_refused_before_anything_is_sent(
    byte_server: StartServer, odd: dict[str, Any]
) -> None:
    """Servers choke on NaN with an error that nobody understands."""
    server = byte_server(stream_script(["hi"]))
    error = hear(at(server.url), **odd).error
    assert isinstance(error, UsageError)
    assert (("cannot be written as JSON" in str(error)), server.requests) == (True, [])


def test_nobody_is_impersonated() -> None:
    """Only open APIs are spoken to; silence about it would be a lie."""
    error = hear(OpenaiChat, impersonate="chrome").error
    assert isinstance(error, UsageError)
    assert "'chrome'" in str(error)


def test_a_template_without_an_address_says_so() -> None:
    """The message names what a subclass forgot."""
    error = hear(OpenaiTemplate).error
    assert isinstance(error, UsageError)
    assert "api_base" in error.hint


def test_a_subclass_is_named_after_itself_unless_it_has_a_name() -> None:
    """Errors and cards name the service."""

    class Mine(OpenaiTemplate):
        pass

    class Named(OpenaiTemplate):
        name = "house"

    assert (Mine.name, Named.name) == ("Mine", "house")


@pytest.mark.parametrize("where", ["attribute", "parameter"])
def test_an_endpoint_of_its_own_is_asked(byte_server: StartServer, where: str) -> None:
    """Azure's addresses do not end in /chat/completions."""
    server = byte_server(says(dump(completion("hi"))))
    url = f"{server.url}/deployments/x?version=1"
    if where == "attribute":
        hear(at(server.url, api_endpoint=url))
    else:
        hear(at(server.url, api_endpoint="http://127.0.0.1:1/"), api_endpoint=url)
    assert server.requests[0].path == "/deployments/x?version=1"


def test_the_address_may_come_from_its_variable(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENAI_BASE_URL is what every other tool reads; an option still wins."""
    server, other = byte_server(stream_script(["hi"])), byte_server(stream_script(["ho"]))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1/")
    assert hear(OpenaiChat).text == "hi"
    assert hear(OpenaiChat, api_base=f"{other.url}/v1").text == "ho"
    assert server.requests[0].path == "/v1/chat/completions"


def test_aliases_and_the_default_model_are_used(byte_server: StartServer) -> None:
    """A short name that a service offers must reach it as the real one."""
    server = byte_server(stream_script(["hi"]))
    own = at(server.url, model_aliases={"small": "org/small-1b"}, default_model="d")
    for model in ("small", None, "other"):
        hear(own, model)
    assert [request.json["model"] for request in server.requests] == ["org/small-1b", "d", "other"]


def test_without_any_model_the_first_listed_is_asked(byte_server: StartServer) -> None:
    """A local server has its one model; asking for its name would be pedantic."""
    server = byte_server(stream_script(["hi"], models=["zebra", "ant"]))
    own = at(server.url)
    assert hear(own, None, headers={"X-Team": "7"}, api_key=KEY).text == "hi"
    listing, question = server.requests
    assert (listing.path, question.json["model"]) == ("/v1/models", "ant")
    assert (listing.headers["x-team"], listing.headers["authorization"]) == ("7", f"Bearer {KEY}")


def test_the_listing_goes_through_the_same_proxy(byte_server: StartServer) -> None:
    """Past the proxy it would fail in a company, or give away who asks."""
    proxy = byte_server(stream_script(["hi"]))
    assert hear(at("http://nowhere.invalid"), None, proxy=proxy.url).text == "hi"
    paths = [request.path for request in proxy.requests]
    assert paths == [f"http://nowhere.invalid/v1/{p}" for p in ("models", "chat/completions")]


def test_no_model_at_all_is_an_error_that_names_the_option(byte_server: StartServer) -> None:
    """A request without a model would come back as a riddle."""
    server = byte_server(stream_script(["hi"], models=[]))
    error = hear(at(server.url), None).error
    assert isinstance(error, ModelNotFoundError)
    assert "-m" in error.hint


# --- headers and keys ------------------------------------------------------------------------


def test_headers_say_what_is_wanted_and_who_asks() -> None:
    """Gateways choose by Accept whether they buffer a stream."""
    streaming = OpenaiTemplate.get_headers(True, KEY)  # noqa: FBT003  # as subclasses call it
    assert streaming == {
        "Accept": "text/event-stream",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {KEY}",
    }
    assert OpenaiTemplate.get_headers(stream=False)["Accept"] == "application/json"
    assert "Authorization" not in OpenaiTemplate.get_headers(stream=False)


def test_the_callers_headers_win_over_the_class_and_these_over_ours() -> None:
    """Written in any case, as headers are; a doubled Authorization is refused by servers."""

    class Own(OpenaiTemplate):
        headers: ClassVar[Mapping[str, str]] = {"accept": "class", "X-A": "class", "X-B": "class"}

    given = {"authorization": "Key 1", "x-a": "caller"}
    assert Own.get_headers(True, KEY, given) == {  # noqa: FBT003  # as subclasses call it
        "Content-Type": "application/json",
        "accept": "class",
        "X-B": "class",
        "authorization": "Key 1",
        "x-a": "caller",
    }
    assert given == {"authorization": "Key 1", "x-a": "caller"}


def test_headers_arrive(byte_server: StartServer) -> None:
    """Organisation, project and referer are headers."""
    server = byte_server(stream_script(["hi"]))
    hear(at(server.url), headers={"OpenAI-Organization": "o"}, api_key=KEY)
    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["authorization"]) == ("o", f"Bearer {KEY}")


def test_a_missing_key_names_its_variable_before_anything_is_sent() -> None:
    """The service's own 401 does not say where to put the key."""
    error = hear(OpenaiChat).error
    assert isinstance(error, MissingAuthError)
    assert "OPENAI_API_KEY" in str(error)
    assert "OPENAI_API_KEY" in error.hint
    with pytest.raises(MissingAuthError, match="OPENAI_API_KEY"):
        OpenaiChat.get_models()


def test_a_missing_key_without_a_variable_says_how_to_give_it() -> None:
    """A provider of one's own may need a key and have no variable for it."""
    error = hear(at("http://127.0.0.1:9", needs_auth=True)).error
    assert isinstance(error, MissingAuthError)
    assert str(error) == "Own needs a key, and none is given"
    assert "api_key=" in error.hint


def test_another_address_needs_no_key(byte_server: StartServer) -> None:
    """OpenAI's dialect on one's own server is mostly without one."""
    server = byte_server(stream_script(["hi"]))
    assert hear(OpenaiChat, api_base=server.url).text == "hi"
    assert "authorization" not in server.requests[0].headers


def test_the_key_given_wins_over_the_class_and_the_environment(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's account would otherwise be charged."""
    server = byte_server(stream_script(["hi"]))
    monkeypatch.setenv("OWN_API_KEY", " from-environment\n")
    own = at(server.url, api_key_env="OWN_API_KEY", needs_auth=True)
    hear(own)
    hear(at(server.url, api_key_env="OWN_API_KEY", api_key="of-class"))
    hear(own, api_key="given")
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == ["Bearer from-environment", "Bearer of-class", "Bearer given"]


@pytest.mark.parametrize("name", ["authorization", "api-key", "X-Api-Key"])
@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "bad key %b"}}',
        b'{"error": "bad key %b"}',
        b"bad key %b",
        b"<html><title>bad key %b</title>%b</html>",
        b'data: {"error": {"message": "bad key %b"}}\n\n',
        b"x" * 290 + b" %b",
    ],
)
def test_a_key_that_the_server_repeats_is_not_shown(
    byte_server: StartServer, name: str, status: int, body: bytes
) -> None:
    """Notebooks are shared with their outputs."""
    key = "plain0123456789abcdef"
    echo = body.replace(b"%b", key.encode())
    pause = [("retry-after-ms", "1")]
    server = byte_server(lambda exchange: exchange.send(reply(status, echo, "text/html", pause)))
    headers = {name: f"Bearer {key}" if name == "authorization" else key}
    error = failure(hear(at(server.url), headers=headers, max_retries=0))
    listing = failure_of_listing(at(server.url), key)
    for one in (error, listing):
        shown = repr((str(one), one.hint, vars(one)))
        assert key[:8] not in shown


def failure_of_listing(provider: type[OpenaiTemplate], key: str | None = None) -> ProviderError:
    """The error with which the listing of models fails."""
    with pytest.raises(ProviderError) as caught:
        asyncio.run(provider.list_models(key, None, 5))
    return caught.value


# --- models ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ({"data": [{"id": "b"}, {"id": "a"}]}, ["a", "b"]),
        ({"models": [{"name": "b"}, "a"]}, ["a", "b"]),
        ([{"id": "b", "name": "B"}, {"name": "a"}], ["a", "b"]),
        (["b", "a"], ["a", "b"]),
        ({"data": [{"id": "a"}], "models": [{"name": "x"}]}, ["a"]),
        ({"data": [], "models": [{"name": "x"}]}, ["x"]),
        ({"data": [{"id": 7}, {"id": ""}, {}, None, 3, "", {"id": "a"}]}, ["a"]),
        ({"data": []}, []),
        ({"object": "list", "data": None}, []),
        ({"data": {"id": "a"}}, []),
        ([], []),
    ],
)
def test_listings_of_every_shape_are_read(
    byte_server: StartServer, listing: Any, names: list[str]
) -> None:
    """The picker would be empty with every second service."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, listing)))
    assert at(server.url).get_models() == names
    assert (server.requests[0].method, server.requests[0].path) == ("GET", "/v1/models")


def test_models_may_keep_the_order_of_the_service(byte_server: StartServer) -> None:
    """Some list the best first."""
    server = byte_server(stream_script([], models=["b", "a"]))
    assert at(server.url, sort_models=False).get_models() == ["b", "a"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (says(b""), "empty answer"),
        (says(HTML), "web page"),
        (says(b"{}"), "no answer"),
        (says(b"42"), "no answer"),
        (says(b"[" * 100_000), "no answer"),
        (says(b'{"error": {"message": "who are you?"}}'), "who are you?"),
        (refuses(401, {"error": {"message": "who are you?"}}), "401 Unauthorized: who are you?"),
        (refuses(404, "nothing"), "404 Not Found"),
        (refuses(400, "no such context length"), "no such context length"),
    ],
)
def test_a_listing_that_fails_says_why_or_falls_back(
    byte_server: StartServer, script: Script, said: str
) -> None:
    """An empty list would look like a service without models."""
    server = byte_server(script)
    assert said in str(failure_of_listing(at(server.url)))
    own = at(server.url, fallback_models=("y", "x"))
    assert own.get_models() == ["x", "y"]
    assert own.fallback_models == ("y", "x")


LISTING = [
    {"id": "sees", "architecture": {"input_modalities": ["text", "image"]}},
    {"id": "paints", "type": "image"},
    {"id": "writes"},
]


def test_a_listing_tells_what_makes_and_what_sees_pictures(byte_server: StartServer) -> None:
    """A picture model that is asked to chat answers 404; nobody wants to declare each."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, LISTING)))
    own = at(server.url, image_models=("flux",), vision_models=("llava",), models=("flux",))

    class Other(own):  # type: ignore[misc, valid-type]  # made at run time
        image_models = ("else",)

    for _ in range(2):
        assert own.get_models() == ["paints", "sees", "writes"]
    assert own.image_models == ("flux", "paints")
    assert own.vision_models == ("llava", "sees")
    assert own.models == ("flux",)
    assert Other.image_models == ("else",)


def test_a_listing_changes_nothing_for_other_services(byte_server: StartServer) -> None:
    """A name on one server says nothing about the same name on another."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, LISTING)))
    OpenaiTemplate.get_models(api_base=server.url)
    at(server.url).get_models()
    assert (OpenaiTemplate.image_models, OpenaiTemplate.vision_models) == ((), ())
    assert at(server.url).image_models == ()


def test_a_listing_is_asked_for_again_when_the_failure_may_pass(byte_server: StartServer) -> None:
    """One busy moment must not empty the picker."""
    replies = [refuses(503, "", {"retry-after-ms": "1"}), stream_script([], models=["a"])]
    server = byte_server(in_turn(*replies))
    assert at(server.url).get_models("key", f"{server.url}/v2", 5.0) == ["a"]
    assert server.requests[1].path == "/v2/models"
    assert server.requests[1].headers["authorization"] == "Bearer key"


# --- pictures --------------------------------------------------------------------------------


def picture_of(byte_server: StartServer, *items: Any, **params: Any) -> tuple[Image, ...]:
    """The pictures read from an answer that lists these items."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {"data": list(items)})))
    heard = hear(at(server.url, image_models=("flux",)), "flux", **params)
    assert heard.error is None
    (found,) = heard.all_of(ImageResponse)
    assert heard.events[-1] == FinishReason("stop")
    return found.images


def test_a_picture_model_is_asked_for_pictures(byte_server: StartServer) -> None:
    """The chat endpoint would answer 404 to it."""
    server = byte_server(lambda ex: ex.send(json_reply(200, {"data": [{"b64_json": PNG_TEXT}]})))
    own = at(server.url, image_models=("flux",))
    messages: list[Message] = [{"role": "user", "content": [{"type": "text", "text": "a fox"}]}]
    heard = hear(own, "flux", [*HELLO, *messages], size="64x64", n=1)
    hear(own, "other", prompt="an owl")
    hear(own, "flux", [{"role": "system", "content": "x"}])
    assert [request.path for request in server.requests] == ["/v1/images/generations"] * 3
    body = server.requests[0].json
    assert body == {"model": "flux", "prompt": "a fox", "size": "64x64", "n": 1}
    check_request("/v1/images/generations", {**body, "size": "1024x1024"})
    assert [r.json["prompt"] for r in server.requests] == ["a fox", "an owl", ""]
    assert server.requests[0].headers["accept"] == "application/json"
    assert heard.all_of(ImageResponse) == [ImageResponse((Image(PNG, "image/png"),), "a fox")]


@pytest.mark.parametrize(
    "item",
    [
        {"b64_json": PNG_TEXT},
        {"b64_json": PNG_TEXT.rstrip("=")},
        {"b64_json": f"data:image/jpeg;base64,{PNG_TEXT}"},
        {"url": f"data:image/jpeg;base64,{PNG_TEXT}"},
        {"url": f"data:image/png;base64,{PNG_TEXT.replace('=', '%3D')}"},
        {"url": None, "b64_json": PNG_TEXT},
        {"url": "https://x.example/a.png", "b64_json": PNG_TEXT},
    ],
)
def test_a_picture_is_read_from_its_bytes(byte_server: StartServer, item: dict[str, Any]) -> None:
    """The announced type is often wrong, and a front end believes it."""
    assert picture_of(byte_server, item) == (Image(PNG, "image/png"),)


def test_a_picture_may_lie_at_an_address(byte_server: StartServer) -> None:
    """Also at one of the service itself, told without its host."""
    first, second = picture_of(
        byte_server, {"url": "https://x.example/a.png"}, {"url": "/images/b.png"}, "odd", {}
    )
    assert first == Image(url="https://x.example/a.png")
    assert second.url.startswith("http://127.0.0.1:")
    assert second.url.endswith("/images/b.png")


def test_a_picture_may_say_what_was_made_of_its_prompt(byte_server: StartServer) -> None:
    """DALL·E 3 writes a prompt of its own, which explains the picture."""
    told = {"revised_prompt": "a red fox"}
    images = picture_of(
        byte_server, {"b64_json": PNG_TEXT, **told}, {"url": "https://x.example/a.png", **told}
    )
    assert [image.revised_prompt for image in images] == ["a red fox"] * 2


def test_a_picture_that_is_text_is_decoded(byte_server: StartServer) -> None:
    """``data:`` URLs of drawings are not in base64."""
    (image,) = picture_of(byte_server, {"url": "data:image/svg+xml,%3Csvg/%3E"})
    assert image.data == b"<svg/>"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", ""),
        (b"nothing", ""),
    ],
)
def test_the_type_of_a_picture_is_told_by_its_first_bytes(start: bytes, kind: str) -> None:
    """A sound called a picture would be a broken image in the notebook."""
    assert media_type(start) == kind


def test_a_prompt_without_a_model_goes_to_the_first_that_paints(byte_server: StartServer) -> None:
    """The default model chats and would refuse."""
    picture = {"data": [{"b64_json": PNG_TEXT}]}

    def script(exchange: Exchange) -> None:
        is_listing = exchange.request.path.endswith("/models")
        exchange.send(json_reply(200, LISTING if is_listing else picture))

    server = byte_server(script)
    declared = at(server.url, default_model="chats", image_models=("flux", "sd"))
    hear(declared, None, prompt="a fox")
    hear(at(server.url), None, prompt="a fox")
    hear(at(server.url, image_models=("flux",), model_aliases={"flux": "org/flux"}), "flux")
    asked = [request.json["model"] for request in server.requests if request.json]
    assert asked == ["flux", "paints", "org/flux"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"data": []}, "no answer"),
        ({"data": 5}, "no answer"),
        ({"data": [{"b64_json": "a"}]}, "no answer"),
        ({"data": [{"b64_json": 7}]}, "no answer"),
        ({"created": 1}, "no answer"),
        ({"error": {"message": "not that"}}, "not that"),
    ],
)
def test_an_answer_without_a_picture_is_an_error(
    byte_server: StartServer, body: dict[str, Any], said: str
) -> None:
    """A cell without a picture and without a word would be a riddle."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, body)))
    assert said in str(failure(hear(at(server.url), prompt="a fox")))


def test_a_picture_service_may_be_busy_first(byte_server: StartServer) -> None:
    """Pictures are refused when too many want one; waiting helps."""
    done = {"data": [{"b64_json": PNG_TEXT}]}
    replies = [refuses(429, "", {"retry-after-ms": "1"}), refuses(200, done)]
    server = byte_server(in_turn(*replies))
    heard = hear(at(server.url), prompt="a fox")
    assert (len(heard.waits), len(heard.all_of(ImageResponse))) == (1, 1)


# --- leaving early ---------------------------------------------------------------------------


def test_leaving_early_closes_the_connection(byte_server: StartServer) -> None:
    """A stream that nobody reads goes on being generated and billed."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        while exchange.sleep(0.005):
            exchange.send(chunked(delta("x")))

    server = byte_server(script)

    async def glance() -> None:
        events = get_provider(server.url).create_async_generator("m", HELLO)
        async with aclosing(events):
            async for one in events:
                if one == "x":
                    return

    async def cancel() -> None:
        events = get_provider(server.url).create_async_generator("m", HELLO)
        task = asyncio.create_task(_exhaust(events))
        await asyncio.to_thread(server.wait_for, lambda: len(server.exchanges) == 2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        server.wait_for(lambda: server.exchanges[1].client_closed)

    asyncio.run(glance())
    server.wait_for(lambda: server.exchanges[0].client_closed)
    asyncio.run(cancel())


async def _exhaust(events: Any) -> None:
    async for _ in events:
        pass


def test_events_that_are_not_for_reading_print_as_nothing(byte_server: StartServer) -> None:
    """``print(item, end="")`` of every item is how scripts show an answer."""
    heard = answer_to(byte_server, RICH)
    assert "".join(map(str, heard.events)) == heard.text
    assert heard.all_of(Reasoning)


def test_nothing_secret_is_logged(
    byte_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Logs are kept, collected and shown to others, and httpx writes its URLs there."""
    caplog.set_level("DEBUG")
    server = byte_server(stream_script(["ok"]))
    at_login = server.url.replace("//", "//me:hidden-word@") + "/v1"
    client = Client(at_login, max_retries=0)
    client.chat.completions.create("m", [{"role": "user", "content": "hi"}])
    assert server.requests[-1].headers["authorization"].startswith("Basic ")
    keyed = Client(at_login, api_key="sk-hidden-key")
    keyed.chat.completions.create("m", [{"role": "user", "content": "hi"}])
    assert server.requests[-1].headers["authorization"] == "Bearer sk-hidden-key"
    assert "HTTP Request" in caplog.text
    assert "hidden" not in caplog.text
