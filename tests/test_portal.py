"""Blocking code runs async work: from scripts, cells, threads and running loops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.byteserver import chunked, delta, sse_head, stream_script
from support.environment import clean_environment

from g4f_magic import portal
from g4f_magic.portal import Interrupts, run_outside, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]


async def double(number: int) -> int:
    """Twice the number, after giving way once."""
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    """Raises."""
    message = "on purpose"
    raise LookupError(message)


class Sleeper:
    """Work that goes on until it is cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.was_cancelled = threading.Event()

    async def sleep(self) -> None:
        """Waits, and notes a cancellation."""
        self.began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise


def run_code(code: str, *, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """A Python process that runs ``code``, with its output."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def never_ends(exchange: Exchange) -> None:
    """A script that says one word and then keeps the stream open."""
    exchange.send(sse_head() + chunked(delta("Hello")))
    exchange.sleep(30)


def test_a_plain_thread_gets_the_result() -> None:
    """A script has no loop, and should not need one."""
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(run_outside(double, 4)))
    thread.start()
    thread.join()
    assert (run_outside(double, 21), results) == (42, [8])


def test_a_running_loop_is_no_obstacle() -> None:
    """In a notebook a loop is always running; asyncio.run would refuse."""

    async def cell() -> int:
        return run_outside(double, 21)

    assert asyncio.run(cell()) == 42


def test_an_error_comes_out_as_it_went_in() -> None:
    """The caller's except clause has to match."""
    with pytest.raises(LookupError, match="on purpose"):
        run_outside(fail)


def test_all_work_runs_on_one_loop() -> None:
    """Connections are pooled per loop; many loops would mean many handshakes."""

    async def here() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
        return asyncio.get_running_loop(), threading.current_thread()

    places = {run_outside(here) for _ in range(3)}
    assert len(places) == 1
    assert next(iter(places))[1].daemon


def test_cancelling_the_future_cancels_the_work() -> None:
    """Otherwise a stopped cell goes on costing money."""
    sleeper = Sleeper()
    future = start(sleeper.sleep)
    assert sleeper.began.wait(5)
    future.cancel()
    assert sleeper.was_cancelled.wait(1)


def test_an_interrupt_cancels_the_work() -> None:
    """The stop button ends what the cell was waiting for, not only the waiting."""
    sleeper = Sleeper()

    def press() -> None:
        assert sleeper.began.wait(5)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_outside(sleeper.sleep)
    thread.join()
    assert sleeper.was_cancelled.wait(1)


def test_blocking_on_the_background_loop_is_refused() -> None:
    """A provider or tool that calls the blocking client would freeze every cell for ever."""

    async def nested() -> int:
        return run_outside(double, 1)

    with pytest.raises(RuntimeError, match="await the async form"):
        run_outside(nested)


def test_the_loop_outlives_work_that_tries_to_leave() -> None:
    """A plugin that calls sys.exit must not end all chatting until the kernel restarts."""

    async def leave() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        run_outside(leave)
    assert run_outside(double, 21) == 42


def test_work_cancelled_before_it_began_does_not_run_on() -> None:
    """Two presses of the stop button in a row must not leave a request behind."""
    sleepers = [Sleeper() for _ in range(20)]
    futures = [start(sleeper.sleep) for sleeper in sleepers]
    for future in futures:
        future.cancel()
    for sleeper in sleepers:
        assert sleeper.was_cancelled.wait(1)


def test_work_that_refuses_to_be_cancelled_hands_nothing_over() -> None:
    """A result that comes after a stop is nobody's."""
    began, ended = threading.Event(), threading.Event()

    async def stubborn(error: Exception | None) -> int:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if error is not None:
                raise error from None
            return 42
        finally:
            ended.set()
        return 0

    for error in (None, LookupError()):
        began.clear()
        ended.clear()
        future = start(stubborn, error)
        assert began.wait(5)
        future.cancel()
        assert ended.wait(1)
        assert run_outside(double, 1) == 2
        assert future.cancelled()


@pytest.mark.skipif(sys.platform == "win32", reason="limits on open files are Unix")
def test_a_loop_that_cannot_start_is_an_error_and_no_hang() -> None:
    """A kernel that has run out of files would wait for ever, without a word."""
    code = """
import os, resource
from g4f_magic.portal import run_outside, start

async def answer():
    return 42

free = os.open(os.devnull, os.O_RDONLY)
usual = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, usual[1]))
for ask in (run_outside, start):
    try:
        ask(answer)
    except OSError as error:
        print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_NOFILE, usual)
"""
    assert run_code(code).stdout.split() == ["OSError", "OSError"]


# Interrupts


def test_an_interrupt_is_only_noted_while_a_step_must_not_be_torn() -> None:
    """A KeyboardInterrupt in the middle of drawing or saving would leave a mess."""
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert not interrupts.arrived
        signal.raise_signal(signal.SIGINT)
        assert interrupts.arrived
    signal.signal(signal.SIGINT, before)


def test_an_impatient_second_press_is_part_of_the_first() -> None:
    """It would hit the kernel while it ends the cell, and leave it hanging."""
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)  # raises nothing
    signal.signal(signal.SIGINT, before)


def test_a_later_press_interrupts_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop button of the notebook would be dead for the rest of the session."""
    monkeypatch.setattr(portal, "_ONE_PRESS_S", 0.0)
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_handler_comes_back_after_an_error_too() -> None:
    """The stop button of the notebook would be dead for the rest of the session."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(LookupError), Interrupts():
        raise LookupError
    assert signal.getsignal(signal.SIGINT) is before


def test_code_that_is_not_ours_is_interrupted_by_a_signal_and_by_a_button() -> None:
    """A function that a model calls may hang, and it does not look whether somebody wants out."""
    before = signal.getsignal(signal.SIGINT)
    for press in (lambda _: signal.raise_signal(signal.SIGINT), click):
        with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
            hang(interrupts, press)
        assert interrupts.arrived
        signal.signal(signal.SIGINT, before)
    with Interrupts() as interrupts:
        interrupts.stop()
        with pytest.raises(KeyboardInterrupt), interrupts.raising():
            pytest.fail("it began after the stop")
    signal.signal(signal.SIGINT, before)


def hang(interrupts: Interrupts, press: Callable[[Interrupts], object]) -> None:
    """Wait for nothing, stopped by a press."""
    with interrupts.raising():
        press(interrupts)
        threading.Event().wait(30)


def click(interrupts: Interrupts) -> None:
    """Stop from another thread, as a button does."""
    threading.Thread(target=interrupts.stop).start()


def test_in_another_thread_signals_are_left_alone() -> None:
    """Only the main thread may set handlers; a chat in a thread must work all the same."""
    seen: list[object] = []

    def work() -> None:
        with Interrupts() as interrupts:
            seen.append((interrupts.arrived, signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


# Processes


def test_a_process_ends_at_once_with_a_stream_open(byte_server: StartServer) -> None:
    """Restarting a kernel or leaving a script must not wait for a model to finish."""
    server = byte_server(never_ends)
    code = f"""
from g4f_magic.client import Client
stream = Client(provider={server.url!r}).chat.completions.create(
    "m", [{{"role": "user", "content": "hi"}}], stream=True)
print(next(stream).choices[0].delta.content, flush=True)
"""
    began = time.perf_counter()
    done = run_code(code)
    assert (done.stdout, done.stderr, done.returncode) == ("Hello\n", "", 0)
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.2)
    assert time.perf_counter() - began < 5  # the import and start of Python included


def test_work_that_does_not_let_itself_be_cancelled_holds_up_the_end_only_shortly() -> None:
    """A plugin that swallows cancellations would keep a kernel alive."""
    code = """
import asyncio, time
from g4f_magic.portal import start

async def stubborn():
    print("began", flush=True)
    time.sleep(60)

start(stubborn)
time.sleep(0.2)
"""
    began = time.perf_counter()
    assert run_code(code).stdout == "began\n"
    assert time.perf_counter() - began < 10


def test_an_interrupted_script_stops_the_server_too(byte_server: StartServer) -> None:
    """Ctrl-C in a terminal, with a real signal to a real process."""
    server = byte_server(never_ends)
    code = f"""
from g4f_magic.client import Client
Client(provider={server.url!r}).chat.completions.create(
    "m", [{{"role": "user", "content": "hi"}}])
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    server.wait_for(lambda: server.exchanges, timeout=20)
    pressed_at = time.perf_counter()
    child.send_signal(signal.SIGINT)
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=2)
    _, errors = child.communicate(timeout=10)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert time.perf_counter() - pressed_at < 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_chats_and_ends(byte_server: StartServer) -> None:
    """Multiprocessing forks on Linux; the threads of the parent do not come along."""
    server = byte_server(stream_script(["Hel", "lo"]))
    open_stream = byte_server(never_ends)
    code = f"""
import os, sys, time, warnings
from g4f_magic.client import Client

def say(who):
    answer = Client(provider={server.url!r}).chat.completions.create(
        "m", [{{"role": "user", "content": "hi"}}])
    print(who, answer.choices[0].message.content, flush=True)

say("parent")
stream = Client(provider={open_stream.url!r}).chat.completions.create(
    "m", [{{"role": "user", "content": "hi"}}], stream=True)
next(stream)
warnings.simplefilter("ignore")  # Python 3.12 and later: that other threads run
child = os.fork()
if child == 0:
    say("child")
    stream.close()
    sys.exit(0)
began = time.perf_counter()
_, status = os.waitpid(child, 0)
print("ended", status, time.perf_counter() - began < 2)
say("parent")
"""
    done = run_code(code)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "parent Hello",
        "child Hello",
        "ended 0 True",
        "parent Hello",
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_the_loop_starts_leaves_a_child_that_chats() -> None:
    """A pool of processes made while another thread warms up would wait for ever."""
    code = """
import asyncio, os, signal, threading, warnings
from g4f_magic.portal import run_outside

async def answer():
    return 42

def slow_run(work):
    starting.set()
    forked.wait(10)
    return run(work)

starting, forked = threading.Event(), threading.Event()
run, asyncio.run = asyncio.run, slow_run
thread = threading.Thread(target=lambda: print("parent", run_outside(answer)))
thread.start()
starting.wait(10)
asyncio.run = run
warnings.simplefilter("ignore")  # Python 3.12 and later: that other threads run
child = os.fork()
if child == 0:
    signal.alarm(10)
    print("child", run_outside(answer), flush=True)
    os._exit(0)
os.waitpid(child, 0)
forked.set()
thread.join()
"""
    done = run_code(code)
    assert (done.stdout.split("\n"), done.stderr) == (["child 42", "parent 42", ""], "")


def test_waiting_is_done_in_short_steps() -> None:
    """On Windows a wait without a limit cannot be interrupted."""
    assert portal.WAIT_STEP_S <= 0.1
