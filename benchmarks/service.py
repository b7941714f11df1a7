"""A chat-completions service in a process of its own, so that its work is not the kernel's.

As a script it serves one scenario and says in JSON lines what happens and when:

    full                   the long answer, one write per token, as fast as it goes
    paced RATE TOKENS      so many tokens at so many a second, the first at once
    silent                 takes the request and says nothing
    busy SECONDS           503, with the request to come again after that time
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import places  # noqa: F401  # before the harness
from answer_text import answer_text, tokens
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    chunked,
    delta,
    finish,
    json_reply,
    sse_head,
)
from support.environment import clean_environment
from support.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from support.byteserver import Exchange

    Script = Callable[[Exchange], None]

START_TIMEOUT_S = 20.0


class Service:
    """The process with one scenario, while entered."""

    def __init__(self, *scenario: object) -> None:
        self._command = [sys.executable, str(Path(__file__)), *map(str, scenario)]

    def __enter__(self) -> Service:
        """Starts it and returns when it listens."""
        self._process = Process(self._command, clean_environment())
        self._process.wait_until(lambda: self._notes("listening"), START_TIMEOUT_S)
        self.base_url = f"http://127.0.0.1:{self._notes('listening')[0]['port']}/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self._process.stop()

    def times(self, what: str) -> list[float]:
        """When each ``request`` came or was ``closed``; `cells.set_up` checks that clocks agree."""
        return [note["at"] for note in self._notes(what)]

    def wait_for(self, what: str, number: int, timeout: float = 10.0) -> float:
        """The time of the n-th event of that name, from 1, once it has happened."""
        self._process.wait_until(lambda: len(self.times(what)) >= number, timeout)
        return self.times(what)[number - 1]

    def _notes(self, what: str) -> list[dict[str, Any]]:
        notes = [json.loads(line) for line in self._process.lines if line.startswith("{")]
        return [note for note in notes if note["what"] == what]


def full() -> Script:
    """The long answer at once."""
    head, *pieces = stream_bytes(tokens(answer_text()))

    def script(exchange: Exchange) -> None:
        exchange.send(head)
        for piece in pieces:
            exchange.send(piece)

    return script


def paced(rate: str, number: str) -> Script:
    """Tokens on time: what was late is not made up for by a pause."""
    head, *pieces = stream_bytes(tokens(answer_text())[: int(number)])

    def script(exchange: Exchange) -> None:
        start = time.perf_counter()
        exchange.send(head)
        for index, piece in enumerate(pieces):
            wait_s = start + index / float(rate) - time.perf_counter()
            if wait_s > 0 and not exchange.sleep(wait_s):
                return
            exchange.send(piece)

    return script


def silent() -> Script:
    """Not a byte."""

    def script(exchange: Exchange) -> None:
        exchange.sleep(60)

    return script


def busy(seconds: str) -> Script:
    """A refusal that passes."""
    refusal = json_reply(503, {"error": {"message": "full"}}, [("Retry-After", seconds)])

    def script(exchange: Exchange) -> None:
        exchange.send(refusal)

    return script


def stream_bytes(pieces: list[str]) -> list[bytes]:
    """The head, then each piece as it goes over the wire, then the end with the usage."""
    count = len(pieces)
    usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}
    head = sse_head() + chunked(delta("", role="assistant"))
    end = chunked(finish("stop", usage) + DONE) + END
    return [head, *(chunked(delta(piece)) for piece in pieces), end]


def watched(script: Script) -> Script:
    """The script, telling when a request came and when its client went away."""

    def watching(exchange: Exchange) -> None:
        note("request", at=exchange.request.at)
        try:
            script(exchange)
        finally:
            if exchange.client_closed:
                note("closed", at=exchange.closed_at)

    return watching


def note(what: str, **facts: Any) -> None:
    """Tells the process that started this one."""
    print(json.dumps({"what": what, **facts}), flush=True)


def serve(scenario: str, *arguments: str) -> None:
    """Serves until the process is ended."""
    scripts: dict[str, Callable[..., Script]] = {
        "full": full,
        "paced": paced,
        "silent": silent,
        "busy": busy,
    }
    with ByteServer(watched(scripts[scenario](*arguments))) as server:
        note("listening", port=server.port)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    serve(*sys.argv[1:])
