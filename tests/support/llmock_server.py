"""The server LLMock (PyPI ``llmock``), whose faults are ordered one by one over HTTP.

``make test`` installs its command in an environment of its own, since it brings
FastAPI and uvicorn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.environment import clean_environment, find_program, free_port
from support.process import Process, answers, fetch

if TYPE_CHECKING:
    from types import TracebackType


class LlmockServer:
    """A running LLMock; ``url`` is its API base and ends in ``/v1``."""

    def __init__(self) -> None:
        self.port = free_port()
        self._root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self._root}/v1"

    def __enter__(self) -> LlmockServer:
        """Starts it and returns when it answers."""
        program = find_program("llmock", "llmock", reason="make test installs it")
        command = [program, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = Process(command, clean_environment())
        self._process.wait_until(lambda: answers(f"{self._root}/_llmock/scenario"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the process."""
        self._process.stop()

    def order(self, *behaviors: dict[str, Any]) -> None:
        """Queues behaviours; each is used for one request unless ``times`` says more.

        ``{"type": "fail", "status": 429, "retry_after": 0.2}``, ``{"type": "reply", "text": …}``,
        ``{"type": "stream_fault", "kind": "disconnect"|"truncate"|"malformed"|"stall",
        "after_chunks": 3}``, ``{"type": "slow_first_token", "seconds": 2}``,
        ``{"type": "tool_fault", "kind": "malformed_arguments"|"unknown_tool"}``.
        """
        data = json.dumps({"behaviors": behaviors}).encode()
        fetch(f"{self._root}/_llmock/scenario", data, "POST")

    def requests(self) -> list[dict[str, Any]]:
        """Every request it served, oldest first."""
        journal: dict[str, Any] = json.loads(fetch(f"{self._root}/_llmock/requests"))
        return list(journal["requests"])

    def verdict(self) -> dict[str, Any]:
        """Its judgement of the client: retried too soon, say, or trusted a cut stream."""
        judged: dict[str, Any] = json.loads(fetch(f"{self._root}/_llmock/verdict"))
        return judged
