"""The answers that a grid was given before, so that the same grid goes on where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import StoreError
from ..limits import CACHE, Limit
from ..store.cached import request_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..messages import Answer
    from ..store.keeper import Keeper
    from ..store.store import Store
    from .grid import Arrival, Targets
    from .tasks import Task

_REPEAT = "g4f_magic repeat"  # a name that no field of a request has


class GridCache:
    """Whole answers on disk by what was asked; a disk that fails has none, and stops nothing.

    ``trouble`` is how it failed at last, if it did. The first of several repeats is the answer
    that ``%%chat --cache`` keeps of the same. ``limit`` is how large the cache may become.
    """

    def __init__(
        self, keeper: Keeper, targets: Targets, way: Mapping[str, Any], limit: Limit = CACHE
    ) -> None:
        self._keeper = keeper
        self._targets = targets
        self._way = way
        self.trouble: str = ""
        self._limit = limit

    def recall(self, tasks: Sequence[Task]) -> list[Answer | None]:
        """Return for each task the answer that it was given, with the times it took then."""
        keys = [self._key(task) for task in tasks]

        def read(store: Store) -> list[Answer | None]:
            return [store.cache.recall(key) for key in keys]

        try:
            answers = self._keeper.call(read)
        except StoreError as error:
            self.trouble = str(error)
            return [None] * len(tasks)
        used = [key for key, answer in zip(keys, answers, strict=True) if answer is not None]
        if used:
            self._keeper.start(lambda store: store.cache.touch(used))
        return answers

    def remember(self, arrivals: Sequence[Arrival]) -> None:
        """Keep the whole answers among those that arrived."""
        kept = [
            (self._key(task), outcome.answer)
            for task, outcome in arrivals
            if outcome.answer.state == "complete"
        ]
        if kept:
            limit_bytes = self._limit.size_bytes
            try:
                self._keeper.call(lambda store: store.cache.remember_all(kept, limit_bytes))
            except StoreError as error:
                self.trouble = str(error)

    def _key(self, task: Task) -> str:
        to = self._targets.of(task)
        params = {**to.params(), **self._way, **task.fields}
        if task.repeat > 1:
            params[_REPEAT] = task.repeat
        return request_key(to.provider, to.model, task.messages(), params)
