"""Several answers to one prompt (``n`` > 1), kept apart from the wire to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.api_schema import check_chat
from support.byteserver import DONE, chunked, delta, finish, json_reply, reply, sse_head
from support.events import HELLO, hear

from g4f_magic.call import Draft
from g4f_magic.client import AsyncClient, Client
from g4f_magic.messages import FinishReason, OtherChoice, Reasoning, ToolCall, ToolCalls, Usage
from g4f_magic.providers import RetryProvider, get_provider

if TYPE_CHECKING:
    from support.byteserver import Exchange
    from support.events import StartServer

CALL = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
TWO = b"".join(
    [
        delta("<think>hm", index=1),
        delta("Ye"),
        delta("</think>N", index=1),
        delta("s"),
        delta("oHIGH", index=1).replace(b"HIGH", rb"\ud83e"),
        delta("LOW", index=1).replace(b"LOW", rb"\udd8a"),
        delta(None, index=1, tool_calls=[CALL]),
        finish("stop"),
        finish("tool_calls", {"prompt_tokens": 3, "completion_tokens": 5}, index=1),
        DONE,
    ]
)
WHOLE = {
    "choices": [
        {"index": 1, "message": {"content": "No"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "Yes"}, "finish_reason": "stop"},
        {"index": 2, "message": {"content": None, "tool_calls": [CALL]}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}


def says(body: bytes) -> Any:
    """A service that answers everything with these bytes."""
    return lambda exchange: exchange.send(reply(200, body))


def test_events_of_other_choices_are_marked(byte_server: StartServer) -> None:
    """Two answers would otherwise be one salad of words."""
    server = byte_server(says(TWO))
    heard = hear(get_provider(server.url), n=2)
    check_chat(server.requests[0].json)
    assert heard.events[1:] == [
        OtherChoice(1, Reasoning("hm")),
        "Ye",
        OtherChoice(1, "N"),
        "s",
        OtherChoice(1, "o"),
        OtherChoice(1, "🦊"),
        OtherChoice(1, ToolCalls((ToolCall("1", "f", "{}"),))),
        Usage(3, 5),
        FinishReason("stop"),
        OtherChoice(1, FinishReason("tool_calls")),
    ]


def test_what_prints_is_the_first_choice(byte_server: StartServer) -> None:
    """``print(item, end="")`` of every item shows one answer."""
    heard = hear(get_provider(byte_server(says(TWO)).url))
    assert "".join(map(str, heard.events)) == heard.text == "Yes"


def test_a_cell_shows_the_first_choice() -> None:
    """An answer has one text; what else came must not end or begin it."""
    draft = Draft(provider="p", model="m")
    draft.add(OtherChoice(1, "No"))
    assert draft.answer().first_token_s is None
    draft.add("Yes")
    draft.add(OtherChoice(1, FinishReason("length")))
    draft.end()
    answer = draft.answer()
    assert (answer.text, answer.finish_reason, answer.state) == ("Yes", None, "cut off")


def test_chunks_bear_the_index_of_their_choice(byte_server: StartServer) -> None:
    """Code written for OpenAI's SDK sorts them by it."""
    chunks = list(
        Client(byte_server(says(TWO)).url).chat.completions.create("m", HELLO, stream=True, n=2)
    )
    texts = {0: "", 1: ""}
    for chunk in chunks:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {0: "Yes", 1: "No🦊"}
    ends = [(c.choices[0].index, c.choices[0].finish_reason) for c in chunks][-2:]
    assert ends == [(0, "stop"), (1, "tool_calls")]


def test_a_completion_has_all_choices_in_order(byte_server: StartServer) -> None:
    """``choices[1]`` must be the second, in whatever order they came."""
    client = Client(byte_server(lambda ex: ex.send(json_reply(200, WHOLE))).url)
    completion = client.chat.completions.create("m", HELLO, n=3)
    said = [(c.index, c.message.content, c.finish_reason) for c in completion.choices]
    assert said == [(0, "Yes", "stop"), (1, "No", "length"), (2, "", "stop")]
    calls = completion.choices[2].message.tool_calls or ()
    assert [call.function.name for call in calls] == ["f"]
    assert completion.choices[0].message.tool_calls is None
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 5


def test_choices_of_an_async_completion_are_kept_apart(byte_server: StartServer) -> None:
    """The same when the service streams although it was asked for one answer."""
    client = AsyncClient(byte_server(says(TWO)).url)

    async def ask() -> Any:
        return await client.chat.completions.create("m", HELLO, n=2)

    first, second = asyncio.run(ask()).choices
    assert (first.message.content, first.message.reasoning_content) == ("Yes", None)
    assert (second.message.content, second.message.reasoning_content) == ("No🦊", "hm")


def test_choices_without_numbers_are_told_by_their_place(byte_server: StartServer) -> None:
    """Small servers leave the index out, of several choices too."""
    choices = [{"message": {"content": text}} for text in ("Yes", "No")]
    client = Client(byte_server(lambda ex: ex.send(json_reply(200, {"choices": choices}))).url)
    completion = client.chat.completions.create("m", HELLO, n=2)
    assert [choice.message.content for choice in completion.choices] == ["Yes", "No"]


@pytest.mark.parametrize("index", ["1", -1, 1.5, [], {}])
def test_a_choice_with_a_number_that_is_none_is_left_out(
    byte_server: StartServer, index: Any
) -> None:
    """Taken for the first it would garble the answer."""
    odd = {"index": index, "delta": {"content": "odd"}}
    heard = hear(get_provider(byte_server(lambda ex: ex.send(json_reply(200, {"choices": [
        odd, {"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"},
    ]}))).url))  # fmt: skip
    assert "".join(map(str, heard.events)) == "yes"
    assert heard.all_of(OtherChoice) == []


def test_an_answer_is_whole_when_all_its_choices_are(byte_server: StartServer) -> None:
    """A break after the end of the first would pass for a complete answer."""

    def broken(last: bytes) -> Any:
        def script(exchange: Exchange) -> None:
            exchange.send(sse_head() + chunked(delta("Yes") + delta("No", index=1) + finish()))
            exchange.send(chunked(last))
            exchange.close()

        return hear(get_provider(byte_server(script).url)).error

    assert broken(b"").partial == "Yes"
    assert broken(finish(index=1)) is None


@pytest.mark.parametrize("other", [delta("No", index=1), delta(None, index=1, tool_calls=[CALL])])
def test_another_choice_counts_as_an_answer(byte_server: StartServer, other: bytes) -> None:
    """The next provider would be asked although something was shown."""
    first = byte_server(says(delta("") + other + finish() + DONE))
    second = byte_server(says(delta("hi") + finish() + DONE))
    retry = RetryProvider([get_provider(first.url), get_provider(second.url)], shuffle=False)
    heard = hear(retry, n=2)
    assert (heard.error, heard.text, second.requests) == (None, "", [])
    assert heard.all_of(OtherChoice)


def test_thoughts_of_another_choice_are_no_answer(byte_server: StartServer) -> None:
    """Nothing to read came of it, so the next provider is asked."""
    thinks = delta(None, index=1, reasoning="hm")
    first = byte_server(says(thinks + finish(index=1) + DONE))
    second = byte_server(says(delta("hi") + finish() + DONE))
    retry = RetryProvider([get_provider(first.url), get_provider(second.url)], shuffle=False)
    assert hear(retry).text == "hi"


def test_a_break_carries_the_first_choice_only(byte_server: StartServer) -> None:
    """What is kept of a broken answer is one answer."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("No", index=1) + delta("Ye")))
        exchange.reset()

    error = hear(RetryProvider([get_provider(byte_server(script).url)])).error
    assert error is not None
    assert error.partial == "Ye"  # type: ignore[attr-defined]
