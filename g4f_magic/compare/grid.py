"""Asks many things at once, but only so many of each service, and hands over what comes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict, deque
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import portal
from ..call import Draft, picture_fetcher
from ..errors import MissingAuthError, error_line
from ..messages import ImageResponse, Waiting
from ..settings.config import Target, target
from ..transport import LONGEST_PAUSE_S
from .tasks import Pause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..messages import State
    from .tasks import Outcome, Task

Arrival: TypeAlias = "tuple[Task, Outcome]"

CONCURRENCY = 8
_UNAUTHORIZED, _TOO_MANY = 401, 429


class Targets:
    """Who is asked by each task; every name is looked up once. Raises ``UsageError``."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, str], Target] = {}

    def of(self, task: Task) -> Target:
        """Return whom a task asks, and how."""
        named = (task.provider, task.model)
        if named not in self._known:
            self._known[named] = target(named)
        return self._known[named]


class Grid:
    """Tasks under way on the background loop; ``cancel`` ends them early.

    At most ``concurrency`` requests to one service, which is a provider at a base URL, are
    open at the same time, or fewer where it goes on refusing so many; and none begins there
    while it has asked to wait. ``way`` has what all requests take along beside the fields of
    their tasks, such as ``proxy``. Raises ``UsageError`` for names that cannot be used, with
    nothing sent.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        *,
        concurrency: int = CONCURRENCY,
        way: Mapping[str, Any] | None = None,
        targets: Targets | None = None,
    ) -> None:
        self._targets = targets or Targets()
        self._way = dict(way or {})
        self._concurrency = concurrency
        self._arrived: deque[Arrival] = deque()
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._lanes: dict[tuple[str, str], _Lane] = defaultdict(_Lane)
        for task in tasks:
            self._lanes[_place(self._targets.of(task))].tasks.append(task)
        self._future = portal.start(self._work)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will arrive than what can be taken now."""
        return self._over.is_set()

    def arrived(self, within_s: float) -> list[Arrival]:
        """Return what has ended, each only once; waits as long, or until all has ended."""
        if self._over.wait(within_s) and self._failure is not None:
            raise self._failure
        return [self._arrived.popleft() for _ in range(len(self._arrived))]

    def pauses(self) -> list[Pause]:
        """Return who is being left alone."""
        places = [(name, lane) for (name, _), lane in self._lanes.items() if lane.width]
        pauses = [Pause(name, lane.left_s(), lane.reason) for name, lane in places]
        return [pause for pause in pauses if pause.seconds > 0]

    def cancel(self) -> None:
        """Close all connections; what they had said arrives as interrupted. Returns at once."""
        self._future.cancel()

    async def _work(self) -> None:
        workers: list[asyncio.Future[None]] = []
        for lane in self._lanes.values():
            lane.width = min(self._concurrency, len(lane.tasks))
            workers += [asyncio.ensure_future(self._work_off(lane)) for _ in range(lane.width)]
        try:
            await asyncio.gather(*workers)
        except Exception as error:  # noqa: BLE001  # ours; raised where the outcomes are taken
            self._failure = error
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._over.set()

    async def _work_off(self, lane: _Lane) -> None:
        is_wanted = True
        while lane.tasks and is_wanted:
            await lane.clear()
            if not lane.tasks:  # the others have taken the rest meanwhile
                break
            task = lane.tasks.popleft()
            if lane.refusal:
                self._arrive(task, self._draft(task), "failed", lane.refusal)
            elif not await self._ask(task, lane):
                lane.tasks.appendleft(task)
                is_wanted = False
        lane.width -= 1

    async def _ask(self, task: Task, lane: _Lane) -> bool:
        """Send a request; return False where it is to be sent again by fewer at a time."""
        to = self._targets.of(task)
        provider, params = to.provider, {**to.params(), **self._way, **task.fields}
        draft = self._draft(task)
        try:
            given = provider.create_async_generator(to.model, task.messages(), **params)
            async with aclosing(given) as events:
                async for event in events:
                    draft.add(event)
                    if isinstance(event, Waiting):
                        await lane.hold(event)
                    elif isinstance(event, ImageResponse):
                        await draft.embed(event.images, picture_fetcher(provider, params))
        except asyncio.CancelledError:
            self._arrive(task, draft, "interrupted")
            raise
        except Exception as error:  # noqa: BLE001  # stands in its row
            if lane.is_too_wide(error, draft):
                return False
            lane.learn(error)
            self._arrive(task, draft, "failed", error_line(error))
        else:
            self._arrive(task, draft)
        return True

    def _draft(self, task: Task) -> Draft:
        to = self._targets.of(task)
        return Draft(provider=to.provider.name, model=to.model or to.provider.default_model)

    def _arrive(
        self, task: Task, draft: Draft, state: State | None = None, error: str = ""
    ) -> None:
        draft.end(state)
        answer = draft.answer()
        request = {name: value for name, value in answer.request.items() if name != "messages"}
        self._arrived.append((task, task.outcome(replace(answer, request=request), error)))


class _Lane:
    """What is still to be asked of one service, and when that may go on."""

    def __init__(self) -> None:
        self.tasks: deque[Task] = deque()
        self.width = 0  # how many ask at the same time; none when all is done
        self.refusal = ""  # an error that all others would meet, too
        self.reason = ""
        self._until = 0.0

    def left_s(self) -> float:
        """Return how long nothing may be sent."""
        return max(0.0, self._until - time.monotonic())

    async def clear(self) -> None:
        """Return when something may be sent."""
        while left_s := self.left_s():  # noqa: ASYNC110  # the time is known, and may grow
            await asyncio.sleep(left_s)

    async def hold(self, told: Waiting) -> None:
        """Let nothing begin for as long as a request waits; it waits longer if others must."""
        until = time.monotonic() + told.seconds
        if until > self._until:
            self._until, self.reason = until, told.reason
        else:  # its own pause is still to come
            await asyncio.sleep(self._until - until)

    def is_too_wide(self, error: Exception, draft: Draft) -> bool:
        """Tell whether a request was refused again and again because of the others."""
        was_held = draft.answer().waiting is not None
        return was_held and getattr(error, "status", None) == _TOO_MANY and self.width > 1

    def learn(self, error: Exception) -> None:
        """Note an error that would come again at once."""
        pause_s = getattr(error, "retry_after_s", None) or 0.0
        status = getattr(error, "status", None)
        is_refused = isinstance(error, MissingAuthError) or status == _UNAUTHORIZED
        if is_refused or pause_s > LONGEST_PAUSE_S:
            self.refusal = self.refusal or error_line(error)
        elif pause_s:
            self._until = max(self._until, time.monotonic() + pause_s)
            self.reason = str(error)


def _place(to: Target) -> tuple[str, str]:
    """Return what tells one service from another."""
    base_url = getattr(to.provider, "base_url", None)
    return to.provider.name, base_url(to.api_base) if base_url else to.api_base or ""
