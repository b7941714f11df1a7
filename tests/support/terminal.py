"""A program in a real terminal: tmux draws what it writes and types what a person would."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.environment import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_HEIGHT = 40
_WIDTH = 100


class Terminal:
    """A running program, its keyboard and its screen."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self._command = command
        self._env = dict(env) | {"LC_ALL": "C.UTF-8"}
        self._cwd = cwd

    def __enter__(self) -> Terminal:
        """Starts the program in a tmux server of its own."""
        self._tmux_path = find_program("tmux", "tmux", reason="it plays the terminal")
        self._folder = tempfile.TemporaryDirectory(prefix="tmux-")  # a socket's path is short
        size = ["-x", str(_WIDTH), "-y", str(_HEIGHT)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, *self._command)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the program and its terminal."""
        self._tmux("kill-server")
        self._folder.cleanup()

    @property
    def title(self) -> str:
        """The title of the window, which a program can set by an escape sequence."""
        return self._tmux("display-message", "-p", "#{pane_title}").rstrip("\n")

    def screen(self, *, colours: bool = False) -> str:
        """All that was written, scrolled away or not; with ``colours`` as escape sequences."""
        options = ["-e"] if colours else []
        return self._tmux("capture-pane", "-p", "-S", "-", *options).rstrip()

    def type(self, *lines: str) -> None:
        """Types lines, each with its Enter."""
        for line in lines:
            if line:
                self._tmux("send-keys", "-l", "--", line)
            self.press("Enter")

    def press(self, key: str) -> None:
        """Presses a key, by tmux's name for it (``C-c``)."""
        self._tmux("send-keys", key)

    def wait_for(self, text: str, timeout_s: float = 30) -> str:
        """Returns the screen once it shows ``text``; `AssertionError` with it if never."""
        end = time.monotonic() + timeout_s
        pause = threading.Event()
        while text not in (shown := self.screen()):
            if time.monotonic() > end:
                message = f"{text!r} was not shown in {timeout_s} s:\n{shown}"
                raise AssertionError(message)
            pause.wait(0.05)
        return shown

    def _tmux(self, *arguments: str) -> str:
        command = [self._tmux_path, "-u", "-S", str(Path(self._folder.name) / "socket"), *arguments]
        done = subprocess.run(
            command, env=self._env, cwd=self._cwd, capture_output=True, text=True, check=True
        )
        return done.stdout
