"""A chat-completions service in a process of its own, so that its work is not the kernel's.

As a script it serves one scenario and says in JSON lines what happens and when:

    full                   the long answer, one write per token, as fast as it goes
    paced RATE TOKENS      so many tokens at so many a second, the first at once
    silent                 takes the request and says nothing
    busy SECONDS           503, with the request to come again after that time
    as-asked               what the prompt says, in these words

Who does not ask for a stream gets the same answer whole, when its last token would have come.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count
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
from support.chat_bytes import completion, counted
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

    def closed_at(self, number: int, within_s: float) -> float | None:
        """When the client of the n-th request went away, from 1; ``None`` if it is still there."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            for note in self._notes("closed"):
                if note["number"] == number:
                    found: float = note["at"]
                    return found
            time.sleep(0.02)
        return None

    def _notes(self, what: str) -> list[dict[str, Any]]:
        notes = [json.loads(line) for line in self._process.lines if line.startswith("{")]
        return [note for note in notes if note["what"] == what]


def full() -> Script:
    """The long answer at once."""
    said = tokens(answer_text())
    head, *pieces = stream_bytes(said)
    at_once = whole(said)

    def script(exchange: Exchange) -> None:
        if not exchange.request.json.get("stream"):
            exchange.send(at_once)
            return
        exchange.send(head)
        for piece in pieces:
            exchange.send(piece)

    return script


def paced(rate: str, number: str) -> Script:
    """Tokens on time: what was late is not made up for by a pause."""
    said = tokens(answer_text())[: int(number)]
    head, *pieces = stream_bytes(said)
    late = whole(said)

    def script(exchange: Exchange) -> None:
        if not exchange.request.json.get("stream"):
            exchange.sleep(len(said) / float(rate))
            exchange.send(late)
            return
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


def whole(pieces: list[str]) -> bytes:
    """The answer that is not streamed."""
    return json_reply(200, completion("".join(pieces), usage=counted(len(pieces))))


def watched(script: Script) -> Script:
    """The script, telling when a request came and when its client went away."""
    numbers = count(1)

    def watching(exchange: Exchange) -> None:
        number = next(numbers)
        note("request", at=exchange.request.at, number=number)
        try:
            script(exchange)
        finally:
            if exchange.client_closed:
                note("closed", at=exchange.closed_at, number=number)

    return watching


def note(what: str, **facts: Any) -> None:
    """Tells the process that started this one."""
    print(json.dumps({"what": what, **facts}), flush=True)


def as_asked() -> Script:
    """The scenario that the last message names; each is prepared when it is first asked for."""
    prepared: dict[str, Script] = {}

    def script(exchange: Exchange) -> None:
        asked: str = exchange.request.json["messages"][-1]["content"]
        if asked not in prepared:
            prepared[asked] = play(*asked.split())
        prepared[asked](exchange)

    return script


def play(scenario: str, *arguments: str) -> Script:
    """The scenario of that name."""
    return SCENARIOS[scenario](*arguments)


SCENARIOS: dict[str, Callable[..., Script]] = {
    "full": full,
    "paced": paced,
    "silent": silent,
    "busy": busy,
    "as-asked": as_asked,
}


def serve(*scenario: str) -> None:
    """Serves until the process is ended."""
    with ByteServer(watched(play(*scenario))) as server:
        note("listening", port=server.port)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    serve(*sys.argv[1:])
