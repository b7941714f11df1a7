"""The whole chain against a server of other people, who read the API for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.aimock import AimockServer, answer
from support.events import hear

from g4f_magic import Client
from g4f_magic.errors import NetworkError, ResponseError
from g4f_magic.messages import FinishReason, Sent, ToolCall, Usage
from g4f_magic.providers import Provider, RetryProvider, get_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from g4f_magic.messages import Message

TEXT = "Grüße 🦊🦊 from `aimock`:\n\n```python\nprint({'a': {}})\n```\n"
REFUSAL = {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429}
BUSY = {"error": {"message": "busy", "type": "server_error"}, "status": 503}


def on(prompt: str, response: dict[str, Any], **match: Any) -> dict[str, Any]:
    """The fixture that gives this response to a prompt."""
    return {"match": {"userMessage": prompt, **match}, "response": response}


FIXTURES = [
    answer("greet", TEXT),
    on("count", {"content": "ok", "usage": {"prompt_tokens": 3, "completion_tokens": 5}}),
    on("think", {"content": "yes", "reasoning": "hm 🦊 so"}),
    on("call", {"toolCalls": [
        {"name": "add", "arguments": '{"a": 1}', "id": "call_1"},
        {"name": "add", "arguments": '{"a": 2}', "id": "call_2"},
    ]}),
    on("refuse", REFUSAL),
    on("first busy", BUSY, sequenceIndex=0),
    answer("first busy", "then fine"),
    answer("break", "It breaks off in the middle.", latency=30, truncateAfterChunks=5),
    on("long", {"content": "cut", "finishReason": "length"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockServer]:
    """One server for all tests here; it cuts text after every third UTF-16 unit."""
    with AimockServer(FIXTURES, chunk_chars=3) as server:
        yield server


@pytest.fixture
def provider(aimock: AimockServer) -> Provider:
    """The provider at that server."""
    return get_provider(aimock.url)


def ask(provider: Provider, prompt: str, **params: Any) -> Any:
    """What is heard on a prompt."""
    return hear(provider, "gpt-4o-mini", [{"role": "user", "content": prompt}], **params)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_comes_through_whole(provider: Provider, *, stream: bool) -> None:
    """The server cuts emoji between two deltas, as JavaScript does."""
    heard = ask(provider, "greet", stream=stream)
    assert heard.error is None
    assert heard.text == TEXT
    assert heard.all_of(FinishReason) == [FinishReason("stop")]


def test_an_answer_comes_in_pieces(provider: Provider) -> None:
    """Told only at the end, it would not stream."""
    assert sum(isinstance(event, str) for event in ask(provider, "greet").events) > 10


def test_what_was_sent_is_what_arrived(provider: Provider, aimock: AimockServer) -> None:
    """``answer.request`` must not tell a story of its own."""
    heard = ask(provider, "greet", temperature=0.25, seed=4711, api_key="key-of-mine")
    (sent,) = heard.all_of(Sent)
    entries = [one for one in aimock.journal() if (one.get("body") or {}).get("seed") == 4711]
    body = entries[-1]["body"]
    assert {name: body[name] for name in sent.body} == sent.body


def test_tokens_are_those_that_the_server_counted(provider: Provider) -> None:
    """An invented figure is worse than none."""
    assert ask(provider, "count").all_of(Usage)[-1] == Usage(3, 5)


def test_thoughts_are_told_apart(provider: Provider) -> None:
    """They belong above the answer, folded."""
    heard = ask(provider, "think")
    assert (heard.reasoning, heard.text) == ("hm 🦊 so", "yes")


@pytest.mark.parametrize("stream", [True, False])
def test_calls_come_through_whole_and_apart(provider: Provider, *, stream: bool) -> None:
    """Half an argument calls the wrong thing."""
    heard = ask(provider, "call", stream=stream)
    assert heard.calls == [
        ToolCall("call_1", "add", '{"a": 1}'),
        ToolCall("call_2", "add", '{"a": 2}'),
    ]
    assert heard.all_of(FinishReason) == [FinishReason("tool_calls")]


def test_an_answer_that_is_too_long_says_so(provider: Provider) -> None:
    """The reader must know that there would be more."""
    assert ask(provider, "long").all_of(FinishReason) == [FinishReason("length")]


def test_a_refusal_is_told_with_its_reason(provider: Provider) -> None:
    """Status, words and who said them."""
    error = ask(provider, "refuse", max_retries=0).error
    assert isinstance(error, ResponseError)
    assert (error.status, "slow down" in str(error)) == (429, True)


def test_a_busy_moment_passes(aimock: AimockServer, provider: Provider) -> None:
    """The cell answers after a pause, and says what it waits for."""
    heard = ask(provider, "first busy")
    assert (heard.text, len(heard.waits)) == ("then fine", 1)
    asked = [
        e for e in aimock.journal() if "first busy" in str((e.get("body") or {}).get("messages"))
    ]
    assert len(asked) == 2


@pytest.mark.parametrize("listed", [False, True])
def test_a_broken_answer_is_an_error_with_what_had_arrived(
    provider: Provider, *, listed: bool
) -> None:
    """It must neither pass for whole nor be glued to another."""
    heard = ask(RetryProvider([provider, provider]) if listed else provider, "break")
    assert isinstance(heard.error, NetworkError)
    assert heard.text
    assert "It breaks off in the middle.".startswith(heard.text)
    assert heard.error.partial == heard.text


def test_models_are_listed(provider: Provider) -> None:
    """The picker shows what this server says it has."""
    names = provider.get_models()
    assert names == sorted(names)
    assert all(isinstance(name, str) for name in names)


def test_the_client_streams_and_answers_at_once(aimock: AimockServer) -> None:
    """A script gets the same as a cell."""
    messages: list[Message] = [{"role": "user", "content": "greet"}]
    with Client(api_base=aimock.url, model="gpt-4o-mini") as client:
        chunks = client.chat.completions.create(messages=messages, stream=True)
        streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        whole = client.chat.completions.create(messages=messages)
    assert streamed == whole.choices[0].message.content == TEXT
    assert whole.choices[0].finish_reason == "stop"


def test_the_client_raises_what_the_server_refuses(aimock: AimockServer) -> None:
    """An exception, not an empty answer."""
    client = Client(provider=aimock.url, max_retries=0)
    with pytest.raises(ResponseError, match="slow down"):
        client.chat.completions.create("m", [{"role": "user", "content": "refuse"}])
