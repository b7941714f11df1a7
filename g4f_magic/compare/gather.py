"""Brings a grid to its end: what the cache has, then the rest asked for, and all of it kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..display.progress import open_progress
from ..limits import CACHE
from ..settings.settings import Settings
from ..store.keeper import Keeper
from ..store.store import default_path
from .grid import Grid, Targets
from .grid_cache import GridCache
from .tasks import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..display.progress import Progress
    from ..portal import Interrupts
    from .grid import Arrival
    from .tasks import Outcome, Pause, Task

_TICK_S = 0.05  # at most this much of what has arrived is lost where the process is killed
_CLOSE_WITHIN_S = 2.0
_RECALLED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Asking:
    """How grids are asked: see `grid.Grid`; with a cache, unless it is off, and a view of it.

    ``begin`` sends the tasks on their way: `grid.Grid`, or what takes the same elsewhere.
    """

    way: Mapping[str, Any]
    concurrency: int
    shell: Any
    is_cached: bool = True
    begin: Callable[..., Running] = Grid

    def gather(self, tasks: Sequence[Task], stop: Interrupts) -> list[Outcome]:
        """Return what came of the tasks, in any order; where it was stopped, of some of them.

        Raises ``UsageError`` for names that cannot be used, with nothing sent.
        """
        targets = Targets()
        for task in tasks:
            targets.of(task)

        def start(missing: Sequence[Task]) -> Running:
            told = {"concurrency": self.concurrency, "way": self.way, "targets": targets}
            return self.begin(missing, **told)

        view = open_progress(self.shell)
        if not self.is_cached:
            return Gathering(None, view, stop).run(tasks, start)
        limit = Settings().limit(CACHE)
        keeper = Keeper(default_path())
        try:
            cache = GridCache(keeper, targets, self.way, limit)
            return Gathering(cache, view, stop).run(tasks, start)
        finally:
            keeper.close()


class Running(Protocol):
    """Tasks under way somewhere; see `grid.Grid`."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will arrive than what can be taken now."""
        ...

    def arrived(self, within_s: float) -> list[Arrival]:
        """Return what has ended, each only once; waits as long, or until all has ended."""
        ...

    def pauses(self) -> list[Pause]:
        """Return who is being left alone."""
        ...

    def cancel(self) -> None:
        """End it early; returns at once."""
        ...


class Gathering:
    """Collects the outcomes of tasks, with a view of how far it is.

    ``cache`` may be None: then all is asked, and nothing kept.
    """

    def __init__(self, cache: GridCache | None, view: Progress, stop: Interrupts) -> None:
        self._cache = cache
        self._view = view
        self._stop = stop
        self._outcomes: list[Outcome] = []
        self._standing = Standing(0)

    def run(
        self, tasks: Sequence[Task], start: Callable[[Sequence[Task]], Running]
    ) -> list[Outcome]:
        """Return what came of the tasks, in any order; where it was stopped, of some of them."""
        self._outcomes, self._standing = [], Standing(len(tasks))
        missing = list(tasks) if self._cache is None else self._recalled(tasks, self._cache)
        if missing and not self._stop.arrived:
            self._ask(start(missing))
        trouble = self._cache.trouble if self._cache is not None else ""
        self._view.close(replace(self._standing, trouble=trouble))
        return self._outcomes

    def _recalled(self, tasks: Sequence[Task], cache: GridCache) -> list[Task]:
        """Take what the cache has; return what it has not."""
        missing: list[Task] = []
        for first in range(0, len(tasks), _RECALLED_AT_ONCE):
            if self._stop.arrived:
                break
            some = tasks[first : first + _RECALLED_AT_ONCE]
            for task, answer in zip(some, cache.recall(some), strict=True):
                if answer is None:
                    missing.append(task)
                else:
                    self._take([(task, task.outcome(replace(answer, cached=True)))])
            self._view.draw(self._standing)
        return missing

    def _ask(self, running: Running) -> None:
        close_at: float | None = None
        try:
            is_over = False
            while not is_over and (close_at is None or time.monotonic() < close_at):
                is_over = running.is_over  # before the last of it is taken
                arrivals = running.arrived(_TICK_S)
                if self._cache is not None:
                    self._cache.remember(arrivals)
                self._take(arrivals)
                self._view.draw(replace(self._standing, pauses=tuple(running.pauses())))
                if self._stop.arrived and close_at is None:
                    running.cancel()
                    close_at = time.monotonic() + _CLOSE_WITHIN_S
        finally:
            running.cancel()

    def _take(self, arrivals: Sequence[Arrival]) -> None:
        self._outcomes += [_compact(outcome) for _, outcome in arrivals]
        answers = [outcome.answer for _, outcome in arrivals]
        was = self._standing
        self._standing = replace(
            was,
            done=was.done + sum(answer.state != "interrupted" for answer in answers),
            failed=was.failed + sum(answer.state == "failed" for answer in answers),
            cached=was.cached + sum(answer.cached for answer in answers),
        )


def _compact(outcome: Outcome) -> Outcome:
    """Return it without what only the cache keeps: thousands stay in memory."""
    answer = outcome.answer
    usage = answer.usage and replace(answer.usage, raw={})
    return replace(outcome, answer=replace(answer, request={}, usage=usage))
