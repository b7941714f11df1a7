"""The OpenAI-compatible server aimock, as a stranger's reading of the API.

Install it once with ``npm ci --prefix tests/support/node``. Fixtures are
described at https://aimock.copilotkit.dev/fixtures; what they can do here:

- ``match``: ``userMessage`` (a part of the last user message), ``model``,
  ``systemMessage``, ``sequenceIndex`` (0 for the first such request),
  ``turnIndex``, ``hasToolResult``, ``endpoint``; ``{}`` matches everything.
- ``response``: ``content``, ``reasoning``, ``toolCalls``, ``usage``,
  ``finishReason``; or ``error`` with ``status``.
- beside them ``latency`` (ms before each chunk), ``chunkSize``,
  ``truncateAfterChunks``, ``disconnectAfterMs`` (both break the connection;
  without some ``latency`` nothing of the answer leaves before) and
  ``chaos`` (``dropRate``: 500, ``malformedRate``: bad JSON, ``disconnectRate``).
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.environment import clean_environment, find_program, need
from support.process import Process, fetch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PROGRAM = Path(__file__).parent / "node" / "node_modules" / "@copilotkit" / "aimock"
LISTENING = re.compile(r"listening on (http://\S+)")


def answer(user_message: str, content: str, **beside: Any) -> dict[str, Any]:
    """The fixture that answers prompts containing ``user_message`` with ``content``."""
    return {"match": {"userMessage": user_message}, "response": {"content": content}, **beside}


class AimockServer:
    """A running aimock; ``url`` is its API base and ends in ``/v1``."""

    def __init__(self, fixtures: Sequence[dict[str, Any]], chunk_chars: int = 20) -> None:
        self.fixtures = list(fixtures)
        self.chunk_chars = chunk_chars
        self.url = ""

    def __enter__(self) -> AimockServer:
        """Starts it on a port of its own choice."""
        node = find_program("node", "node", reason="aimock is a JavaScript server")
        program = PROGRAM / "dist" / "cli.js"
        if not program.exists():
            need("aimock", "npm ci --prefix tests/support/node")
        self._folder = tempfile.TemporaryDirectory(prefix="aimock-")
        path = Path(self._folder.name) / "fixtures.json"
        path.write_text(json.dumps({"fixtures": self.fixtures}))
        command = [node, str(program), "-p", "0", "-f", str(path), "-c", str(self.chunk_chars)]
        self._process = Process(command, clean_environment())
        self._process.wait_until(self._address)
        self.url = f"{self._address()}/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the process."""
        self._process.stop()
        self._folder.cleanup()

    def journal(self) -> list[dict[str, Any]]:
        """What it was asked: ``path``, ``headers``, ``body``, ``response`` of each request."""
        entries: list[dict[str, Any]] = json.loads(fetch(f"{self._address()}/__aimock/journal"))
        return entries

    def _address(self) -> str:
        found = LISTENING.search("\n".join(self._process.lines))
        return found.group(1) if found else ""
