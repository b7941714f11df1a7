"""What a person sees when a service answers as no service should."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.byteserver import DONE, chunked, delta, finish, sse_head
from support.chat_bytes import head
from support.fault_notebook import ANSWER, CUT_OFF, PART, QUESTION, STOPPED, FaultNotebook
from support.fault_rows import (
    HALF,
    TEXT,
    WHOLE,
    endless,
    fault_row,
    framed,
    page,
    sends,
    stream,
    unframed,
    unharmed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.byteserver import Exchange
    from support.fault_rows import Script, StartServer
    from support.faults import Fault

GROUP = "Replies that are not as they should be"
GZIP = ("Content-Encoding", "gzip")

row = partial(fault_row, GROUP)
fine = partial(unharmed, GROUP)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultNotebook]:
    """A notebook for all rows of this module."""
    with FaultNotebook(tmp_path_factory.mktemp("notebook")) as running:
        yield running


def packed(body: bytes) -> bytes:
    """The body as gzip."""
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(body) + packer.flush()


def bomb(megabytes: int) -> bytes:
    """A packed answer that unfolds to so many megabytes of comments before its end."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(delta(TEXT))
    middle = b"".join(packer.compress(b":" + bytes(2**20) + b"\n") for _ in range(megabytes))
    return start + middle + packer.compress(finish() + DONE) + packer.flush()


def echoes(exchange: Exchange) -> None:
    """A script that sends the key back in a broken header."""
    key = exchange.request.headers["authorization"].encode()
    exchange.send(b"HTTP/1.1 200 OK\r\nAuthorization " + key + b"\r\n\r\n")
    exchange.close()


ROWS = [
    row(
        "A web page instead of an answer",
        page(200, "Sign in"),
        "ResponseError: … sent a web page instead of an answer: Sign in",
        QUESTION,
    ),
    row(
        "An empty answer",
        sends(stream(b"")),
        "ResponseError: … sent an empty answer",
        QUESTION,
    ),
    row(
        "Something else than HTTP",
        sends(b"-ERR unknown command 'POST'\r\n\r\n"),
        "NetworkError: … does not speak HTTP as it should: illegal status line",
        QUESTION,
    ),
    row(
        "The request's own headers come back, broken",
        echoes,
        "NetworkError: … does not speak HTTP as it should: illegal header line",
        QUESTION,
    ),
    row(
        "Headers without end",
        endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"),
        "NetworkError: … sent headers of more than 100 KB, which is the limit",
        QUESTION,
    ),
    row(
        "One header without end",
        endless(b"HTTP/1.1 200 OK\r\nX-More: ", b"x" * 1000),
        "NetworkError: … sent headers of more than 100 KB, which is the limit",
        QUESTION,
    ),
    fine(
        "3,000 headers",
        sends(
            head(200, "text/event-stream", [(f"X-{number}", "1") for number in range(3000)]), WHOLE
        ),
    ),
    row(
        "A Content-Length that is too small",
        sends(framed(len(delta(HALF)), delta(HALF) + delta(" and more") + finish() + DONE)),
        "cut off: the server never finished this answer",
        CUT_OFF,
        HALF,
    ),
    row(
        "A Content-Length that is too large, and half an answer",
        sends(framed(999_999, delta(HALF))),
        "NetworkError: … broke the connection: peer closed connection without sending …",
        PART,
        HALF,
    ),
    fine(
        "A Content-Length that is too large, and a whole answer",
        sends(framed(999_999, WHOLE)),
    ),
    row(
        "A Content-Length that is no number",
        sends(framed("many", WHOLE)),
        "NetworkError: … does not speak HTTP as it should: bad Content-Length",
        QUESTION,
    ),
    row(
        "Garbage between the chunks",
        sends(sse_head() + chunked(delta(HALF)), b"garbage\r\n"),
        "NetworkError: … does not speak HTTP as it should: illegal chunk header",
        PART,
        HALF,
    ),
    row(
        "Something that is called gzip and is not",
        sends(stream(WHOLE, GZIP)),
        "NetworkError: … sent something that cannot be decompressed",
        QUESTION,
    ),
    row(
        "A packed answer without its end",
        sends(unframed(packed(delta(HALF))[:-12], GZIP)),
        "ResponseError: … stopped after the first few bytes of an answer",
        QUESTION,
    ),
    row(
        "A packed answer that unfolds to 100 MB",
        sends(stream(bomb(100), GZIP)),
        "ResponseError: … sent more than 50 MB, which is the limit",
        PART,
        TEXT,
    ),
    row(
        "An event that is broken JSON among good ones",
        sends(stream(delta(HALF) + b'data: {"choices": [broken\n\n' + finish() + DONE)),
        "a piece of the answer arrived broken and cannot be shown",
        ANSWER,
        HALF,
    ),
    fine(
        "The same answer twice",
        sends(stream(WHOLE + WHOLE)),
    ),
    row(
        "Bytes that are no UTF-8",
        sends(stream(delta("café olé").replace("é".encode(), b"\xe9") + finish() + DONE)),
        "caf\ufffd ol\ufffd",
        ANSWER,
        "caf\ufffd ol\ufffd",
    ),
    fine(
        "A byte order mark before the answer",
        sends(stream(b"\xef\xbb\xbf" + WHOLE)),
    ),
    fine(
        "HTTP/1.0",
        sends(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n", WHOLE),
    ),
]


@pytest.mark.parametrize(("script", "text"), ROWS)
def test_a_reply_is_told_kept_and_got_over(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, script: Script, text: str
) -> None:
    """Whatever a service does, the cell says so, nothing is lost, and the next cell chats."""
    run = notebook.ask(byte_server(script).url)
    notebook.check(fault, run, text)
    assert len(str(run.error)) < 1_000


def for_ever(start: bytes, piece: bytes) -> Script:
    """A script that sends ``piece`` a hundred times a second for as long as somebody listens."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(start))
        while exchange.sleep(0.01):
            exchange.send(chunked(piece))

    return script


ENDLESS = [
    row(
        "An answer without end, until you press ■",
        for_ever(delta(HALF), delta(" and more")),
        "interrupted after … s",
        STOPPED,
        HALF,
    ),
    row(
        "A line without end, until you press ■",
        for_ever(delta(HALF) + b"data: ", b"x" * 1_000),
        "interrupted after … s",
        STOPPED,
        HALF,
    ),
]


@pytest.mark.parametrize(("script", "text"), ENDLESS)
def test_what_has_no_end_is_stopped_by_hand(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, script: Script, text: str
) -> None:
    """A model that repeats itself for ever must not take the notebook along."""
    server = byte_server(script)
    running = notebook.begin(server.url)
    running.until(lambda outputs: text in str(outputs))
    notebook.kernel.interrupt()
    notebook.check(fault, running.finish(), text)
    server.wait_for(lambda: server.exchanges[0].client_closed)
