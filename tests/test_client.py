"""OpenAI's interface in front of any provider, for blocking and for async code."""

from __future__ import annotations

import asyncio
import copy
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from support.api_schema import check_chat
from support.byteserver import (
    DONE,
    END,
    chunked,
    delta,
    finish,
    free_port,
    json_reply,
    sse_head,
    stream_script,
)

from g4f_magic import portal
from g4f_magic.client import AsyncClient, Client, resolve
from g4f_magic.errors import (
    NetworkError,
    ProviderNotFoundError,
    ResponseError,
    RetryProviderError,
    UsageError,
)
from g4f_magic.messages import (
    Event,
    FinishReason,
    Image,
    ImageResponse,
    Reasoning,
    Sent,
    ToolCall,
    ToolCalls,
    Waiting,
)
from g4f_magic.providers import Demo, OpenaiChat, OpenaiTemplate, RetryProvider, get_provider
from g4f_magic.streams import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from support.byteserver import ByteServer, Exchange

    from g4f_magic.messages import Message
    from g4f_magic.shapes import ChatCompletionChunk
    from g4f_magic.streams import AsyncStream

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

KEY = "sk-very-secret-key-123456"
PICTURES = [{"url": "http://h/a.png"}]
HELLO: list[Message] = [{"role": "user", "content": "Hello"}]


def text_of(chunks: Iterable[ChatCompletionChunk]) -> str:
    """The text of a stream, read as the documentation of OpenAI's SDK shows."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def never_ends(exchange: Exchange) -> None:
    """A script that says one word and keeps the stream open."""
    exchange.send(sse_head() + chunked(delta("Hel")))
    exchange.sleep(30)


class Scripted:
    """A provider of a stranger: yields these events."""

    name = "scripted"
    default_model = "own"

    def __init__(self, *events: Event) -> None:
        self.events = events

    async def create_async_generator(
        self, model: str | None, messages: Any, **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the events."""
        del model, messages, params
        for event in self.events:
            yield event

    def get_models(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Name none."""
        del api_key, api_base, timeout
        return []


# The example of the documentation


def test_the_example_of_the_documentation_works(byte_server: StartServer) -> None:
    """It is what people copy first: no key, only a base URL, through a proxy."""
    answers = stream_script(["Hello", ", ", "you"])

    def script(exchange: Exchange) -> None:
        if len(server.requests) < 3:
            exchange.send(json_reply(503, {"error": "busy"}, [("retry-after-ms", "1")]))
        else:
            answers(exchange)

    server = byte_server(script)
    proxy = f"http://user:pass@127.0.0.1:{server.port}"
    client = Client(
        api_base="http://service.invalid/v1",
        proxies={"http": proxy, "https": proxy},
        provider=RetryProvider([OpenaiChat], single_provider_retry=True, max_retries=5),
    )
    # The server plays the proxy, too: it answers whatever address it is asked for.
    chunks = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    assert text_of(chunks) == "Hello, you"
    last = server.requests[-1]
    assert len(server.requests) == 3
    assert last.path == "http://service.invalid/v1/chat/completions"
    assert (last.json["model"], last.json["messages"]) == ("gpt-4o-mini", HELLO)
    assert "authorization" not in last.headers


def test_a_base_url_alone_is_enough(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local server has neither key nor name."""
    server = byte_server(stream_script(["Hello"]))
    answer = Client(api_base=f"{server.url}/v1").chat.completions.create("m", HELLO)
    assert answer.choices[0].message.content == "Hello"
    assert "authorization" not in server.requests[0].headers
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    assert text_of(Client().chat.completions.create("m", HELLO, stream=True)) == "Hello"


# Ways to ask


def test_a_stream_has_openais_shape(byte_server: StartServer) -> None:
    """Code written for OpenAI's SDK has to go on working."""
    server = byte_server(stream_script(["Hel", "lo"]))
    client = Client(server.url)
    chunks = list(client.chat.completions.create("m", HELLO, stream=True))
    assert text_of(chunks) == "Hello"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "stop"]
    assert [chunk.usage is not None for chunk in chunks] == [False, False, True, False]
    usage = chunks[2].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 2, 5)
    assert {(chunk.model, chunk.provider, chunk.object) for chunk in chunks} == {
        ("m", server.url.removeprefix("http://"), "chat.completion.chunk")
    }
    dumped = chunks[0].model_dump()
    assert dumped["choices"][0]["delta"]["content"] == "Hel"
    assert server.requests[0].json["stream"] is True


def test_a_whole_answer_has_openais_shape(byte_server: StartServer) -> None:
    """Scripts read choices[0].message.content, usage and finish_reason."""
    server = byte_server(stream_script(["Hel", "lo"]))
    answer = Client(server.url, model="m").chat.completions.create(messages=HELLO)
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 5
    assert (answer.model, answer.provider) == ("m", f"127.0.0.1:{server.port}")
    assert answer.model_dump()["choices"][0]["message"] == {
        "content": "Hello",
        "role": "assistant",
        "reasoning_content": None,
        "tool_calls": None,
    }
    assert server.requests[0].json["stream"] is False


def test_thoughts_of_a_provider_that_failed_are_not_those_of_the_answer() -> None:
    """They would stand above an answer that another model gave."""
    thinks = Scripted(Sent("", {"model": "a"}), Reasoning("Hm."))
    answers = Scripted(Sent("", {"model": "b"}), "Hello")
    answer = Client([thinks, answers]).chat.completions.create("m", HELLO)
    assert answer.choices[0].message.reasoning_content is None
    assert (answer.choices[0].message.content, answer.model) == ("Hello", "b")


def test_an_answer_of_nothing_says_who_gave_it(byte_server: StartServer) -> None:
    """A service that answers with an empty list of choices has a name all the same."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {"choices": []})))
    answer = Client(server.url).chat.completions.create("m", HELLO)
    assert (answer.provider, answer.model) == (f"127.0.0.1:{server.port}", "m")


def test_answers_and_chunks_say_when_they_were_made(byte_server: StartServer) -> None:
    """A log of results would have them all in 1970."""
    create = Client(byte_server(stream_script(["Hel", "lo"])).url).chat.completions.create
    before = int(time.time())
    answer, chunks = create("m", HELLO), list(create("m", HELLO, stream=True))
    assert before <= answer.created <= chunks[0].created <= time.time()
    assert {chunk.created for chunk in chunks} == {chunks[0].created}


def test_thoughts_calls_and_pictures_find_their_places() -> None:
    """An answer is more than text."""
    call = ToolCall("1", "f", '{"a":1}')
    provider = Scripted(
        Waiting("busy", 0),
        Reasoning("Hm"),
        Reasoning("m."),
        "See ",
        ImageResponse((Image(url="http://h/a.png"),), "a"),
        ToolCalls((call, call)),
        FinishReason("tool_calls"),
    )
    message = Client(provider).chat.completions.create("m", HELLO).choices[0].message
    assert message.reasoning_content == "Hmm."
    assert message.content == "See ![a](http://h/a.png)"
    assert [(c.id, c.function.name, c.index) for c in message.tool_calls or ()] == [
        ("1", "f", 0),
        ("1", "f", 1),
    ]
    chunks = list(Client(provider).chat.completions.create("m", HELLO, stream=True))
    assert [chunk.choices[0].delta.reasoning_content for chunk in chunks][:2] == ["Hm", "m."]
    calls = chunks[-2].choices[0].delta.tool_calls or []
    assert calls[1].function.arguments == '{"a":1}'


def test_an_end_the_server_did_not_give_is_not_made_up(byte_server: StartServer) -> None:
    """A cut answer that claims to have stopped by itself cannot be told from a whole one."""
    server = byte_server(stream_script(["Half"], finish_reason=None, usage=None))
    client = Client(server.url)
    chunks = list(client.chat.completions.create("m", HELLO, stream=True))
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None]
    answer = client.chat.completions.create("m", HELLO)
    assert (answer.choices[0].finish_reason, answer.usage) == (None, None)


@pytest.mark.parametrize("awaited", [True, False])
def test_the_async_stream_works_with_and_without_await(
    byte_server: StartServer, *, awaited: bool
) -> None:
    """OpenAI's is awaited, gpt4free's is not; both habits are common."""
    server = byte_server(stream_script(["Hel", "lo"]))

    async def ask() -> str:
        async with AsyncClient(server.url) as client:
            stream = client.chat.completions.create("m", HELLO, stream=True)
            if awaited:
                stream = await stream
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask()) == "Hello"


def test_async_answers_come_whole_and_side_by_side(byte_server: StartServer) -> None:
    """asyncio.gather over many prompts is why one uses the async client."""
    server = byte_server(stream_script(["Hello"]))

    async def ask() -> list[str | None]:
        client = AsyncClient(server.url, model="m")
        answers = await asyncio.gather(
            *(client.chat.completions.create(messages=HELLO) for _ in range(8))
        )
        return [answer.choices[0].message.content for answer in answers]

    assert asyncio.run(ask()) == ["Hello"] * 8


def test_chunks_can_be_taken_one_by_one(byte_server: StartServer) -> None:
    """next() and anext() look at the start before a loop takes the rest."""
    server = byte_server(stream_script(["Hel", "lo"]))
    with Client(server.url) as client:
        stream = client.chat.completions.create("m", HELLO, stream=True)
        assert next(stream).choices[0].delta.content == "Hel"
        assert text_of(stream) == "lo"
        with pytest.raises(StopIteration):
            next(stream)

    async def ask() -> str:
        stream = AsyncClient(server.url).chat.completions.create("m", HELLO, stream=True)
        first = await anext(stream)
        rest = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return "".join([first.choices[0].delta.content or "", *rest])

    assert asyncio.run(ask()) == "Hello"


def test_eight_threads_share_a_client(byte_server: StartServer) -> None:
    """Evaluations ask the same client from a thread pool."""
    server = byte_server(stream_script(["Hel", "lo"], delay_s=0.01))
    client = Client(server.url)

    def ask(number: int) -> str:
        messages: list[Message] = [{"role": "user", "content": str(number)}]
        return text_of(client.chat.completions.create("m", messages, stream=True))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(24))) == ["Hello"] * 24
    asked = {request.json["messages"][0]["content"] for request in server.requests}
    assert asked == {str(number) for number in range(24)}
    assert server.connections <= 8


def test_the_blocking_client_works_inside_a_running_loop(byte_server: StartServer) -> None:
    """A notebook cell always runs inside one."""
    server = byte_server(stream_script(["Hello"]))
    client = Client(server.url)

    async def cell() -> list[str | None]:
        whole = client.chat.completions.create("m", HELLO).choices[0].message.content
        return [whole, text_of(client.chat.completions.create("m", HELLO, stream=True))]

    assert asyncio.run(cell()) == ["Hello", "Hello"]


def test_a_blocking_stream_on_the_background_loop_is_refused() -> None:
    """An async tool or plugin that calls the blocking client would freeze every cell."""

    async def plugin() -> None:
        Client(Demo).chat.completions.create("demo", HELLO, stream=True)

    with pytest.raises(RuntimeError, match="await the async form"):
        portal.run_outside(plugin)


# What is sent


@pytest.mark.odd_request
def test_unknown_parameters_are_sent_as_they_are(byte_server: StartServer) -> None:
    """Services invent fields faster than any client knows them."""
    server = byte_server(stream_script(["Hello"]))
    Client(server.url).chat.completions.create(
        "m", HELLO, temperature=0, seed=7, top_p=0.5, max_tokens=5, stop=["x"], min_p=0.1, odd={}
    )
    body = server.requests[0].json
    expected = {"temperature": 0, "seed": 7, "top_p": 0.5, "max_tokens": 5, "stop": ["x"]}
    expected |= {"min_p": 0.1, "odd": {}}
    assert {name: body[name] for name in expected} == expected


@pytest.mark.odd_request
def test_messages_arrive_as_given_and_stay_as_they_were(byte_server: StartServer) -> None:
    """gpt4free merges and drops messages before sending; nobody expects that."""
    server = byte_server(stream_script(["Hello"]))
    twice: list[Any] = [{"role": "user", "content": "same  \n"}] * 2
    parts = [{"type": "text", "text": "Grüße 👋 \ud83d"}]
    messages: list[Any] = [
        {"role": "system", "content": ""},
        *twice,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "user", "content": parts, "x": None},
    ]
    before = copy.deepcopy(messages)
    for stream in (False, True):
        answer = Client(server.url).chat.completions.create("m", messages, stream=stream)
        if isinstance(answer, Stream):
            list(answer)
    assert [request.json["messages"] for request in server.requests] == [before, before]
    assert messages == before


def test_messages_are_a_list_of_mappings(byte_server: StartServer) -> None:
    """A prompt given as text would go out as a message for each letter."""
    server = byte_server(stream_script(["Hello"]))
    create = Client(server.url).chat.completions.create
    wrong: list[Any] = ["Hello", HELLO[0]]
    for messages in wrong:
        with pytest.raises(UsageError, match="messages must be a list") as caught:
            create("m", messages)
        assert '"role": "user"' in caught.value.hint
    create("m", [MappingProxyType(HELLO[0])])
    assert [request.json["messages"] for request in server.requests] == [HELLO]


def test_a_question_needs_a_message_unless_it_has_a_prompt(byte_server: StartServer) -> None:
    """OpenAI's API takes no empty list, and each server says so in other words."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {"data": PICTURES})))
    create = Client(server.url).chat.completions.create
    with pytest.raises(UsageError, match="there is no message to send"):
        create("m")
    with pytest.raises(UsageError, match="there is no message to send"):
        create("m", [], stream=True)
    assert "http://h/a.png" in str(create("m", prompt="a fox").choices[0].message.content)
    assert len(server.requests) == 1


def test_an_earlier_answer_can_be_put_among_the_messages(byte_server: StartServer) -> None:
    """``messages.append(response.choices[0].message)`` is how OpenAI's SDK goes on."""
    function = {"name": "f", "arguments": "{}"}
    signed = {"google": {"thought_signature": "abc"}}
    call = {"id": "1", "type": "function", "function": function, "extra_content": signed}
    body = {"choices": [{"index": 0, "message": {"content": "Hi", "tool_calls": [call]}}]}
    server = byte_server(lambda exchange: exchange.send(json_reply(200, body)))
    create = Client(server.url).chat.completions.create
    message = create("m", HELLO).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": "1", "content": "42"}
    messages: list[Any] = [*HELLO, message, result]
    create("m", messages)
    create("m", [{"role": "assistant", "tool_calls": message.tool_calls}, result])
    assert messages == [*HELLO, message, result]
    assert messages[1] is message
    kept = {**call, "index": 0}
    said = {"role": "assistant", "content": "Hi", "tool_calls": [kept]}
    assert server.requests[1].json["messages"] == [*HELLO, said, result]
    other = {"role": "assistant", "tool_calls": [kept]}
    assert server.requests[2].json["messages"] == [other, result]
    check_chat(server.requests[1].json)


def test_messages_may_be_mappings_of_any_kind() -> None:
    """The hint says so, and rows of some libraries are no dicts."""
    message = MappingProxyType({"role": "user", "content": "Hello"})
    answer = Client("demo").chat.completions.create(messages=[message])
    assert "Hello!" in (answer.choices[0].message.content or "")


def test_a_result_can_be_dumped_without_what_is_none(byte_server: StartServer) -> None:
    """Nulls in a saved answer say nothing, and some services refuse them."""
    server = byte_server(stream_script(["Hello"], usage=None))
    answer = Client(server.url).chat.completions.create("m", HELLO)
    message = {"content": "Hello", "role": "assistant"}
    choice = {"message": message, "finish_reason": "stop", "index": 0}
    dumped = answer.model_dump(exclude_none=True)
    assert dumped["choices"] == [choice]
    assert "usage" not in dumped
    assert answer.model_dump()["usage"] is None


def test_settings_of_the_client_hold_for_each_request_and_can_be_overruled(
    byte_server: StartServer,
) -> None:
    """A time limit or key given once must reach the wire."""
    server = byte_server(stream_script(["Hello"]))
    client = Client(server.url, api_key=KEY, timeout=9, max_retries=0, model="usual")
    client.chat.completions.create(messages=HELLO)
    client.chat.completions.create("other", HELLO, api_key="another-key")
    sent = [(r.headers["authorization"], r.json["model"]) for r in server.requests]
    assert sent == [(f"Bearer {KEY}", "usual"), ("Bearer another-key", "other")]
    assert set(server.requests[0].json) == {"model", "messages", "stream"}


def test_the_models_are_asked_for_as_often_as_the_client_was_told(byte_server: StartServer) -> None:
    """Whoever wants no retries waits for none, whatever is asked."""
    server = byte_server(lambda exchange: exchange.send(json_reply(500, {})))
    with pytest.raises(ResponseError, match="500"):
        Client(server.url, max_retries=0).models.list()
    assert len(server.requests) == 1


# Who is asked


def test_a_provider_may_be_a_class_an_object_a_name_a_url_or_a_list(
    byte_server: StartServer,
) -> None:
    """All of these stand in people's code."""
    server = byte_server(stream_script(["Hello"]))

    class Own(OpenaiTemplate):
        api_base = server.url
        default_model = "m"

    ways: list[Any] = [Own, Own(), server.url, [f"http://127.0.0.1:{free_port()}", Own]]
    for way in ways:
        answer = Client(way, max_retries=0).chat.completions.create("m", HELLO)
        assert answer.choices[0].message.content == "Hello"
    assert answer.provider == "Own"
    assert resolve("demo") is Demo
    assert resolve(None) is OpenaiChat
    assert resolve(None, server.url) is get_provider(server.url)
    assert Client("demo").provider is Demo


def test_a_pickled_client_asks_the_same_provider(byte_server: StartServer) -> None:
    """Process pools send it to their workers, mostly one made from a name or an address."""
    server = byte_server(stream_script(["Hello"]))
    login = server.url.replace("//", "//me:secret-word@")
    for way in ("ollama", server.url, login, ["groq", server.url]):
        pickled = pickle.dumps(Client(way))
        assert b"secret-word" not in pickled
        assert repr(pickle.loads(pickled)) == repr(Client(way))  # noqa: S301  # our own bytes
    client = pickle.loads(pickle.dumps(AsyncClient(server.url, model="m")))  # noqa: S301
    answer = asyncio.run(client.chat.completions.create(messages=HELLO))
    assert answer.choices[0].message.content == "Hello"


def test_a_copy_asks_whom_it_names() -> None:
    """Otherwise ``client.provider.last_provider`` of a copy never learns who answered."""
    client = copy.deepcopy(Client(["demo"]))
    client.chat.completions.create(messages=HELLO)
    assert isinstance(client.provider, RetryProvider)
    assert client.provider.last_provider is Demo


def test_a_name_nobody_has_is_an_error_before_anything_is_sent() -> None:
    """A typing error should not end in a time-out."""
    with pytest.raises(ProviderNotFoundError, match="'opnai'"):
        Client("opnai")


# What goes wrong


def test_a_refusal_says_who_why_and_what_to_do(byte_server: StartServer) -> None:
    """The support of a service asks for the request id, the person needs the hint."""
    body = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    server = byte_server(
        lambda exchange: exchange.send(json_reply(401, body, [("x-request-id", "req_1")]))
    )
    client: Any = Client(server.url, api_key=KEY)
    for stream in (False, True):
        with pytest.raises(ResponseError, match="401") as got:
            list(client.chat.completions.create("m", HELLO, stream=stream))
        error = got.value
        assert (error.status, error.request_id) == (401, "req_1")
        assert error.provider == f"127.0.0.1:{server.port}"
        assert "key" in error.hint
        assert KEY not in f"{error} {error!r} {error.hint} {error.__cause__!r}"
        assert KEY not in f"{client} {client!r} {client.chat!r}"


def test_a_break_in_the_middle_raises_after_what_had_arrived(byte_server: StartServer) -> None:
    """Half an answer is printed before the error, not lost with it."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Half")))
        exchange.sleep(0.05)
        exchange.reset()

    seen: list[str] = []
    stream = Client(byte_server(script).url).chat.completions.create("m", HELLO, stream=True)
    with pytest.raises(NetworkError) as got:
        seen.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert (seen, got.value.partial) == (["Half"], "Half")
    assert list(stream) == []


def test_an_error_inside_a_stream_is_an_error(byte_server: StartServer) -> None:
    """Gateways end a stream with {"error": …} and status 200; that is no answer."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Half")))
        exchange.send(chunked(b'data: {"error": {"message": "overloaded"}}\n\n') + END)

    async def ask() -> None:
        client = AsyncClient(byte_server(script).url)
        async for _ in client.chat.completions.create("m", HELLO, stream=True):
            pass

    with pytest.raises(ResponseError, match="overloaded") as got:
        asyncio.run(ask())
    assert (got.value.partial, got.value.status) == ("Half", 200)


def test_several_failures_are_told_together() -> None:
    """With a list of providers one wants to know why each of them failed."""
    ports = [free_port(), free_port()]
    client = Client([f"http://127.0.0.1:{port}" for port in ports], max_retries=0)
    with pytest.raises(RetryProviderError) as got:
        client.chat.completions.create("m", HELLO)
    assert len(got.value.causes) == 2
    assert all(str(port) in str(got.value) for port in ports)


def test_what_cannot_be_sent_is_said_before_it_is_sent(byte_server: StartServer) -> None:
    """An array in a message is a common slip."""
    server = byte_server(stream_script(["Hello"]))
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        Client(server.url).chat.completions.create("m", [{"role": "user", "content": object()}])
    assert server.requests == []


# Leaving early


def leave_by_break(client: Client, _seen: list[object]) -> None:
    """Breaks out of a loop over the call itself."""
    for _ in client.chat.completions.create("m", HELLO, stream=True):
        break


def leave_by_break_of_a_name(client: Client, seen: list[object]) -> None:
    """Breaks out of a loop over a stream that a notebook keeps as a variable."""
    stream = client.chat.completions.create("m", HELLO, stream=True)
    seen.append(stream)
    for _ in stream:
        break


def leave_by_error(client: Client, seen: list[object]) -> None:
    """An error in the body of the loop, with the stream kept as a variable."""
    stream = client.chat.completions.create("m", HELLO, stream=True)
    seen.append(stream)
    with suppress(KeyboardInterrupt):
        for _ in stream:
            raise KeyboardInterrupt


def leave_by_with(client: Client, seen: list[object]) -> None:
    """A with block ends."""
    with client.chat.completions.create("m", HELLO, stream=True) as stream:
        seen.append(stream)
        next(stream)


def leave_by_close(client: Client, seen: list[object]) -> None:
    """Closed by name, which ends the iteration, too."""
    stream = client.chat.completions.create("m", HELLO, stream=True)
    seen.append(stream)
    next(stream)
    stream.close()
    assert list(stream) == []


def leave_by_forgetting(client: Client, _seen: list[object]) -> None:
    """Nothing refers to the stream any more."""
    next(client.chat.completions.create("m", HELLO, stream=True))


@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_by_break_of_a_name,
        leave_by_error,
        leave_by_with,
        leave_by_close,
        leave_by_forgetting,
    ],
)
def test_leaving_a_stream_early_closes_the_connection_within_100_ms(
    byte_server: StartServer, leave: Callable[[Client, list[object]], None]
) -> None:
    """The server would go on writing, and billing, what nobody reads."""
    server = byte_server(never_ends)
    kept: list[object] = []
    leave(Client(server.url), kept)
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.1)


@pytest.mark.parametrize("way", ["break", "with", "close", "cancel"])
def test_leaving_an_async_stream_early_closes_the_connection(
    byte_server: StartServer, way: str
) -> None:
    """The same for async code, whichever way it leaves."""
    server = byte_server(never_ends)

    async def read(stream: AsyncStream) -> None:
        async for _ in stream:
            if way == "break":
                break

    async def leave() -> None:
        stream = AsyncClient(server.url).chat.completions.create("m", HELLO, stream=True)
        if way == "break":
            await read(stream)
        elif way == "with":
            async with stream:
                await anext(stream)
        elif way == "close":
            await anext(stream)
            await stream.close()
        else:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(read(stream), 0.1)
        closed = asyncio.to_thread(
            server.wait_for, lambda: server.exchanges[0].client_closed, timeout=0.1
        )
        await closed

    asyncio.run(leave())


def test_an_interrupt_while_waiting_closes_the_connection(byte_server: StartServer) -> None:
    """The stop button while nothing arrives: the usual moment to press it."""
    server = byte_server(never_ends)
    stream = Client(server.url).chat.completions.create("m", HELLO, stream=True)
    next(stream)
    main = threading.main_thread().ident or 0
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.1)
    assert list(stream) == []


def test_closing_from_another_thread_ends_the_loop(byte_server: StartServer) -> None:
    """A Stop button is pressed in another thread than the one that waits."""
    server = byte_server(never_ends)
    stream = Client(server.url).chat.completions.create("m", HELLO, stream=True)
    assert next(stream).choices[0].delta.content == "Hel"
    threading.Timer(0.1, stream.close).start()
    assert list(stream) == []


def test_a_stream_that_was_read_is_done_and_leaves_its_connection(
    byte_server: StartServer,
) -> None:
    """Reading to the end must not cost the warm connection."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Hello") + finish() + DONE) + END)

    server = byte_server(script)
    client = Client(server.url)
    for _ in range(3):
        assert text_of(client.chat.completions.create("m", HELLO, stream=True)) == "Hello"
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_server_may_stream_answers_on_to_many_at_once(byte_server: StartServer) -> None:
    """A web service on one event loop passes answers on while others are being written."""
    server = byte_server(stream_script(["one ", "two ", "three"], delay_s=0.01))

    async def serve(client: AsyncClient) -> list[bytes]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            prompt = (await reader.readline()).decode().strip()
            messages = [{"role": "user", "content": prompt}]
            async for chunk in client.chat.completions.create("m", messages, stream=True):
                writer.write((chunk.choices[0].delta.content or "").encode())
            writer.close()

        async def visit(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"visitor {number}\n".encode())
            answer = await reader.read()
            writer.close()
            return answer

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as front:
            port = front.sockets[0].getsockname()[1]
            return await asyncio.gather(*map(visit, range(20)))

    assert asyncio.run(serve(AsyncClient(server.url))) == [b"one two three"] * 20
    assert len({request.json["messages"][0]["content"] for request in server.requests}) == 20
