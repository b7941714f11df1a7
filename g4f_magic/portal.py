"""Run async work from blocking code: one background loop for the whole process."""

from __future__ import annotations

import _thread
import asyncio
import atexit
import os
import signal
import threading
import time
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

T = TypeVar("T")

WAIT_STEP_S = 0.05
_STOP_WITHIN_S = 1.0
_ONE_PRESS_S = 1.0

# By process, because threads do not survive a fork, nor does who holds a lock.
_loops: dict[int, asyncio.AbstractEventLoop] = {}
_starting: dict[int, threading.Lock] = {}


def start(function: Callable[..., Awaitable[T]], *args: Any) -> Future[T]:
    """Start async work on the background loop; cancelling the future cancels the work."""
    future: Future[T] = Future()
    try:
        _hand_over(future, function, args)
    except BaseException:  # an interrupt; the work may have begun
        future.cancel()
        raise
    return future


def run_outside(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Return the result of async work, blocking; an interrupt cancels it.

    Raises ``RuntimeError`` when called on the background loop itself, which it
    would block for ever.
    """
    refuse_on_the_loop()
    future: Future[T] = Future()  # first of all: an interrupt may come before the work began
    try:
        _hand_over(future, function, args)
        while not future.done():
            wait([future], WAIT_STEP_S * 2)
        return future.result()
    except BaseException:
        future.cancel()
        raise


def refuse_on_the_loop() -> None:
    """Raise ``RuntimeError`` on the background loop, where waiting for it would never end."""
    if threading.current_thread().name == _thread_name():
        message = "blocking call on the background loop; await the async form instead"
        raise RuntimeError(message)


def explained(error: Exception) -> Exception:
    """Return the error, or ours where the system has started no thread for the work."""
    if not (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        return error
    hint = "the system allows this kernel no more: restart it, or end other programs"
    return NetworkError(f"nothing can be sent: {error}", hint=hint)


class Interrupts:
    """While entered, SIGINT sets ``arrived`` instead of raising in the middle of a step.

    An impatient second press within a second belongs to the first: it would hit the
    kernel while it ends the cell, which can leave it hanging (ipykernel 7.4). Only
    the main thread gets signals; elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.arrived: bool = False
        self._is_raising = False
        self._arrived_at = 0.0
        self._previous: Any = None

    def __enter__(self) -> Interrupts:
        """Take over SIGINT."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Give SIGINT back: at once, or after a press with the next one that is not part of it."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._after if self.arrived else self._previous)

    def stop(self) -> None:
        """Do what SIGINT does; from any thread."""
        if not self.arrived:
            self.arrived, self._arrived_at = True, time.monotonic()
        is_main = threading.current_thread() is threading.main_thread()
        if self._is_raising and self._previous is not None and not is_main:
            _signal_main_thread()

    @contextmanager
    def raising(self) -> Iterator[None]:
        """While entered, ``KeyboardInterrupt`` is raised: for code that is not ours."""
        self._is_raising = True
        try:
            if self.arrived:  # between two steps
                raise KeyboardInterrupt
            yield
        finally:
            self._is_raising = False

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()
        if self._is_raising:
            raise KeyboardInterrupt

    def _after(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._arrived_at > _ONE_PRESS_S:
            signal.signal(signal.SIGINT, self._previous)
            if callable(self._previous):
                self._previous(number, frame)


def _signal_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes it up, too, where it waits for the system
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _thread_name() -> str:
    return f"g4f_magic-{os.getpid()}"


def _hand_over(
    future: Future[T], function: Callable[..., Awaitable[T]], args: tuple[Any, ...]
) -> None:
    """Have the background loop do the work of a future; returns at once, however busy it is."""
    loop = _background_loop()

    async def work() -> None:
        task = asyncio.current_task()

        def follow(done: Future[T]) -> None:
            if task is not None and done.cancelled():
                with suppress(RuntimeError):  # the loop has ended, and the task with it
                    loop.call_soon_threadsafe(task.cancel)

        future.add_done_callback(follow)
        try:
            result = await function(*args)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001  # handed over to the one who waits
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            if future.set_running_or_notify_cancel():
                future.set_result(result)

    loop.call_soon_threadsafe(lambda: loop.create_task(work()))


def _background_loop() -> asyncio.AbstractEventLoop:
    process = os.getpid()
    with _starting.setdefault(process, threading.Lock()):
        if process not in _loops:
            _loops.clear()
            _loops[process] = _new_loop()
        return _loops[process]


def _new_loop() -> asyncio.AbstractEventLoop:
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stopped = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), stopped))
        await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(serve())  # which cancels at its end what still runs
        except Exception as error:
            if not ready.done():  # it did not start; handed over
                ready.set_exception(error)
            elif not isinstance(error, RuntimeError):  # Python 3.12 refuses, as a process ends,
                raise  # the thread that is to wait for the last names to be looked up

    thread = threading.Thread(target=run, daemon=True, name=_thread_name())
    try:
        thread.start()
    except RuntimeError as error:
        raise explained(error) from error
    loop, stopped = ready.result()
    atexit.register(_stop, loop, stopped, thread, os.getpid())
    return loop


def _stop(
    loop: asyncio.AbstractEventLoop, stopped: asyncio.Event, thread: threading.Thread, owner: int
) -> None:
    """Close what is open, but never hold up the end of the process."""
    if os.getpid() == owner:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(_STOP_WITHIN_S)
