"""A notebook with a data folder of its own, in a kernel that several tests share."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from support.byteserver import DONE, END, chunked, delta, finish, sse_head, stream_script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.byteserver import ByteServer, Exchange
    from support.cell_run import CellRun
    from support.kernel import Kernel, RunningCell

    Script = Callable[[Exchange], None]
    StartServer = Callable[[Script], ByteServer]

WHOLE = "The whole answer."
TURNS = """SELECT prompt, text, state FROM turns JOIN answers ON answers.id = turns.answer
    ORDER BY turns.conversation, position"""


class Halves:
    """A script that sends one half, waits for ``gate``, and sends the other."""

    def __init__(self, first: str = "The whole ", second: str = "answer.") -> None:
        self.halves = first, second
        self.gate = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        """Speak to one request."""
        first, second = self.halves
        exchange.send(sse_head() + chunked(delta(first)))
        exchange.wait(self.gate)
        exchange.send(chunked(delta(second) + finish() + DONE) + END)


class Notebook:
    """A notebook in a kernel: chats with scripted services, and what is kept of that."""

    def __init__(self, kernel: Kernel, folder: Path, start_server: StartServer) -> None:
        self.kernel = kernel
        self.home = folder / "home"
        self.database = self.home / "chats.db"
        self._start_server = start_server
        self._cells = 0
        self._names = {"G4F_HOME": str(self.home), "JPY_SESSION_NAME": str(folder / "n.ipynb")}
        self.reopen()

    def reopen(self) -> None:
        """Close what the notebook has open, and begin again, in another process if there is one."""
        code = f"__import__('os').environ.update({self._names!r})\n%reload_ext g4f_magic"
        assert self.run(code).error is None

    def run(self, code: str) -> CellRun:
        """Run a new cell to its end."""
        self._cells += 1
        return self.kernel.run(code, f"cell {self._cells}")

    def start(self, code: str) -> RunningCell:
        """Send a new cell, and do not wait for its end."""
        self._cells += 1
        return self.kernel.start(code, f"cell {self._cells}", may_abort=False)

    def asking(self, script: Script, prompt: str = "question", options: str = "") -> str:
        """The code of a cell that asks a scripted service."""
        url = self._start_server(script).url
        return f"%%chat -p {url}/v1 -m m {options}\n{prompt}"

    def chat(
        self, prompt: str = "question", script: Script | None = None, options: str = ""
    ) -> CellRun:
        """Ask a service, which gives the whole answer unless it is told otherwise."""
        return self.run(self.asking(script or stream_script([WHOLE]), prompt, options))

    def begin(self, script: Script, prompt: str = "question", options: str = "") -> RunningCell:
        """Ask a service in a new cell, and do not wait for the answer."""
        return self.start(self.asking(script, prompt, options))

    def begin_half(self, script: Halves, prompt: str = "question") -> RunningCell:
        """Ask a service in a new cell, and return when half of the answer is seen."""
        running = self.begin(script, prompt)
        running.until(lambda outputs: script.halves[0].strip() in str(outputs))
        return running

    def kept(self) -> list[tuple[str, str, str]]:
        """Prompt, text and state of all turns on disk, in order, in a sound database."""
        with closing(sqlite3.connect(self.database)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return database.execute(TURNS).fetchall()

    def goes_on(self) -> bool:
        """Whether the kernel runs another cell, and gets an answer in one more."""
        is_running = self.run("print(6 * 7)").text == "42\n"
        run = self.chat("and now?", options="--alone")
        return is_running and run.error is None and WHOLE in run.markdown
