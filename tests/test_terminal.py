"""Chatting in IPython's terminal, where there is nothing but text."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.byteserver import DONE, END, ByteServer, Exchange, chunked, delta, finish, sse_head
from support.environment import clean_environment
from support.terminal import Terminal

from g4f_magic.display.compare import TerminalColumns
from g4f_magic.display.terminal import TerminalCard
from g4f_magic.messages import Answer, Compared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

ROOT = Path(__file__).parent.parent
IPYTHON = [sys.executable, "-m", "IPython", "--no-banner"]
RED = "\x1b[31m"
MAGENTA_BACK = "\x1b[45m"


def environment(folder: Path) -> dict[str, str]:
    """What IPython starts with: a profile of its own, and the package of this tree."""
    return clean_environment() | {"IPYTHONDIR": str(folder), "PYTHONPATH": str(ROOT)}


def run(code: str, tmp_path: Path) -> str:
    """Run lines in terminal IPython; returns what it printed."""
    script = tmp_path / "session.ipy"
    script.write_text("%load_ext g4f_magic\n" + code)
    command = [*IPYTHON, "--colors=NoColor", str(script)]
    done = subprocess.run(
        command, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """IPython in a terminal, with the extension loaded."""
    with Terminal(IPYTHON, environment(tmp_path), cwd=tmp_path) as started:
        started.wait_for("In [1]:")
        started.type("%load_ext g4f_magic")
        started.wait_for("In [2]:")
        yield started


def test_a_line_end_in_two_pieces_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Each such line would end in a character that nobody wrote."""
    texts = ("one\r", "one\r\n", "one\r\ntwo\r", "one\r\ntwo\r\n")
    *growing, whole = (Answer(text=text, state="streaming") for text in texts)
    card, columns = TerminalCard(), TerminalColumns()
    for answer in growing:
        card.draw(answer)
    card.close(replace(whole, state="complete"))
    for answer in growing:
        columns.draw([Compared("a", answer)])
    columns.close([Compared("a", replace(whole, state="complete"))])
    printed = capsys.readouterr().out
    assert printed.count("one\ntwo\n") == 2
    assert "\ufffd" not in printed


def test_the_answer_is_printed_once(tmp_path: Path) -> None:
    """The terminal gets plain text, as it comes."""
    printed = run("%chat Hello\n", tmp_path)
    assert printed.count("not a language model") == 1
    assert "tokens/s" in printed
    assert "<small>" not in printed


def test_escape_sequences_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """A model could otherwise clear the screen, or write into the title bar."""
    printed = run("word = 'red \\x1b[31m fox'\n%chat tell {{ word }}\n", tmp_path)
    assert "\x1b[31m" not in printed
    assert "fox" in printed


def test_an_error_is_two_lines(tmp_path: Path) -> None:
    """No stack in a terminal either."""
    printed = run("%chat -m demo-error 401\n", tmp_path)
    assert "401" in printed
    assert "Traceback" not in printed


def test_an_answer_is_read_while_it_comes_and_stopped_by_ctrl_c(terminal: Terminal) -> None:
    """A wrong turn of a long answer is left with the key that leaves everything else."""
    terminal.type("%%chat -m demo-slow", "Explain a p-value,", "please", "", "")
    assert "In [3]:" not in terminal.wait_for("not a language model")
    terminal.press("C-c")
    shown = terminal.wait_for("In [3]:")
    assert shown.count("Stopped after") == 1
    assert "Traceback" not in shown
    assert "KeyboardInterrupt" not in shown
    terminal.type("6 * 7")
    assert "42" in terminal.wait_for("In [4]:")


def test_an_error_stands_out_by_its_colour(terminal: Terminal) -> None:
    """Among lines of text an error is overlooked."""
    terminal.type("%chat -m demo-error 401")
    terminal.wait_for("In [3]:")
    assert f"{RED}ResponseError" in terminal.screen(colours=True)


def test_the_figures_stand_below_the_answer(terminal: Terminal, byte_server: StartServer) -> None:
    """Glued to its last word they look like a part of it."""
    is_seen = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("the last word")))
        exchange.wait(is_seen)
        exchange.send(chunked(finish() + DONE) + END)

    terminal.type(f"%chat -p {byte_server(script).url}/v1 -m m hi")
    terminal.wait_for("the last word")
    is_seen.set()
    assert "the last word\n\nm · " in terminal.wait_for("In [3]:")


def test_the_result_is_kept_without_a_word(terminal: Terminal) -> None:
    """An empty ``Out[2]:`` under each answer looks like something missing."""
    terminal.type("%%chat", "Hello", "", "")
    terminal.wait_for("In [3]:")
    terminal.type("%chat Hello")
    assert "Out[" not in terminal.wait_for("In [4]:")
    terminal.type("Out[3] is _, 'language model' in Out[2].text")
    terminal.wait_for("(True, True)")
    terminal.type("answer = %chat Hello")
    terminal.wait_for("In [6]:")
    terminal.type("'language model' in answer.text")
    terminal.wait_for("Out[6]: True")


def test_several_answers_are_read_one_after_the_other(terminal: Terminal) -> None:
    """There are no columns in a terminal; an empty Out would stand below them."""
    terminal.type("%chat -m demo -m demo-reasoning What is 1 + 2?")
    shown = terminal.wait_for("In [3]:")
    assert "── demo-reasoning ──" in shown
    assert "first token" in shown
    assert "Out[2]" not in shown
    terminal.type("_.keep('demo-reasoning'); _.kept.model")
    assert "'demo-reasoning'" in terminal.wait_for("In [4]:")


def test_a_model_does_not_drive_the_terminal(terminal: Terminal, byte_server: StartServer) -> None:
    """Escape sequences wipe the screen, name the window, or write over what stood there."""
    hostile = ("\x1b]0;taken\x07", "\x1b[2J\x1b[H", f"{MAGENTA_BACK}red", "\rover", "\x9b45mred")

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for text in ("stands ", *hostile, " done"):
            exchange.send(chunked(delta(text)))
        exchange.send(chunked(finish() + DONE) + END)

    title = terminal.title
    terminal.type(f"%chat -p {byte_server(script).url}/v1 -m m hi")
    shown = terminal.wait_for("In [3]:")
    assert "%load_ext" in shown
    assert "stands" in shown
    assert "done" in shown
    assert terminal.title == title
    assert MAGENTA_BACK not in terminal.screen(colours=True)


def test_code_is_the_next_input_and_is_not_run(
    terminal: Terminal, byte_server: StartServer
) -> None:
    """It stands behind the prompt, to be changed, taken with a key or deleted."""
    code = "```python\nprint('run' * 3)\n```"

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(code) + finish() + DONE) + END)

    terminal.type(f"%chat -p {byte_server(script).url}/v1 -m m -f code hi")
    shown = terminal.wait_for("In [3]: print('run' * 3)")
    assert "the code is in the cell below" not in shown
    assert "the code is the next input" in shown
    assert "runrunrun" not in shown
