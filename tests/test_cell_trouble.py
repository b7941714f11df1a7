"""What a person sees and keeps when it goes wrong: clear lines, nothing lost, no key."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    Exchange,
    chunked,
    delta,
    finish,
    free_port,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.canary import canary, seen
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.cell_run import CellRun
    from support.faults import Fault

KEY = canary("what goes wrong")


@pytest.fixture(scope="module")
def chat() -> Iterator[Kernel]:
    """A kernel with the extension loaded, and a key to lose."""
    with Kernel(env={"G4F_API_KEY": KEY}) as running:
        assert running.run("%load_ext g4f_magic").error is None
        yield running


@pytest.fixture
def ask(chat: Kernel, byte_server: Callable[..., ByteServer]) -> Callable[..., CellRun]:
    """Asks a scripted service from a cell."""

    def run(script: Callable[[Exchange], None], prompt: str = "hi") -> CellRun:
        server = byte_server(script)
        return chat.run(f"%%chat --new -p {server.url}/v1 -m m --timeout 2\n{prompt}")

    return run


def fail_cleanly(run: CellRun, *said: str) -> None:
    """The one way to fail: an error of one or two lines that says it, and no key anywhere."""
    assert run.error is not None
    assert 1 <= len(run.error.traceback) <= 2
    for words in said:
        assert words in " ".join(run.error.traceback)
    assert not seen(KEY, str(run.messages))


def sending(data: bytes) -> Callable[[Exchange], None]:
    """A script that sends these bytes and no more."""
    return lambda exchange: exchange.send(data)


def test_a_dead_port_is_named(chat: Kernel) -> None:
    """A server that does not run is the most common fault of local models."""
    port = free_port()
    run = chat.run(f"%%chat --new -p http://127.0.0.1:{port}/v1 -m m\nhi")
    fail_cleanly(run, "cannot be reached", str(port), "is it running")


def test_a_wrong_key_is_named_and_not_shown(ask: Any) -> None:
    """Services quote the key they refuse; notebooks are shared."""
    said = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    fail_cleanly(ask(sending(json_reply(401, said))), "401", "check the key")


def test_a_model_that_does_not_exist_is_named(ask: Any) -> None:
    """A typo in the model's name should say so."""
    said = {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}
    fail_cleanly(ask(sending(json_reply(404, said))), "does not exist", "-m")


def test_a_web_page_is_not_dumped(ask: Any) -> None:
    """A login page of 200 KB is no answer and no error message."""
    page = b"<!doctype html><title>Sign in</title>" + b"<p>x</p>" * 20_000
    run = ask(sending(reply(200, page, "text/html")))
    fail_cleanly(run, "web page", "Sign in", "/v1")
    assert len(str(run.error)) < 1000


def test_binary_junk_is_no_answer(ask: Any) -> None:
    """A wrong port can answer anything; the kernel must not care."""
    run = ask(sending(reply(200, bytes(range(256)) * 100, "application/octet-stream")))
    fail_cleanly(run, "no answer")


def test_an_empty_answer_is_said(ask: Any) -> None:
    """Some servers answer a prompt that is too long with nothing at all."""
    fail_cleanly(ask(sending(reply(200, b"", "text/event-stream"))), "empty answer")


def test_a_cut_stream_keeps_what_arrived(ask: Any, chat: Kernel) -> None:
    """Half an answer is worth keeping, in the cell and in the conversation."""

    def cut(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("The first half")))
        exchange.reset()

    run = ask(cut)
    fail_cleanly(run, "broke the connection")
    assert "The first half" in run.markdown
    assert "broken off" in run.markdown
    assert "1 turn" in chat.run("%chat").text


def test_an_unfinished_answer_is_marked(ask: Any) -> None:
    """An answer that looks finished and is not misleads more than an error."""
    run = ask(stream_script(["half an ans"], finish_reason=None))
    assert run.error is None
    assert "cut off: the server never finished this answer" in run.markdown


HALF = r"\ud800"  # of a character, as JSON can spell it
CALL = {"function": {"name": "f", "arguments": f'{{"a": "{HALF}"}}'}, "id": "a", "index": 0}


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ("-m m", delta("hi") + finish().replace(b"stop", HALF.encode())),
        ("-m m -m b", delta("hi") + finish().replace(b"stop", HALF.encode())),
        ("-m m -f json", delta(f'{{"hi": "{HALF}"}}') + finish()),
        ("-m m --tools f --max-rounds 1", delta("hi", tool_calls=[CALL]) + finish("tool_calls")),
    ],
)
def test_half_a_character_costs_no_answer(
    chat: Kernel, byte_server: Callable[..., ByteServer], options: str, data: bytes
) -> None:
    """No message to a front end can carry one: the answer would end in a stack of Jupyter's."""
    chat.run('def f(a: str) -> str:\n    """Gives it back."""\n    return a')
    server = byte_server(sending(sse_head() + chunked(data + DONE) + END))
    run = chat.run(f"%%chat --alone -p {server.url}/v1 {options}\nhi")
    assert run.error is None
    assert "hi" in run.outputs[0]["data"]["text/plain"]


def test_a_silent_server_is_given_up(ask: Any) -> None:
    """Nobody should wait for ever; the error says how to wait longer."""
    fail_cleanly(ask(lambda exchange: exchange.sleep(30) and None), "nothing for 2 s", "--timeout")


def test_an_overloaded_server_is_waited_for_and_said(ask: Any) -> None:
    """A pause without a word looks like a hang."""
    state = {"asked": 0}

    def busy_once(exchange: Exchange) -> None:
        state["asked"] += 1
        if state["asked"] == 1:
            error = {"error": {"message": "slow down"}}
            exchange.send(json_reply(429, error, headers=[("Retry-After", "1")]))
        else:
            stream_script(["made it"])(exchange)

    run = ask(busy_once)
    assert run.error is None
    assert "made it" in run.markdown
    assert any("429" in str(m.content) and "again in" in str(m.content) for m in run.messages)


def test_a_prompt_of_two_megabytes_goes_through(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """People paste whole files."""
    server = byte_server(stream_script(["ok"]))
    chat.run("big = 'wörd {x} ' * 200_000")
    run = chat.run(f"%%chat --new -p {server.url}/v1 -m m\n{{{{ big }}}}")
    assert run.error is None
    assert len(server.requests[-1].json["messages"][-1]["content"]) == 1_800_000


def test_the_next_cell_runs_after_a_failure(ask: Any, chat: Kernel) -> None:
    """One failed request must not cost the session."""
    ask(sending(reply(200, b"junk")))
    assert ask(stream_script(["fine again"])).error is None
    assert chat.run("print(6 * 7)").text == "42\n"


def stalling(exchange: Exchange) -> None:
    """A script that never sends a byte."""
    exchange.sleep(60)


def drip(exchange: Exchange) -> None:
    """A script that writes a word every 20 ms, for a minute."""
    exchange.send(sse_head())
    for number in range(3000):
        exchange.send(chunked(delta(f"word{number} ")))
        if not exchange.sleep(0.02):
            return
    exchange.send(chunked(finish() + DONE) + END)


def busy(exchange: Exchange) -> None:
    """A script of a server that is overloaded for long."""
    exchange.send(json_reply(503, {"error": "busy"}, headers=[("Retry-After", "60")]))


def pressed(script: Callable[[Exchange], None], presses: int, when: str, keeps: str) -> Any:
    """A row about presses of ■ while a service does something."""
    sees = "Stopped after … s; what had arrived is kept."
    marks = pytest.mark.fault("Interrupts", when, sees=sees, keeps=keeps)
    return pytest.param(script, presses, id=f"{script.__name__}-{presses}", marks=marks)


QUESTION = "your question, marked as interrupted"
SO_FAR = "your question and the text so far, marked as interrupted"
TWICE = "Twice quickly, at any of these moments"


@pytest.mark.parametrize(
    ("script", "presses"),
    [
        pressed(stalling, 1, "While nothing of the answer has come yet", QUESTION),
        pressed(drip, 1, "Between two words of an answer", SO_FAR),
        pressed(busy, 1, "During the pause before it is tried again", QUESTION),
        pressed(stalling, 2, TWICE, "the same"),
        pressed(drip, 2, TWICE, "the same"),
        pressed(busy, 2, TWICE, "the same"),
    ],
)
def test_stop_closes_the_connection_and_leaves_one_line(
    chat: Kernel,
    byte_server: Callable[..., ByteServer],
    script: Callable[[Exchange], None],
    presses: int,
    fault: Fault,
) -> None:
    """A stopped answer must not go on being written, and billed, at the other end."""
    server = byte_server(script)
    running = chat.start(f"%%chat --new -p {server.url}/v1 -m m\nhi", cell_id="stopped")
    waiting = chat.start("print('not run')")
    server.wait_for(lambda: server.requests)
    running.until(lambda outputs: outputs)
    for _ in range(presses):
        chat.interrupt()
    run = running.finish(timeout=5)
    assert run.error is not None
    assert run.error.ename == "Stopped"
    assert len(run.error.traceback) == 1
    assert fault.is_seen_in(run)
    if script is not busy:
        server.wait_for(lambda: server.exchanges[0].client_closed, timeout=1)
    if script is drip:
        assert "word0" in run.markdown
        assert "interrupted after" in run.markdown
    assert "not run" not in waiting.finish(timeout=5).text
    assert chat.run("print('next')").text == "next\n"


def test_what_had_arrived_before_a_stop_is_sent_on(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """'Go on' after a stop only works if the half answer is part of the conversation."""
    server = byte_server(drip)
    running = chat.start(f"%%chat --new -p {server.url}/v1 -m m\nhi")
    running.until(lambda outputs: "word3" in str(outputs))
    chat.interrupt()
    running.finish(timeout=5)
    other = byte_server(stream_script(["ok"]))
    chat.run(f"%%chat -p {other.url}/v1 -m m\ngo on")
    assert "word0 word1" in other.requests[-1].json["messages"][1]["content"]


def ended(chat: Kernel, run: CellRun, within_s: float) -> bool:
    """Whether the cell has ended, or does so within some time."""
    with suppress(AssertionError):
        chat.read_until(lambda: run.is_done, within_s)
    return run.is_done


def test_a_conversation_that_is_too_long_says_how_to_send_less(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """Sooner or later every long notebook gets there."""
    server = byte_server(stream_script(["ok"]))
    chat.run(f"%%chat --new -p {server.url}/v1 -m m\none")
    chat.run(f"%%chat -p {server.url}/v1 -m m\ntwo")
    said = {"error": {"message": "maximum context length is 8192 tokens", "type": "invalid"}}
    full = byte_server(sending(json_reply(400, said)))
    run = chat.run(f"%%chat -p {full.url}/v1 -m m\nthree")
    assert run.error is not None
    assert "2 turns were sent" in run.error.traceback[-1]
    assert "--last N" in run.error.traceback[-1]


def test_how_often_it_is_tried_and_on_which_way(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """One call may need another proxy, or no patience."""
    server = byte_server(sending(json_reply(503, {"error": "busy"}, [("retry-after-ms", "1")])))
    for retries in (0, 3):
        before = len(server.requests)
        run = chat.run(f"%%chat --retries {retries} -p {server.url}/v1 -m m\nhi")
        assert run.error is not None
        assert len(server.requests) - before == 1 + retries
    proxy = f"http://me:hidden@127.0.0.1:{free_port()}"
    run = chat.run(f"%%chat --retries 0 --proxy {proxy} -p http://a.test/v1 -m m\nhi")
    assert "the proxy" in str(run.error)
    assert "hidden" not in str(run.outputs)


def test_an_interrupt_before_anything_is_asked_is_harmless(chat: Kernel) -> None:
    """■ is pressed at any moment, also while the cell is still starting."""
    for pause_s in (0.0, 0.002, 0.01, 0.03, 0.1):
        running = chat.start("%%chat --new -m demo-slow\nhi", may_abort=False)
        time.sleep(pause_s)
        chat.interrupt()
        for _ in range(3):
            if ended(chat, running.run, 1.5) or running.run.error is not None:
                break
            chat.interrupt()  # one that meets a kernel between two cells is lost, or the cell is
        assert running.run.error is not None or not running.run.is_done
    assert chat.run("print('alive')").text == "alive\n"


def test_a_verbose_traceback_shows_no_key(byte_server: Callable[..., ByteServer]) -> None:
    """%xmode Verbose prints the values of variables, and bug reports are public."""
    said = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    refusing = byte_server(sending(json_reply(401, said)))
    closing = byte_server(lambda exchange: exchange.reset())
    in_a_script = f"""
import os
from g4f_magic import Client
client = Client({refusing.url!r}, api_key=os.environ["G4F_API_KEY"])
client.chat.completions.create("m", [{{"role": "user", "content": "hi"}}])
"""
    with Kernel(env={"G4F_API_KEY": KEY, "OPENAI_API_KEY": KEY}) as kernel:
        kernel.run("%load_ext g4f_magic\n%xmode Verbose")
        cells = [
            f"%%chat -p {refusing.url}/v1 -m m\nhi",
            f"%%chat -p {closing.url}/v1 -m m --timeout 1\nhi",
            f"%%chat -p http://127.0.0.1:{free_port()}/v1 -m m\nhi",
            "%%chat -p nope\nhi",
            "%%chat -m demo:demo -p openai\nhi",
            in_a_script,
            "%env G4F_TIMEOUT=never\n%chat hi",
        ]
        for cell in cells:
            run = kernel.run(cell)
            assert run.error is not None, cell
            assert len(run.error.traceback) > 2, "this was to be verbose"
            shown = [message for message in run.messages if message.kind != "execute_input"]
            assert not seen(KEY, str(shown)), cell
