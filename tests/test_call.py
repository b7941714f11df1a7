"""An answer under way: what arrived so far, how it ended, and who stopped it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import chunked, delta, json_reply, sse_head, stream_script

from g4f_magic.call import Call, Draft, start_call
from g4f_magic.errors import NetworkError, ResponseError
from g4f_magic.messages import (
    Event,
    FinishReason,
    Image,
    ImageResponse,
    Reasoning,
    Sent,
    ToolCall,
    ToolCalls,
    Usage,
    Waiting,
)
from g4f_magic.providers import get_provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from support.byteserver import ByteServer, Exchange

    from g4f_magic.messages import Message

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

QUESTION: list[Message] = [{"role": "user", "content": "hi"}]


def draft_of(*events: Event) -> Draft:
    """A draft into which these events were folded."""
    draft = Draft(provider="p", model="asked")
    for event in events:
        draft.add(event)
    return draft


def started(server: ByteServer, **params: Any) -> Call:
    """A call to a server."""
    return start_call(get_provider(server.url), "m", QUESTION, **params)


def finished(call: Call) -> Call:
    """The call, at its end."""
    assert call.finished.wait(10)
    return call


# Folding


def test_pieces_of_text_and_thought_are_joined_in_order() -> None:
    """The answer is what the model said, no more and no less."""
    draft = draft_of(Reasoning("Hm"), "Hel", Reasoning("m."), "lo")
    answer = draft.answer()
    assert (answer.text, answer.reasoning) == ("Hello", "Hmm.")
    draft.add("!")
    assert (draft.answer().text, answer.text) == ("Hello!", "Hello")


def test_an_answer_bears_all_that_became_known() -> None:
    """Figures, pictures and calls are as much of an answer as its text."""
    picture, call = Image(url="http://h/a.png"), ToolCall("1", "f", "{}")
    usage = Usage(3, 4)
    draft = draft_of(
        Sent("http://h", {"model": "real", "messages": []}),
        ImageResponse((picture,)),
        ImageResponse((picture,)),
        ToolCalls((call,)),
        usage,
        FinishReason("stop"),
    )
    draft.end()
    answer = draft.answer()
    assert answer.images == (picture, picture)
    assert answer.tool_calls == (call,)
    assert (answer.usage, answer.finish_reason) == (usage, "stop")
    assert (answer.provider, answer.model) == ("p", "real")
    assert answer.request == {"model": "real", "messages": []}
    assert answer.state == "complete"


def test_the_model_asked_for_stands_until_another_is_known() -> None:
    """Some bodies name no model; the card should not be empty."""
    assert draft_of(Sent("http://h", {})).answer().model == "asked"


def test_a_pause_is_told_until_something_goes_on() -> None:
    """A card that says 'waiting' while text streams would be a lie."""
    waiting = Waiting("busy", 1)
    assert draft_of(waiting).answer().waiting == waiting
    for event in ("Hello", Reasoning("Hm"), Sent("http://h", {})):
        assert draft_of(waiting, event).answer().waiting is None


def test_times_start_with_the_request_and_stop_with_the_answer() -> None:
    """The footer shows them; a clock that runs on after the end would be wrong."""
    draft = draft_of(Sent("http://h", {}), Usage(1, 1))
    assert draft.answer().first_token_s is None
    draft.add("Hello")
    first = draft.answer().first_token_s
    assert first is not None
    assert 0 <= first <= draft.answer().elapsed_s
    draft.add("!")
    draft.end()
    ended = draft.answer()
    assert ended.first_token_s == first
    assert ended.elapsed_s == draft.answer().elapsed_s


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "cut off"),
        (("Hello",), "cut off"),
        (("Hello", Usage(1, 1)), "cut off"),
        (("Hello", FinishReason("length")), "complete"),
        ((ImageResponse((Image(url="http://h"),)),), "complete"),
        ((ToolCalls((ToolCall("1", "f", "{}"),)),), "complete"),
    ],
)
def test_an_answer_is_complete_only_if_the_server_said_so(
    events: tuple[Event, ...], state: str
) -> None:
    """A stream that breaks off quietly looks like a short answer unless it is marked."""
    draft = draft_of(*events)
    assert draft.answer().state == "streaming"
    draft.end()
    assert draft.answer().state == state


def test_snapshots_from_other_threads_lose_nothing() -> None:
    """The card draws and the store saves while the answer grows."""
    draft = Draft(provider="p", model="m")
    ended = threading.Event()
    wrong: list[str] = []
    pieces = [f"{number} " for number in range(20_000)]
    whole = "".join(pieces)

    def watch() -> None:
        length = 0
        while True:
            is_last = ended.is_set()
            answer = draft.answer()
            if not whole.startswith(answer.text) or len(answer.text) < length:
                wrong.append(answer.text[-50:])
            if answer.state == "complete" and answer.text != whole:
                wrong.append("called complete too early")
            length = len(answer.text)
            if is_last:
                return

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for piece in pieces:
        draft.add(piece)
    draft.add(FinishReason("stop"))
    draft.end()
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert draft.answer().text == whole


# Calls


def test_a_call_runs_by_itself_to_the_end(byte_server: StartServer) -> None:
    """The cell's thread only draws; the answer grows without it."""
    call = finished(started(byte_server(stream_script(["Hel", "lo"]))))
    answer = call.answer
    assert (answer.text, answer.state, answer.finish_reason) == ("Hello", "complete", "stop")
    assert answer.usage == Usage(3, 2)
    assert answer.request["messages"] == QUESTION
    assert call.failure is None
    assert call.changed.is_set()


def test_a_change_is_told_as_it_comes(byte_server: StartServer) -> None:
    """The card would show nothing before the end."""
    gate = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Hel")))
        assert exchange.wait(gate)
        exchange.send(chunked(delta("lo")))
        exchange.sleep(30)

    server = byte_server(script)
    call = started(server)
    seen = []
    while not call.answer.text:
        assert call.changed.wait(5)
        call.changed.clear()
    seen.append(call.answer.text)
    gate.set()
    assert call.changed.wait(5)
    seen.append(call.answer.text)
    assert seen == ["Hel", "Hello"]
    assert call.answer.state == "streaming"
    call.cancel()
    finished(call)


def test_a_stream_without_an_end_is_cut_off(byte_server: StartServer) -> None:
    """Half an answer must not pass for a whole one."""
    call = finished(started(byte_server(stream_script(["Half"], finish_reason=None))))
    assert (call.answer.text, call.answer.state) == ("Half", "cut off")
    assert call.failure is None


def test_cancelling_closes_the_connection_within_100_ms(byte_server: StartServer) -> None:
    """The stop button has to stop the bill, too."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Half")))
        exchange.sleep(30)

    server = byte_server(script)
    call = started(server)
    server.wait_for(lambda: call.answer.text)
    call.cancel()
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.1)
    assert finished(call).answer.text == "Half"
    assert (call.answer.state, call.failure) == ("interrupted", None)


def test_a_call_cancelled_at_once_is_finished_too(byte_server: StartServer) -> None:
    """Who waits for the end would wait for ever."""

    def script(exchange: Exchange) -> None:
        exchange.sleep(30)

    call = started(byte_server(script))
    call.cancel()
    assert finished(call).answer.state == "interrupted"


def test_a_pause_before_trying_again_can_be_seen_and_stopped(byte_server: StartServer) -> None:
    """A cell that waits a minute in silence looks frozen."""
    refusal = json_reply(429, {"error": {"message": "slow"}}, [("Retry-After", "60")])
    server = byte_server(lambda exchange: exchange.send(refusal))
    call = started(server)
    server.wait_for(lambda: call.answer.waiting)
    waiting = call.answer.waiting
    assert waiting is not None
    assert (waiting.seconds, "429" in waiting.reason) == (60, True)
    call.cancel()
    assert finished(call).answer.state == "interrupted"


def test_a_refusal_is_kept_for_the_one_who_waits(byte_server: StartServer) -> None:
    """An error in the background that nobody raises is an empty cell."""
    refusal = json_reply(401, {"error": {"message": "wrong key"}})
    call = finished(started(byte_server(lambda exchange: exchange.send(refusal))))
    assert isinstance(call.failure, ResponseError)
    assert (call.answer.state, call.answer.text) == ("failed", "")


def test_a_break_in_the_middle_keeps_the_half(byte_server: StartServer) -> None:
    """What had been paid for stays visible."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Half")))
        exchange.sleep(0.05)
        exchange.reset()

    call = finished(started(byte_server(script)))
    assert isinstance(call.failure, NetworkError)
    assert (call.failure.partial, call.answer.text) == ("Half", "Half")
    assert call.answer.state == "failed"


class Scripted:
    """A provider of a stranger."""

    name = "scripted"
    default_model = "own"

    def __init__(self, *steps: Event | Exception) -> None:
        self.steps = steps

    async def create_async_generator(
        self, model: str | None, messages: Any, **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the steps that are events, raise those that are errors."""
        del model, messages, params
        for step in self.steps:
            await asyncio.sleep(0)
            if isinstance(step, Exception):
                raise step
            yield step


def test_the_half_is_added_where_a_provider_forgot_it() -> None:
    """Plugins raise our errors without what had arrived."""
    provider = Scripted("Half", ResponseError("broke"))
    call = finished(start_call(provider, None, QUESTION))
    assert isinstance(call.failure, ResponseError)
    assert call.failure.partial == "Half"
    assert (call.answer.model, call.answer.provider) == ("own", "scripted")


def test_a_mistake_in_a_provider_is_handed_over_as_it_is() -> None:
    """A bug has to be seen as one, and the cell must end."""
    mistake = ZeroDivisionError("theirs")
    call = finished(start_call(Scripted("Half", mistake), None, QUESTION))
    assert call.failure is mistake
    assert (call.answer.text, call.answer.state) == ("Half", "failed")


def test_a_provider_that_fails_before_its_first_step_is_no_hang() -> None:
    """A plugin may check its arguments at once."""

    class Strict(Scripted):
        def create_async_generator(
            self, model: str | None, messages: Any, **params: Any
        ) -> AsyncGenerator[Event, None]:
            raise TypeError(model, messages, params)

    call = finished(start_call(Strict(), "m", QUESTION))
    assert isinstance(call.failure, TypeError)
