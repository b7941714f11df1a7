"""Candidates are tried in order, and nobody is asked again once something was shown."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import (
    DONE,
    END,
    chunked,
    delta,
    finish,
    free_port,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.events import HELLO, hear

from g4f_magic.errors import (
    G4FError,
    MissingAuthError,
    NetworkError,
    ProviderError,
    ResponseError,
    RetryNoProviderError,
    RetryProviderError,
    UsageError,
)
from g4f_magic.messages import FinishReason, ImageResponse, Reasoning, ToolCalls, Usage
from g4f_magic.providers import (
    OpenaiChat,
    OpenaiTemplate,
    Provider,
    RetryProvider,
    get_provider,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from support.byteserver import ByteServer, Exchange, Script
    from support.events import StartServer

    from g4f_magic.messages import Event, Message

SOON = [("retry-after-ms", "1")]


def busy(status: int = 503, message: str = "busy") -> Script:
    """A service that has no time now."""
    return lambda exchange: exchange.send(json_reply(status, {"error": {"message": message}}, SOON))


def stream(*events: bytes) -> Script:
    """A service that sends these events and ends well."""
    return lambda exchange: exchange.send(
        reply(200, b"".join(events) + finish() + DONE, "text/event-stream")
    )


def breaks_after(*events: bytes) -> Script:
    """A service that sends these events and then breaks the connection."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + b"".join(map(chunked, events)))
        exchange.reset()

    return script


def in_turn(*scripts: Script) -> Script:
    """A service that answers one request after the other with these; the last goes on."""
    left = list(scripts)

    def script(exchange: Exchange) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return script


def named(name: str, server: ByteServer, **attributes: Any) -> Provider:
    """A provider of this name at a server."""
    facts = {"name": name, "api_base": f"{server.url}/v1", **attributes}
    provider: type[OpenaiTemplate] = type(name, (OpenaiTemplate,), facts)
    return provider


def several(
    byte_server: StartServer, *scripts: Script, **options: Any
) -> tuple[RetryProvider, list[ByteServer]]:
    """Candidates a, b, c … with a server each, in this order unless told otherwise."""
    servers = [byte_server(script) for script in scripts]
    candidates = [named(name, server) for name, server in zip("abcd", servers, strict=False)]
    return RetryProvider(candidates, **{"shuffle": False, **options}), servers


def counts(servers: Sequence[ByteServer]) -> list[int]:
    """How often each was asked."""
    return [len(server.requests) for server in servers]


def last_name(retry: RetryProvider) -> str | None:
    """The name of who answered."""
    return retry.last_provider.name if retry.last_provider is not None else None


# --- a list ----------------------------------------------------------------------------------


def test_the_first_that_answers_is_heard_and_nobody_after_it(byte_server: StartServer) -> None:
    """Asking on would be paid for twice."""
    retry, servers = several(byte_server, busy(), stream(delta("hi")), stream(delta("ho")))
    heard = hear(retry)
    assert (heard.text, heard.error, counts(servers)) == ("hi", None, [1, 1, 0])
    assert last_name(retry) == "b"


@pytest.mark.parametrize(
    "first",
    [
        busy(400, "no such model"),
        busy(401, "bad key"),
        busy(429, "slow down"),
        stream(),
        stream(delta("", role="assistant"), delta(None)),
        stream(delta(None, reasoning_content="hm")),
        breaks_after(),
        breaks_after(delta(None, reasoning_content="hm")),
        stream(b'data: {"error": "overloaded"}\n\n'),
        lambda exchange: exchange.reset(),
        lambda exchange: exchange.send(reply(200, b"<html>login", "text/html")),
    ],
)
def test_every_failure_before_the_first_text_moves_on_at_once(
    byte_server: StartServer, first: Script
) -> None:
    """Each provider is tried once; the next one does not have to wait for it."""
    retry, servers = several(byte_server, first, stream(delta("hi")))
    heard = hear(retry)
    assert (heard.text, heard.error, heard.waits) == ("hi", None, [])
    assert (counts(servers), last_name(retry)) == ([1, 1], "b")
    assert heard.all_of(FinishReason) == [FinishReason("stop")]


def test_what_cannot_be_asked_at_all_is_passed_over(byte_server: StartServer) -> None:
    """A list with a provider whose key is missing still answers."""
    retry = RetryProvider([OpenaiChat, named("b", byte_server(stream(delta("hi"))))], shuffle=False)
    assert hear(retry).text == "hi"


def test_the_end_of_an_empty_answer_is_not_told(byte_server: StartServer) -> None:
    """Its usage and reason would be shown as those of the answer that follows."""
    first = stream(delta(None), finish("length", {"prompt_tokens": 1, "completion_tokens": 0}))
    retry, _ = several(byte_server, first, stream(delta("hi")))
    heard = hear(retry)
    assert heard.all_of(Usage) == []
    assert heard.all_of(FinishReason) == [FinishReason("stop")]


def test_all_failures_are_listed_in_order(byte_server: StartServer) -> None:
    """What to fix first stands first."""
    retry, _ = several(byte_server, busy(401, "bad key"), stream(), busy(500, "crash"))
    error = hear(retry).error
    assert isinstance(error, RetryProviderError)
    assert isinstance(error, RetryNoProviderError)
    assert str(error) == (
        "no provider answered (3 tries): a said 401 Unauthorized: bad key; "
        "b sent an empty answer; c said 500 Internal Server Error: crash"
    )
    assert [getattr(cause, "status", None) for cause in error.causes] == [401, 200, 500]
    assert retry.last_provider is None


def test_the_failure_of_the_only_one_is_its_own(byte_server: StartServer) -> None:
    """A list around it would hide status and hint."""
    retry, _ = several(byte_server, busy(401, "bad key"))
    error = hear(retry).error
    assert isinstance(error, ResponseError)
    assert (error.status, error.provider) == (401, "a")
    assert isinstance(hear(RetryProvider([OpenaiChat])).error, MissingAuthError)


def test_nobody_to_ask_is_an_error() -> None:
    """An empty answer would be a lie."""
    assert type(hear(RetryProvider([])).error) is RetryNoProviderError
    never = RetryProvider([OpenaiChat], single_provider_retry=True, max_retries=0)
    assert type(hear(never).error) is RetryNoProviderError
    with pytest.raises(RetryNoProviderError):
        RetryProvider([]).get_models()


def test_a_candidate_is_asked_once_what_its_models_are(byte_server: StartServer) -> None:
    """The next one would wait for the retries of a server that is not there."""
    retry, servers = several(byte_server, busy(), stream_script(["hi"], models=["m"]))
    assert hear(retry, None).text == "hi"
    assert counts(servers) == [1, 2]


def test_shuffling_leaves_the_callers_list_alone(byte_server: StartServer) -> None:
    """The next one to use the list counts on its order."""
    servers = [byte_server(stream(delta("hi"))) for _ in range(4)]
    mine = [named(name, server) for name, server in zip("abcd", servers, strict=True)]
    before = list(mine)
    retry = RetryProvider(mine)
    random.seed(7)
    order = []
    for _ in range(12):
        assert hear(retry).text == "hi"
        order.append(last_name(retry))
    assert mine == before
    assert list(retry.providers) == before
    assert len(set(order)) > 1


def test_without_shuffling_the_order_is_that_of_the_list(byte_server: StartServer) -> None:
    """The best stands first."""
    retry, servers = several(byte_server, stream(delta("hi")), stream(delta("ho")))
    for _ in range(5):
        assert hear(retry).text == "hi"
    assert counts(servers) == [5, 0]


def test_the_list_may_change_afterwards() -> None:
    """The provider keeps those it was made with."""
    mine: list[Provider] = [OpenaiChat]
    retry = RetryProvider(mine)
    mine.clear()
    assert retry.providers == (OpenaiChat,)


def test_models_are_those_of_all_who_list_any(byte_server: StartServer) -> None:
    """One that is down must not hide what the others have."""
    first, second = (byte_server(stream_script([], models=m)) for m in (["b", "a"], ["c", "a"]))
    dead = byte_server(lambda exchange: exchange.send(reply(404, b"no")))
    mine = [named(*pair) for pair in zip("abc", (first, dead, second), strict=True)]
    assert RetryProvider(mine).get_models() == ["a", "b", "c"]
    with pytest.raises(ResponseError, match="404"):
        RetryProvider(mine[1:2]).get_models()


# --- what was shown --------------------------------------------------------------------------


@pytest.mark.parametrize("single", [False, True])
def test_an_error_after_the_first_text_is_final_and_carries_it(
    byte_server: StartServer, *, single: bool
) -> None:
    """Halves of two answers glued together are worse than an error."""
    first = in_turn(breaks_after(delta("ha"), delta("lf")), stream(delta("other")))
    retry, servers = several(
        byte_server, first, stream(delta("other")), single_provider_retry=single
    )
    heard = hear(retry)
    assert isinstance(heard.error, NetworkError)
    assert (heard.text, heard.error.partial) == ("half", "half")
    assert (counts(servers), last_name(retry)) == ([1, 0], "a")


class Stranger:
    """A provider of somebody else's, which says this and then fails."""

    name = "stranger"
    default_model = ""

    def __init__(self, *events: Event, error: Exception) -> None:
        self.events = events
        self.error = error
        self.params: dict[str, Any] = {}

    async def create_async_generator(
        self,
        model: str | None,  # noqa: ARG002  # part of the interface
        messages: Sequence[Message],  # noqa: ARG002  # likewise
        **params: Any,
    ) -> AsyncGenerator[Event, None]:
        """Yield the events, then raise the error."""
        self.params = params
        for event in self.events:
            yield event
        raise self.error

    def get_models(
        self,
        api_key: str | None = None,  # noqa: ARG002  # part of the interface
        api_base: str | None = None,  # noqa: ARG002  # likewise
        timeout: float | None = None,  # noqa: ARG002  # likewise
    ) -> list[str]:
        """Return nothing."""
        return []


@pytest.mark.parametrize("shown", [ImageResponse(()), ToolCalls(()), "text"])
def test_a_picture_or_a_call_is_shown_as_a_text_is(shown: Event, byte_server: StartServer) -> None:
    """A tool that has run must not run again for another model."""
    error = ResponseError("broke")
    after = byte_server(stream(delta("hi")))
    first = Stranger(Reasoning("hm"), shown, error=error)
    heard = hear(RetryProvider([first, named("b", after)], shuffle=False))
    assert heard.error is error
    assert error.partial == ("text" if shown == "text" else "")
    assert counts([after]) == [0]


def test_an_error_that_is_not_the_other_sides_is_final_after_text_too() -> None:
    """It carries no text, and is not changed."""
    error = UsageError("broke")
    assert hear(RetryProvider([Stranger("text", error=error)])).error is error


def test_a_bug_in_a_provider_is_not_taken_for_a_refusal() -> None:
    """Moving on would hide it for ever."""
    with pytest.raises(ZeroDivisionError):
        hear(RetryProvider([Stranger(error=ZeroDivisionError()), OpenaiChat], shuffle=False))


def test_parameters_reach_the_candidates() -> None:
    """Only who tries again is decided here."""
    first = Stranger(error=G4FError("no"))
    params: dict[str, Any] = {"temperature": 0.5, "max_retries": 7}
    hear(RetryProvider([first]), **params)
    assert first.params == {"temperature": 0.5, "max_retries": 0}
    assert params["max_retries"] == 7


# --- one, again ------------------------------------------------------------------------------


def test_a_single_provider_is_tried_as_often_as_told(byte_server: StartServer) -> None:
    """Attempts are counted, not the tries after the first."""
    retry, servers = several(byte_server, busy(), busy(), single_provider_retry=True, max_retries=4)
    heard = hear(retry)
    assert isinstance(heard.error, RetryProviderError)
    assert len(heard.error.causes) == 4
    assert str(heard.error).count("a said 503") == 1
    assert counts(servers) == [4, 0]
    assert [wait.seconds for wait in heard.waits] == [0.001] * 3


def test_a_single_provider_is_heard_as_soon_as_it_answers(byte_server: StartServer) -> None:
    """The pauses between are said, with the reason."""
    script = in_turn(busy(), stream(), stream(delta("hi")))
    retry, servers = several(byte_server, script, single_provider_retry=True)
    heard = hear(retry)
    assert (heard.text, counts(servers), last_name(retry)) == ("hi", [3], "a")
    first, second = heard.waits
    assert (first.reason, first.seconds) == ("a said 503 Service Unavailable: busy", 0.001)
    assert second.reason == "a sent an empty answer"
    assert 0.5 <= second.seconds <= 1


def test_a_single_attempt_is_not_waited_after(byte_server: StartServer) -> None:
    """A pause after the last one would be for nothing."""
    retry, _ = several(byte_server, busy(), single_provider_retry=True, max_retries=1)
    heard = hear(retry)
    assert (heard.waits, isinstance(heard.error, ResponseError)) == ([], True)


@pytest.mark.parametrize(
    "script",
    [
        busy(400, "no such model"),
        busy(401, "bad key"),
        busy(404, "no such path"),
        busy(429, "insufficient_quota"),
        lambda exchange: exchange.send(reply(503, b"", headers=[("retry-after", "121")])),
    ],
)
def test_what_does_not_pass_soon_is_not_tried_again(
    byte_server: StartServer, script: Script
) -> None:
    """A wrong key stays wrong, and nobody waits for an hour unasked."""
    retry, servers = several(byte_server, script, single_provider_retry=True)
    heard = hear(retry)
    assert isinstance(heard.error, ResponseError)
    assert (heard.waits, counts(servers)) == ([], [1])


def test_a_missing_key_is_not_waited_for() -> None:
    """It does not appear by itself."""
    heard = hear(RetryProvider([OpenaiChat], single_provider_retry=True))
    assert isinstance(heard.error, MissingAuthError)
    assert heard.waits == []


def test_a_dead_server_is_tried_again() -> None:
    """It may just be starting."""
    dead = get_provider(f"http://127.0.0.1:{free_port()}")
    heard = hear(RetryProvider([dead], single_provider_retry=True, max_retries=2))
    assert isinstance(heard.error, RetryProviderError)
    assert [type(cause) for cause in heard.error.causes] == [NetworkError, NetworkError]
    assert len(heard.waits) == 1


# --- leaving ---------------------------------------------------------------------------------


def test_leaving_early_closes_the_candidate(byte_server: StartServer) -> None:
    """It would go on being generated and billed."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        while exchange.sleep(0.005):
            exchange.send(chunked(delta("x")))
        exchange.send(END)

    retry, (server,) = several(byte_server, script)

    async def glance() -> None:
        events = retry.create_async_generator("m", HELLO)
        async with aclosing(events):
            async for event in events:
                if event == "x":
                    return

    asyncio.run(glance())
    server.wait_for(lambda: server.exchanges[0].client_closed)


def test_an_interrupt_while_it_waits_ends_it(byte_server: StartServer) -> None:
    """■ must not have to wait for the pause, nor start another attempt."""
    retry, (server,) = several(
        byte_server,
        lambda exchange: exchange.send(reply(503, b"", headers=[("retry-after", "100")])),
        single_provider_retry=True,
    )

    async def stopped() -> str:
        events = retry.create_async_generator("m", HELLO)
        task = asyncio.create_task(_exhaust(events))
        await asyncio.to_thread(server.wait_for, lambda: server.requests)
        task.cancel()
        try:
            await asyncio.wait_for(task, 5)
        except asyncio.CancelledError:
            return "cancelled"
        return "went on"

    assert asyncio.run(stopped()) == "cancelled"
    assert counts([server]) == [1]


async def _exhaust(events: Any) -> None:
    async for _ in events:
        pass


def test_a_retry_provider_may_stand_in_a_list(byte_server: StartServer) -> None:
    """It is a provider as any other."""
    inner, servers = several(byte_server, busy(), busy())
    outer = RetryProvider([inner, named("z", byte_server(stream(delta("hi"))))], shuffle=False)
    assert (hear(outer).text, counts(servers)) == ("hi", [1, 1])
    assert (last_name(outer), inner.name) == ("z", "retry")


def test_a_failure_inside_keeps_its_kind() -> None:
    """The causes are our errors, with all they know."""
    errors = [ProviderError("one"), UsageError("two")]
    heard = hear(RetryProvider([Stranger(error=error) for error in errors], shuffle=False))
    assert isinstance(heard.error, RetryProviderError)
    assert list(heard.error.causes) == errors
