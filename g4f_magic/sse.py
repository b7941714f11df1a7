"""Bytes in, server-sent events out, by the WHATWG rules and with nothing lost.

Two things differ on purpose from a browser's reader, because answers matter
more than the letter (https://html.spec.whatwg.org/multipage/server-sent-events.html):
an event that the stream ends in is dispatched, and lines that are no field but
look like JSON are kept in ``stray_lines``, since servers write errors there.
"""

from __future__ import annotations

from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"
_STRAY_LINES = 8


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One framed message: its data, and its type (``message`` where none was given)."""

    data: str
    type: str = "message"


class SseDecoder:
    """Turns a byte stream, cut anywhere, into events.

    ``stray_lines`` holds the first few lines that were no field and began with
    a brace. A decoder serves one stream.
    """

    def __init__(self) -> None:
        self.stray_lines: list[str] = []
        self._unfinished: list[bytes] = []  # pieces of a line whose end has not come
        self._at_start = True
        self._after_cr = False
        self._data: list[str] = []
        self._type = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that this chunk completes."""
        if self._at_start and not (chunk := self._without_bom(chunk)):
            return []
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        if lines and self._unfinished:
            lines[0] = b"".join([*self._unfinished, lines[0]])
            self._unfinished.clear()
        if rest:
            self._unfinished.append(rest)
        return self._read(lines)

    def close(self) -> list[ServerSentEvent]:
        """Return the event that the stream ended in, if any."""
        last_line = b"".join(self._unfinished)
        self._unfinished.clear()
        return self._read([last_line, b""])

    def _without_bom(self, chunk: bytes) -> bytes:
        start = b"".join(self._unfinished) + chunk
        self._unfinished.clear()
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._unfinished.append(start)
            return b""
        self._at_start = False
        return start.removeprefix(_BOM)

    def _read(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events = []
        for line in lines:
            if line.startswith(b"data: "):  # nearly every line of every service
                self._data.append(line[6:].decode("utf-8", "replace"))
            elif line:
                self._read_field(line.decode("utf-8", "replace"))
            else:
                if self._data:
                    events.append(ServerSentEvent("\n".join(self._data), self._type or "message"))
                    self._data = []
                self._type = ""
        return events

    def _read_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif line.startswith("{") and len(self.stray_lines) < _STRAY_LINES:
            self.stray_lines.append(line)
