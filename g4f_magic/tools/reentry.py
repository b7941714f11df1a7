"""Awaits what belongs to the notebook's own event loop from a cell that blocks that loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_END_WITHIN_S = 2.0


def await_here(awaitable: Awaitable[Any], run_alone: Callable[[Any], Any]) -> Any:
    """Return what an awaitable gives; an interrupt cancels it and waits for its end.

    In a kernel the running loop is entered once more, so that what was opened with a
    top-level ``await`` is on its own loop. Where none runs (a terminal), ``run_alone``
    is asked, which is IPython's for such cells.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return run_alone(_coroutine(awaitable))
    # Changes asyncio for the whole session, so not before it is needed (docs/decisions.md).
    import nest_asyncio2

    nest_asyncio2.apply(loop)
    task = loop.create_task(_coroutine(awaitable))
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        with suppress(KeyboardInterrupt):  # a second press: it has had its chance
            loop.run_until_complete(asyncio.wait({task}, timeout=_END_WITHIN_S))
        raise


async def _coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
