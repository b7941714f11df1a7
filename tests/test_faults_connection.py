"""What a person sees when a connection stalls, drips or breaks in the middle of an answer."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.byteserver import DONE, END, chunked, delta, finish, sse_head
from support.fault_notebook import ANSWER, CUT_OFF, PART, QUESTION, FaultNotebook, shown_meanwhile
from support.fault_rows import HALF, TEXT, WHOLE, fault_row, in_turn, sends, stream, unharmed
from support.toxic import ToxicProxy, cut, drip, late, stall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.byteserver import Exchange
    from support.fault_rows import Script, StartServer
    from support.faults import Fault
    from support.toxic import Poison

GROUP = "A connection that fails half-way"
START, REST, EMOJI = "The wh", "ole answer.", "🌊"
ALL = START + REST + EMOJI

row = partial(fault_row, GROUP)
fine = partial(unharmed, GROUP)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultNotebook]:
    """A notebook for all rows of this module."""
    with FaultNotebook(tmp_path_factory.mktemp("notebook")) as running:
        yield running


def answers(exchange: Exchange) -> None:
    """A script of a sound service, whose pieces come one by one."""
    exchange.send(sse_head())
    for text in (START, REST, EMOJI):
        exchange.send(chunked(delta(text)))
    exchange.send(chunked(finish(usage={"prompt_tokens": 3, "completion_tokens": 3})))
    exchange.send(chunked(DONE) + END)


HEAD, FIRST, SECOND, IN_EMOJI = b"HTTP/1.1", b"data: ", REST.encode(), EMOJI.encode()[2:]
GONE = "NetworkError: … broke the connection: Server disconnected without sending a response."
RESET = "NetworkError: … broke the connection: Connection reset by peer"
INCOMPLETE = "NetworkError: … broke the connection: peer closed connection without sending …"

CUTS = [
    row("The connection ends before the reply", cut(HEAD), GONE, QUESTION),
    row("It ends among the headers", cut(b"Transfer-"), GONE, QUESTION),
    row("It ends after the headers", cut(FIRST), INCOMPLETE, QUESTION),
    row("It ends in the middle of a piece", cut(SECOND), INCOMPLETE, PART, START),
    row("It ends in the middle of a character", cut(IN_EMOJI), INCOMPLETE, PART, TEXT),
    row("It ends in the figures after the answer", cut(b"completion_tokens"), TEXT, ANSWER, ALL),
    row("It ends before the last line, `[DONE]`", cut(DONE), TEXT, ANSWER, ALL),
    row("The connection is reset before the reply", cut(HEAD, reset=True), RESET, QUESTION),
    row("It is reset among the headers", cut(b"Transfer-", reset=True), RESET, QUESTION),
    row("It is reset after the headers", cut(FIRST, reset=True), RESET, QUESTION),
    row("It is reset in the middle of a piece", cut(SECOND, reset=True), RESET, PART, START),
    row("It is reset in the middle of a character", cut(IN_EMOJI, reset=True), RESET, PART, TEXT),
    row("It is reset before the last line, `[DONE]`", cut(DONE, reset=True), TEXT, ANSWER, ALL),
]


@pytest.mark.parametrize(("poison", "text"), CUTS)
def test_a_break_costs_no_text_that_had_arrived(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, poison: Poison, text: str
) -> None:
    """Half an answer is worth keeping, and half must not look like the whole."""
    with ToxicProxy(byte_server(answers).port, poison) as proxy:
        run = notebook.ask(proxy.url)
    notebook.check(fault, run, text)
    assert "arrived broken" not in run.markdown


SILENCE = "NetworkTimeoutError: … sent nothing for 0.5 s"
STALLS = [
    row("Silence instead of a reply", stall(HEAD, 30), SILENCE, QUESTION),
    row("Silence after the headers", stall(FIRST, 30), SILENCE, QUESTION),
    row("Silence in the middle of an answer", stall(SECOND, 30), SILENCE, PART, START),
]


@pytest.mark.parametrize(("poison", "text"), STALLS)
def test_silence_is_given_up_after_the_time_limit(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, poison: Poison, text: str
) -> None:
    """Nobody should wait for ever for a server that hangs."""
    with ToxicProxy(byte_server(answers).port, poison) as proxy:
        run = notebook.ask(proxy.url, "--timeout 0.5")
    notebook.check(fault, run, text)


SLOW = [
    row("Everything comes two seconds late", late(2), "waiting · … s", ANSWER, ALL),
    row("A pause before the answer", stall(FIRST, 1.5), "waiting · … s", ANSWER, ALL),
    row("A pause in the middle", stall(SECOND, 1.5), "writing · … s · about …", ANSWER, ALL),
    row("One byte at a time", drip(1, 0.0005), "writing · … s · about …", ANSWER, ALL),
    row("A narrow line: 1 KB/s", drip(100, 0.1), "writing · … s · about …", ANSWER, ALL),
]


@pytest.mark.parametrize(("poison", "text"), SLOW)
def test_a_slow_answer_is_waited_for_and_the_cell_says_so(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, poison: Poison, text: str
) -> None:
    """Whoever is patient must get the whole answer, and see that something happens."""
    with ToxicProxy(byte_server(answers).port, poison) as proxy:
        run = notebook.ask(proxy.url)
    assert run.error is None
    notebook.check(fault, run, text, shown_meanwhile(run))


@pytest.mark.fault(
    GROUP,
    "It ends before the answer does, without a word",
    sees="cut off: the server never finished this answer",
    keeps=CUT_OFF,
)
def test_an_answer_that_just_stops_is_marked(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer
) -> None:
    """HTTP cannot tell such an end from a good one; the missing `finish_reason` can."""
    server = byte_server(sends(stream(delta(HALF))))
    notebook.check(fault, notebook.ask(server.url), HALF)


def leaves(exchange: Exchange) -> None:
    """A script that hangs up when it is asked once more."""
    exchange.close()


def answers_and_leaves(exchange: Exchange) -> None:
    """A script that keeps the connection, and then closes it all the same."""
    exchange.send(stream(WHOLE))
    exchange.close()


def answers_and_stays(exchange: Exchange) -> None:
    """A script that keeps the connection."""
    exchange.send(stream(WHOLE))


STALE = [
    fine("The server closes the connection between two cells", [answers_and_leaves]),
    fine("It closes just when the next cell asks", [answers_and_stays, leaves]),
]


@pytest.mark.parametrize(("scripts", "text"), STALE)
def test_a_connection_that_died_between_two_cells_is_nobodys_failure(
    fault: Fault,
    notebook: FaultNotebook,
    byte_server: StartServer,
    scripts: list[Script],
    text: str,
) -> None:
    """The second cell of a quiet afternoon would fail for no reason that anybody can see."""
    server = byte_server(in_turn(*scripts, answers_and_stays))
    assert notebook.ask(server.url).error is None
    server.wait_for(server.exchanges[-1].done.is_set)
    notebook.check(fault, notebook.ask(server.url), text)
    assert server.connections == 2


@pytest.mark.fault(GROUP, "The server restarts between two cells", sees=TEXT, keeps=ANSWER)
def test_a_server_that_was_restarted_is_asked_like_any_other(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer
) -> None:
    """Local servers are restarted to load another model."""
    behind = byte_server(answers_and_stays)
    with ToxicProxy(behind.port) as proxy:
        assert notebook.ask(proxy.url).error is None
    again = socket.create_server(("127.0.0.1", proxy.port))
    with ToxicProxy(behind.port, listener=again) as proxy:
        notebook.check(fault, notebook.ask(proxy.url), TEXT)
