"""The bytes of a chat-completions reply in, its JSON payloads out.

What arrives decides, not the content type: events, one JSON answer, or neither.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from ..sse import SseDecoder

if TYPE_CHECKING:
    from ..sse import ServerSentEvent

Payload: TypeAlias = dict[str, Any]

_JSON = json.JSONDecoder(strict=False)  # some servers leave control characters as they are
_BLANK = b"\xef\xbb\xbf \t\r\n"
_KEPT_BYTES = 64 * 1024


class PayloadReader:
    """Reads one reply.

    ``is_done`` tells that the server said ``[DONE]``, after which nothing counts;
    ``unreadable`` counts events that are broken JSON; ``seen`` holds the first
    bytes, for saying what came when nothing made sense.
    """

    def __init__(self) -> None:
        self.is_done: bool = False
        self.unreadable: int = 0
        self.seen: bytearray = bytearray()
        self._decoder: SseDecoder | None = None
        self._whole: bytearray | None = None

    def feed(self, chunk: bytes) -> list[Payload]:
        """Return the payloads that this chunk completes."""
        if len(self.seen) < _KEPT_BYTES:
            self.seen += chunk
        if self._decoder is not None:
            return self._from_events(self._decoder.feed(chunk))
        if self._whole is not None:
            self._whole += chunk
            return []
        start = chunk.lstrip(_BLANK)  # blank lines keep connections alive before an answer
        if not start:
            return []
        if start[:1] in {b"{", b"[", b"<"}:
            self._whole = bytearray(start)
            return []
        self._decoder = SseDecoder()
        return self._from_events(self._decoder.feed(start))

    def close(self) -> list[Payload]:
        """Return what the end of the reply completes."""
        events: list[ServerSentEvent] = []
        if self._whole is not None:
            if payload := _loaded(self._whole.decode("utf-8", "replace")):
                return [payload]
            if self._whole.startswith(b"{"):  # a bare line, and then events
                self._decoder = SseDecoder()
                events = self._decoder.feed(bytes(self._whole))
        if self._decoder is None:
            return []
        events += self._decoder.close()
        stray = [_loaded(line) for line in self._decoder.stray_lines]
        unreadable = self.unreadable  # what the reply ends in is cut off rather than broken
        payloads = self._from_events(events) + [p for p in stray if is_error(p)]
        self.unreadable = unreadable
        return payloads

    def _from_events(self, events: list[ServerSentEvent]) -> list[Payload]:
        payloads: list[Payload] = []
        for event in events:
            self.is_done = self.is_done or event.data.strip() == "[DONE]"
            if self.is_done:
                break
            payload = _loaded(event.data)
            self.unreadable += not payload and event.data.startswith('{"')
            if event.type == "error" and "error" not in payload:
                payload = {"error": payload or event.data or "no reason given"}
            if payload:
                payloads.append(payload)
        return payloads


def is_error(payload: Payload) -> bool:
    """Tell whether a payload reports an error; ``object`` is how FastChat and old vLLM do."""
    return bool(payload.get("error")) or payload.get("object") == "error"


def _loaded(text: str) -> Payload:
    """Return the JSON object in the text, or an empty one."""
    try:
        value = _JSON.decode(text)
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), {})
    return value if isinstance(value, dict) else {}
