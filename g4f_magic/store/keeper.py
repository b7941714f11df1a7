"""Keeps turns on disk from a thread of its own, so that no disk ever holds up an answer."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from ..errors import DamagedError, StoreError
from .database import BUSY_S
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..messages import Answer, Compared
    from .saved import SavedTurn

T = TypeVar("T")

BEGIN_WITHIN_S = 2.0
_GROWTH_S = 0.5  # so that all text is on disk before it is a second old
_RETRY_S = 5.0
_END_WITHIN_S = 2.0
_CALL_WITHIN_S = 10.0


class Kept:
    """A turn on its way to the disk; what the disk does with it never raises here."""

    def __init__(self, notebook: str, name: str, turn: SavedTurn, writer: _Writer) -> None:
        # Set when it is on disk, or that was given up for now.
        self.settled: threading.Event = threading.Event()
        self.is_over: bool = False
        self._where = notebook, name
        self._turn = turn
        self._writer = writer
        self._snapshot: Callable[[], tuple[Answer, Sequence[Compared]]] | None = None
        self._final: tuple[Answer, str, Sequence[Compared]] | None = None
        self._file_id: tuple[int, int] | None = None
        self._id = 0
        self._saved_at = 0.0
        self._grown = [("", "")]

    @property
    def id(self) -> int | None:
        """The turn's number once it is on disk, else None."""
        return self._id or None

    @property
    def due_at(self) -> float:
        """When to save it next, by the monotonic clock."""
        return self._saved_at + _GROWTH_S

    def begin(self) -> None:
        """Keep it from now on, with what it was told to follow, or its end.

        Returns when it is on disk; after two seconds, or if the disk fails, without.
        """
        self._writer.put(lambda: self._writer.take(self))
        if not self._writer.is_failing:
            self.settled.wait(BEGIN_WITHIN_S)

    def follow(self, snapshot: Callable[[], tuple[Answer, Sequence[Compared]]]) -> None:
        """Keep what the answer is so far, twice a second; asked for in the keeper's thread.

        Beside it stand all answers where several are compared, of which it is one.
        """
        self._snapshot = snapshot

    def finish(self, answer: Answer, error: str = "", compared: Sequence[Compared] = ()) -> None:
        """Keep the whole answer, as `Store.finish` does. Returns at once."""
        self._final = answer, error, compared
        self._writer.wake()

    def save(self, store: Store) -> None:
        """Bring the disk up to date; for the keeper's thread. Raises ``StoreError``."""
        file_id = store.database.file_id()
        if self._file_id != file_id:  # not yet there, or in a file that was set aside
            self._id = store.begin(*self._where, self._turn)
            self._file_id, self._grown = file_id, [("", "")]
            self.is_over = not self._turn.prompt or self._turn.answer is not None
        if self._final is not None:
            store.finish(self._id, *self._final)
            self.is_over = True
        elif time.monotonic() >= self.due_at:
            self._saved_at = time.monotonic()
            if self._snapshot is not None:
                self._grow(store, *self._snapshot())

    def _grow(self, store: Store, answer: Answer, compared: Sequence[Compared]) -> None:
        answers = [one.answer for one in compared] or [answer]
        grown = [(one.text, one.reasoning) for one in answers]
        if grown != self._grown:
            store.grow(self._id, answer, compared)
            self._grown = grown


class Keeper:
    """Keeps turns in the database at a path, which is not touched before the first turn.

    Without a path they are kept in memory.

    When the disk fails chatting goes on in memory: the trouble is in `news`, once, and what
    could not be written is tried again every few seconds, in order, and at the end. A
    damaged file is set aside and a new one begun. Everything here may be called from any
    thread, and in a forked child, which gets a thread of its own.
    """

    def __init__(self, path: Path | None, *, busy_s: float = BUSY_S) -> None:
        self._path = path
        self._busy_s = busy_s
        self._news: deque[str] = deque()
        # By process, because threads do not survive a fork.
        self._writers: dict[int, _Writer] = {}

    def prepare(self, notebook: str, name: str, turn: SavedTurn) -> Kept:
        """Return a turn whose request is about to leave; see `Kept.begin` and `Store.begin`."""
        timed = replace(turn, created_at=turn.created_at or time.time())
        return Kept(notebook, name, timed, self._writer())

    def begin(self, notebook: str, name: str, turn: SavedTurn) -> Kept:
        """Keep a turn from now on; returns as `Kept.begin` does."""
        kept = self.prepare(notebook, name, turn)
        kept.begin()
        return kept

    def start(self, action: Callable[[Store], object]) -> None:
        """Have something done, if the disk lets it, and return at once."""
        writer = self._writer()
        writer.put(lambda: writer.answer(action, Future()))

    def call(self, action: Callable[[Store], T], *, within_s: float = _CALL_WITHIN_S) -> T:
        """Return what an action on the store returns, after all that was kept before it.

        Raises what the action raises, and ``StoreError`` when the disk fails or takes longer.
        """
        future: Future[T] = Future()
        writer = self._writer()
        writer.put(lambda: writer.answer(action, future))
        try:
            if not writer.has_thread:
                message = f"{str(self._path)!r} cannot be used: no thread can be started"
                raise StoreError(message)
            return future.result(within_s)
        except FutureTimeoutError:
            message = f"{str(self._path)!r} is busy: nothing came back within {within_s:g} s"
            raise StoreError(message) from None
        finally:
            future.cancel()  # which, if it has not begun, is not wanted any more

    def news(self) -> list[str]:
        """Return the lines about the disk that nobody has asked for yet; each comes only once."""
        lines = []
        while self._news:
            lines.append(self._news.popleft())
        return lines

    def flush(self, within_s: float = _END_WITHIN_S) -> bool:
        """Write what is not on disk yet; tell within that time whether all of it is."""
        writer = self._writers.get(os.getpid())
        return writer is None or writer.flush(within_s)

    def close(self, within_s: float = _END_WITHIN_S) -> None:
        """Write what is not on disk yet and close the file, or give up after that time."""
        atexit.unregister(self.close)
        writer = self._writers.pop(os.getpid(), None)
        if writer is not None:
            writer.end(within_s)

    def _writer(self) -> _Writer:
        pid = os.getpid()
        if pid not in self._writers:
            fresh = _Writer(Store(self._path, busy_s=self._busy_s), self._news)
            if self._writers.setdefault(pid, fresh) is fresh:  # no lock, which a fork could inherit
                atexit.register(self.close)
        return self._writers[pid]


class _Writer:
    """The thread that does what a keeper is asked, one thing after the other."""

    def __init__(self, store: Store, news: deque[str]) -> None:
        self.is_failing = False
        self._store = store
        self._news = news
        self._said: set[str] = set()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._unsaved: list[Kept] = []
        self._retry_at = 0.0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def has_thread(self) -> bool:
        return self._thread is not None

    def put(self, job: Callable[[], None]) -> None:
        """Have a job done: at once, or where the system has no thread left, with a later one."""
        self._jobs.put(job)
        with self._starting:
            if self._thread is None:
                self._start()

    def wake(self) -> None:
        self.put(lambda: None)

    def flush(self, within_s: float) -> bool:
        done = threading.Event()

        def save_now() -> None:
            self._retry_at = 0.0
            self._save()
            done.set()

        self.put(save_now)
        return done.wait(within_s if self.has_thread else 0) and not self.is_failing

    def end(self, within_s: float) -> None:
        is_saved = self.flush(within_s)
        self._jobs.put(None)
        if is_saved and self._thread is not None:  # else it may wait for the disk for long
            self._thread.join(within_s)

    def take(self, kept: Kept) -> None:
        self._unsaved.append(kept)

    def answer(self, action: Callable[[Store], T], future: Future[T]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._attempt(action))
        except Exception as error:  # noqa: BLE001  # handed over to the one who waits
            future.set_exception(error)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="g4f_magic-keeper", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.is_failing = True
            self._say(f"Nothing can be kept: {error}. The conversation goes on in memory.")
        else:
            self._thread = thread

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._idle_s())
            except Empty:
                job = self._save
            if job is None:
                break
            job()
            self._save()
        self._store.close()

    def _idle_s(self) -> float | None:
        """Return how long there is nothing to do unless somebody asks; None means for ever."""
        if not self._unsaved:
            return None
        due_at = min(kept.due_at for kept in self._unsaved)
        return max(0.0, (self._retry_at if self.is_failing else due_at) - time.monotonic())

    def _save(self) -> None:
        """Bring the disk up to date with all turns under way, in order, as far as it takes them."""
        if not (self.is_failing and time.monotonic() < self._retry_at):
            try:
                for kept in self._unsaved:
                    self._bring_up_to_date(kept)
                    kept.settled.set()
                self.is_failing = False
            except StoreError as error:
                self._say(f"{error}. The conversation goes on in memory. {error.hint}".rstrip())
                self.is_failing = True
                self._retry_at = time.monotonic() + _RETRY_S
        for kept in self._unsaved:
            kept.settled.set()
        self._unsaved = [kept for kept in self._unsaved if not kept.is_over]

    def _bring_up_to_date(self, kept: Kept) -> None:
        """Save a turn, or let go of one that cannot be, so that those after it are kept."""
        try:
            self._attempt(kept.save)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # a plugin's events may hold anything
            kept.is_over = True
            self._say(f"A turn cannot be kept: {type(error).__name__}: {error}")

    def _attempt(self, action: Callable[[Store], T]) -> T:
        """Return what an action returns, with a new file if the old one is damaged."""
        try:
            return action(self._store)
        except DamagedError as error:
            aside = self._store.database.set_aside()
            where = f"is now {aside.name!r}" if aside else "was set aside"
            self._say(f"{error}. The damaged file {where}; a new one was begun.")
            return action(self._store)

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._news.append(line)
