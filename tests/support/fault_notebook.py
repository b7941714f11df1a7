"""A notebook whose cells meet faults, and what is left of them on disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from support.byteserver import ByteServer, stream_script
from support.faults import shown_by
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from support.cell_run import CellRun
    from support.faults import Fault
    from support.kernel import RunningCell

KEY = "sk-canary-0123456789abcdef"

#: What the state of a turn on disk means to a person; see `FaultNotebook.check`.
QUESTION = "your question"
PART = "your question and the text so far"
CUT_OFF = "your question and the text so far, marked as cut off"
STOPPED = "your question and the text so far, marked as interrupted"
ANSWER = "the answer"


class FaultNotebook:
    """A kernel for a notebook that is kept on disk, with a key to lose."""

    def __init__(
        self, folder: Path, env: Mapping[str, str] | None = None, under: Sequence[str] = ()
    ) -> None:
        self._database = folder / "home" / "chats.db"
        own = {"G4F_HOME": str(folder / "home"), "JPY_SESSION_NAME": str(folder / "n.ipynb")}
        self.kernel = Kernel(env={**own, "G4F_API_KEY": KEY, **(env or {})}, under=under)
        self._healthy = ByteServer(stream_script(["all is well"]))
        self._cells = 0

    def __enter__(self) -> FaultNotebook:
        """Starts the kernel."""
        self._healthy.__enter__()
        self.kernel.__enter__()
        assert self.kernel.run("%load_ext g4f_magic").error is None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self.kernel.__exit__(kind, error, trace)
        self._healthy.__exit__(kind, error, trace)

    def begin(self, url: str, *options: str) -> RunningCell:
        """Send a cell that begins a conversation; ``options`` come after the usual ones.

        Nothing is sent twice unless they say so.
        """
        self._cells += 1
        usual = "--new -m m --retries 0 --timeout 20"
        code = f"%%chat {usual} -p {url}/v1 {' '.join(options)}\nhi"
        return self.kernel.start(code, cell_id=f"cell-{self._cells}", may_abort=False)

    def ask(self, url: str, *options: str) -> CellRun:
        """Run such a cell to its end."""
        return self.begin(url, *options).finish()

    def check(self, fault: Fault, run: CellRun, text: str = "", meanwhile: str = "") -> None:
        """Fail unless the cell shows what the row says, and all is as well as it can be.

        That is: ``text`` has arrived, is shown and kept; no key is to be seen; and the next
        cell goes on with what is kept. ``meanwhile`` is where the row's words were to be
        read, if not in the end.
        """
        assert fault.is_seen_in(meanwhile or run), meanwhile or shown_by(run)
        assert text in run.markdown
        assert KEY not in str([m for m in run.messages if m.kind != "execute_input"])
        assert run.error is None or 1 <= len(run.error.traceback) <= 2
        kept, state = self.last_turn()
        assert kept == text or (state == "interrupted" and kept.startswith(text))
        assert (run.error is None) is (state in {"complete", "cut off"})
        assert fault.keeps == self._told(kept, state)
        assert self._goes_on_with() == (["hi", kept] if kept else [])

    def last_turn(self) -> tuple[str, str]:
        """Text and state of the last turn on disk, once its end has been written there."""
        self._healthy.wait_for(lambda: self._last_row()[2] != "streaming")
        prompt, text, state = self._last_row()
        assert prompt == "hi"
        return text, state

    def _last_row(self) -> tuple[str, str, str]:
        with closing(sqlite3.connect(self._database)) as database:
            prompt, text, state = database.execute(
                "SELECT prompt, text, state FROM turns JOIN answers ON answers.id = turns.answer"
                " ORDER BY turns.id DESC LIMIT 1"
            ).fetchone()
        return prompt, text, state

    def _told(self, text: str, state: str) -> str:
        told = {"complete": ANSWER, "cut off": CUT_OFF, "interrupted": STOPPED, "failed": PART}
        return told[state] if text or state == "complete" else QUESTION

    def _goes_on_with(self) -> list[Any]:
        """Chat in the next cell; return what of the conversation before was sent along."""
        run = self.kernel.run(f"%%chat -m m -p {self._healthy.url}/v1\ngo on")
        assert run.error is None
        assert "all is well" in run.markdown
        *before, last = [m["content"] for m in self._healthy.requests[-1].json["messages"]]
        assert last == "go on"
        return before


def shown_meanwhile(run: CellRun) -> str:
    """All that was to be read below a cell at some time, whether it stayed or not."""
    datas = (message.content.get("data", {}) for message in run.messages)
    return "\n".join(str(data.get("text/markdown", "")) for data in datas)
