"""Load what the first chat needs while the kernel is idle, and never while it works."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IDLE_S = 0.3
_STEPS = (
    "anyio",
    "httpcore",
    "httpx",
    "markdown_it",
    "g4f_magic.settings.config",
    "g4f_magic.call",
    "g4f_magic.store.keeper",
    "g4f_magic.display.card",
    "g4f_magic.completion.completion",
)


class WarmUp:
    """Works through the imports in short steps, pausing whenever a cell runs.

    ``last`` is called at the end, in the thread of the warm-up.
    """

    def __init__(self, last: Callable[[], None] | None = None) -> None:
        self._last = last
        self._idle = threading.Event()
        self._working = threading.Lock()  # who holds it imports alone
        self._stopped = False
        self._thread: threading.Thread | None = None

    def cell_began(self, *_: object) -> None:
        """Pause, when the step under way is done.

        Two threads that import parts of one package at the same time can each wait for the
        other; Python then gives one of them a module that is half there.
        """
        self._idle.clear()
        with self._working:
            pass

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take no step while entered: for what imports between the cells."""
        was_idle = self._idle.is_set()
        self._idle.clear()
        with self._working:
            yield
        if was_idle:
            self._idle.set()

    def cell_ended(self, *_: object) -> None:
        """Go on, if the kernel stays idle for a moment."""
        self._idle.set()
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._run, name="g4f_magic-warmup", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take no further step."""
        self._stopped = True
        self._idle.set()

    def _run(self) -> None:
        steps = [*_STEPS]
        self._wait_until_quiet()
        while steps and not self._stopped:
            with self._working:
                if self._idle.is_set():
                    with suppress(Exception):  # the first chat will say so, where it can be read
                        import_module(steps.pop(0))
            if not self._idle.is_set():
                self._wait_until_quiet()
        if self._stopped:
            return
        with suppress(Exception):  # such as that a kernel which ends starts no threads
            self._make_client()
            if self._last is not None:
                self._last()

    def _wait_until_quiet(self) -> None:
        """Return when no cell has run for a moment."""
        quiet = threading.Event()
        while not self._stopped:
            self._idle.wait()
            quiet.wait(_IDLE_S)
            if self._idle.is_set():
                return

    def _make_client(self) -> None:
        from . import portal, transport

        portal.start(transport.warm_up)
