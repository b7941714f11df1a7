"""A server of other people as a child process that is surely ended."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: Goes past every proxy, also one set system-wide.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Process:
    """A running command whose output is collected in ``lines``."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.lines: list[str] = []
        self._command = command
        self._child = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in self._child.stdout or ():
                self.lines.append(line.rstrip())

    def wait_until(self, predicate: Callable[[], object], timeout: float = 30.0) -> None:
        """Returns when ``predicate()`` is true; `AssertionError` with the output if never."""
        end = time.monotonic() + timeout
        pause = threading.Event()
        while not predicate():
            if self._child.poll() is not None or time.monotonic() > end:
                log = "\n".join(self.lines[-30:])
                message = f"{self._command[0]} is not ready after {timeout} s:\n{log}"
                self.stop()
                raise AssertionError(message)
            pause.wait(0.02)

    def stop(self) -> None:
        """Ends the child, politely for three seconds."""
        self._child.terminate()
        try:
            self._child.wait(3)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(10)
        self._reader.join(5)
        if self._child.stdout is not None:
            self._child.stdout.close()


def fetch(url: str, data: bytes | None = None, method: str | None = None) -> bytes:
    """The body of a response of a local server, whatever proxies are set."""
    headers = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310
    with DIRECT.open(request, timeout=10) as response:
        body: bytes = response.read()
        return body


def answers(url: str) -> bool:
    """True when a GET of ``url`` succeeds."""
    try:
        fetch(url)
    except (OSError, urllib.error.URLError):
        return False
    return True
