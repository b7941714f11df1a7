"""What a person sees and keeps who presses ■, at each stage of a chat."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import pytest
from support.byteserver import chunked, delta, sse_head, stream_script
from support.faults import shown_by
from support.notebook import WHOLE, Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.byteserver import Exchange
    from support.cell_run import CellRun
    from support.faults import Fault
    from support.kernel import RunningCell

GROUP = "Interrupts"
NOTHING = "nothing; nothing was sent"
QUESTION = "your question, marked as interrupted"
SO_FAR = "your question and the text so far, marked as interrupted"
STOPPED = "Stopped after … s; what had arrived is kept."


def press(notebook: Notebook, running: RunningCell) -> CellRun:
    """Press ■, once more each second like a person, until the cell has ended.

    A press within a second of one before it counts as the same.
    """
    while not running.run.is_done:
        notebook.kernel.interrupt()
        with suppress(AssertionError):
            notebook.kernel.read_until(lambda: running.run.is_done, 1.0)
    assert running.run.error is not None
    assert len(running.run.error.traceback) == 1
    return running.run


@pytest.mark.fault(
    GROUP,
    "While a variable is put into the prompt",
    sees="Stopped; nothing was sent.",
    keeps=NOTHING,
)
def test_while_a_prompt_is_expanded(notebook: Notebook, fault: Fault) -> None:
    """A slow query in {{ }} is the notebook's own code, and must stop as it does in a cell."""
    notebook.run("import time")
    slow = "{{ print('begun') or time.sleep(60) }}"
    running = notebook.begin(stream_script([WHOLE]), slow)
    running.until(lambda outputs: "begun" in str(outputs))
    assert fault.is_seen_in(press(notebook, running))
    assert notebook.goes_on()
    assert not notebook.database.exists()


@pytest.fixture
def full_server() -> Iterator[int]:
    """The port of a server that takes no more connections, and refuses none either."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where Linux lets wait")
@pytest.mark.fault(GROUP, "While connecting", sees=STOPPED, keeps=QUESTION)
def test_while_connecting(notebook: Notebook, full_server: int, fault: Fault) -> None:
    """A firewall that swallows everything is the longest wait of all."""
    running = notebook.start(f"%%chat -p http://127.0.0.1:{full_server}/v1 -m m\nquestion")
    running.until(lambda outputs: outputs)
    assert fault.is_seen_in(press(notebook, running))
    assert notebook.goes_on()
    assert notebook.kept() == [("question", "", "interrupted")]


@pytest.mark.fault(GROUP, "While TLS is set up", sees=STOPPED, keeps=QUESTION)
def test_while_tls_is_set_up(notebook: Notebook, fault: Fault) -> None:
    """https:// to a server that speaks something else may wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = notebook.start(f"%%chat -p https://127.0.0.1:{port}/v1 -m m\nquestion")
        with closing(listener.accept()[0]) as connection:
            assert connection.recv(1 << 16)[:1] == b"\x16"  # the client's first word in TLS
            assert fault.is_seen_in(press(notebook, running))
    assert notebook.goes_on()
    assert notebook.kept() == [("question", "", "interrupted")]


@pytest.mark.fault(GROUP, "While an answer arrives at full speed", sees=STOPPED, keeps=SO_FAR)
def test_at_full_speed(notebook: Notebook, fault: Fault) -> None:
    """A local model that repeats itself without end has to be stopped at once."""

    def endless(exchange: Exchange) -> None:
        exchange.send(sse_head())
        while True:
            exchange.send(chunked(delta("word " * 20)))

    running = notebook.begin(endless)
    running.until(lambda outputs: "word" in str(outputs))
    run = press(notebook, running)
    assert fault.is_seen_in(run)
    assert "interrupted after" in run.markdown
    assert notebook.goes_on()
    notebook.reopen()
    [(_, text, state)] = notebook.kept()
    assert text.startswith("word word")
    assert state == "interrupted"


@pytest.mark.fault(
    GROUP,
    "While an answer that fits no --schema is asked for again",
    sees=STOPPED,
    keeps="your question and the first answer, marked as interrupted",
)
def test_while_an_answer_is_repaired(notebook: Notebook, fault: Fault) -> None:
    """The second request is one that nobody has typed, and costs as much."""
    notebook.run("import dataclasses\n@dataclasses.dataclass\nclass Person:\n    name: str")
    asked_again = threading.Event()

    def script(exchange: Exchange) -> None:
        if len(exchange.request.json["messages"]) == 1:
            stream_script(["no JSON"])(exchange)
        else:
            asked_again.set()
            exchange.sleep(60)

    running = notebook.begin(script, options="--schema Person")
    assert asked_again.wait(20)
    assert fault.is_seen_in(press(notebook, running))
    assert notebook.goes_on()
    notebook.reopen()
    assert notebook.kept() == [("question", "no JSON", "interrupted")]


@pytest.mark.fault(
    GROUP, "While the question waits for a locked database", sees=STOPPED, keeps=QUESTION
)
def test_while_the_disk_is_waited_for(notebook: Notebook, fault: Fault) -> None:
    """The lock of somebody else must not hold the cell against its owner's wish."""
    notebook.chat("before")
    with closing(sqlite3.connect(notebook.database, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        running = notebook.begin(stream_script([WHOLE]))
        running.until(lambda outputs: outputs)
        assert fault.is_seen_in(press(notebook, running))
    assert notebook.goes_on()
    notebook.reopen()
    assert notebook.kept()[1:] == [("question", "", "interrupted")]


@pytest.mark.fault(
    GROUP,
    "While %g4f_chats waits for a locked database",
    sees="Stopped; %g4f_chats shows what there is.",
    keeps="the conversation; what had begun may still be done when the lock ends",
)
def test_while_a_verb_waits_for_the_disk(notebook: Notebook, fault: Fault) -> None:
    """The lock of somebody else must not hold the cell, nor cost a page of our own code."""
    notebook.chat("one")
    notebook.chat("two")
    with closing(sqlite3.connect(notebook.database, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        running = notebook.start("%g4f_chats undo")
        with pytest.raises(AssertionError):  # it waits for the lock
            notebook.kernel.read_until(lambda: running.run.is_done, 0.5)
        assert fault.is_seen_in(press(notebook, running))
    assert notebook.goes_on()
    notebook.reopen()
    assert notebook.kept()[0] == ("one", WHOLE, "complete")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
@pytest.mark.fault(
    GROUP,
    "During an export",
    sees="Stopped; %g4f_chats shows what there is.",
    keeps="the conversation",
)
def test_during_an_export(notebook: Notebook, fault: Fault) -> None:
    """A network drive that does not answer holds whoever writes to it."""
    notebook.chat()
    pipe = notebook.home / "talk.md"
    os.mkfifo(pipe)  # which nobody reads
    running = notebook.start(f"print('begun')\n%g4f_chats export {pipe} --force")
    running.until(lambda outputs: "begun" in str(outputs))
    assert fault.is_seen_in(press(notebook, running))
    assert pipe.is_fifo()
    assert notebook.goes_on()


@pytest.mark.fault(GROUP, "Just after the cell has ended", sees=WHOLE, keeps="the whole answer")
def test_after_the_end(notebook: Notebook, fault: Fault) -> None:
    """A hand that is a moment too late must not cost the answer, or the cell after."""
    for _ in range(3):
        run = notebook.chat()
        notebook.kernel.interrupt()
        assert fault.is_seen_in(run)
        running = notebook.kernel.start("print('next')", may_abort=False)
        assert "next" in shown_by(running.finish()) or running.run.error is not None
    assert notebook.goes_on()
    assert notebook.kept() == [("question", WHOLE, "complete")] * 3
