"""Rows of docs/faults.md as parameters of a test, and scripts that inject what they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.byteserver import DONE, delta, finish, json_reply, reply
from support.chat_bytes import head
from support.fault_notebook import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange

    Script = Callable[[Exchange], None]
    StartServer = Callable[[Script], ByteServer]
    Header = tuple[str, str]

HALF = "The first half"
TEXT = "The whole answer."
#: The events of an answer.
WHOLE = delta(TEXT) + finish() + DONE


def fault_row(  # noqa: PLR0913, PLR0917  # the columns of a row
    group: str, injected: str, inject: object, sees: str, keeps: str, text: str = ""
) -> Any:
    """A row; the test gets what injects the fault, and the text that arrives in spite of it."""
    marker = pytest.mark.fault(group, injected, sees=sees, keeps=keeps)
    return pytest.param(inject, text, marks=marker, id=injected)


def unharmed(group: str, injected: str, inject: object) -> Any:
    """A row of a fault that costs nothing but time."""
    return fault_row(group, injected, inject, TEXT, ANSWER, TEXT)


def sends(*pieces: bytes) -> Script:
    """A script that sends these bytes and closes."""

    def script(exchange: Exchange) -> None:
        for piece in pieces:
            exchange.send(piece)
        exchange.close()

    return script


def in_turn(*scripts: Script) -> Script:
    """A script that answers each request by another script, then by the last of them."""
    left = list(scripts)

    def script(exchange: Exchange) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        answer(exchange)

    return script


def stream(body: bytes, *headers: Header) -> bytes:
    """A whole reply with a Content-Length."""
    return reply(200, body, "text/event-stream", headers)


def framed(size: object, body: bytes) -> bytes:
    """A reply whose Content-Length need not be true."""
    return head(200, "text/event-stream", [("Content-Length", str(size))]) + body


def unframed(body: bytes, *headers: Header) -> bytes:
    """A reply that only the end of the connection ends."""
    return head(200, "text/event-stream", [("Connection", "close"), *headers]) + body


def refuses(status: int, message: str, *headers: Header, **facts: str) -> Script:
    """A script that refuses, as OpenAI words it."""
    return sends(json_reply(status, {"error": {"message": message, **facts}}, headers))


def page(status: int, title: str) -> Script:
    """A script that sends a web page of 20 KB."""
    html = f"<!doctype html><html><head><title>{title}</title></head><body>".encode()
    return sends(reply(status, html + b"<p>x</p>" * 2_500, "text/html"))


def redirects(to: str) -> Script:
    """A script that sends everybody away, with the method and the body kept."""
    return sends(reply(307, b"", headers=[("Location", to)]))


def endless(start: bytes, piece: bytes) -> Script:
    """A script that sends ``piece`` for as long as somebody listens."""

    def script(exchange: Exchange) -> None:
        exchange.send(start)
        while True:
            exchange.send(piece)

    return script
