"""One execution of a cell: the messages it sent and what they come to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from support.outputs import Output, Outputs


@dataclass(frozen=True)
class Message:
    """One iopub message as it came over the wire."""

    kind: str
    content: dict[str, Any]
    metadata: dict[str, Any]
    #: ``time.perf_counter()`` when it was read.
    at: float
    #: All frames of it together.
    size_bytes: int
    #: Id of the request that it answers; empty for none.
    parent_id: str = ""


@dataclass(frozen=True)
class CellError:
    """The error output of a cell; the traceback may hold ANSI colours."""

    ename: str
    evalue: str
    traceback: list[str]


@dataclass(repr=False)
class CellRun:
    """A cell that runs or has run; complete once `is_done`."""

    message_id: str
    started_at: float = field(default_factory=time.perf_counter)
    messages: list[Message] = field(default_factory=list)
    reply: dict[str, Any] | None = None
    is_idle: bool = False
    folded: Outputs = field(default_factory=Outputs)
    finished_at: float | None = None

    def __repr__(self) -> str:
        """Tells a test that fails what the cell shows."""
        return f"<CellRun {self.text[-160:]!r} {self.error}>"

    def take(self, message: Message) -> None:
        """Adds one iopub message of this cell."""
        self.messages.append(message)
        self.folded.apply(message.kind, message.content)
        if message.kind == "status" and message.content["execution_state"] == "idle":
            self.is_idle = True

    @property
    def is_aborted(self) -> bool:
        """True when the kernel refused to run the cell because one before it had failed."""
        return self.reply is not None and self.reply.get("status") == "aborted"

    @property
    def is_done(self) -> bool:
        """True when both the reply and the idle status are here."""
        return self.is_idle and self.reply is not None

    @property
    def duration_s(self) -> float:
        """Seconds from sending the request to its end, or to now."""
        return (self.finished_at or time.perf_counter()) - self.started_at

    @property
    def iopub_bytes(self) -> int:
        """Everything the kernel published for this cell, headers included."""
        return sum(message.size_bytes for message in self.messages)

    @property
    def outputs(self) -> list[Output]:
        """What a front end shows, in nbformat's shape."""
        return self.folded.shown

    @property
    def markdown(self) -> str:
        """The ``text/markdown`` of all outputs, in order, joined."""
        datas = (output.get("data", {}) for output in self.outputs)
        return "".join("".join(data.get("text/markdown", "")) for data in datas)

    @property
    def text(self) -> str:
        """What was printed, to either stream."""
        return "".join(output["text"] for output in self.outputs if "text" in output)

    @property
    def result(self) -> dict[str, Any] | None:
        """The MIME bundle of ``Out[n]``, if the cell had a result."""
        results = [o for o in self.outputs if o["output_type"] == "execute_result"]
        return results[-1]["data"] if results else None

    @property
    def error(self) -> CellError | None:
        """The error output; the reply's error when it was cleared away."""
        for output in [*self.outputs, self.reply or {}]:
            if "ename" in output:
                return CellError(output["ename"], output["evalue"], output["traceback"])
        return None
