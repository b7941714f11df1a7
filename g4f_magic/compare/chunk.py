"""A part of a grid in a worker of a dask cluster: the only code that runs there."""

from __future__ import annotations

import pickle
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .. import portal
from ..version import VERSION
from .grid import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..messages import Answer
    from .grid import Arrival
    from .tasks import Task


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """Who is asked, and what only those may know who ask: the key, the address, the proxy.

    It goes from the client to a worker in a message of its own, which nobody keeps.
    """

    provider: str
    way: Mapping[str, Any]

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "…"


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of the tasks that were begun: the place of each, its answer and its error."""

    rows: list[tuple[int, Answer, str]]
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class _Granted:
    grant: Grant
    is_over: threading.Event = field(default_factory=threading.Event)


# By the random names of the grids' services. Whatever the cluster keeps, it may show: the
# arguments and results of its tasks are seen by the scheduler, the memory of a worker is not.
_granted: dict[str, _Granted] = {}


def grant(name: str, given: Grant) -> None:
    """Let the chunks of that name run in this process."""
    _granted.setdefault(name, _Granted(given))


def revoke(names: Sequence[str]) -> None:
    """Forget what was granted; chunks that still run come to their end at once."""
    for name in names:
        if name in _granted:
            _granted.pop(name).is_over.set()


class Call:
    """What pickles to a call of `run`, which loading then makes.

    So neither the scheduler nor a worker needs this package to read the task, and one that has
    none fails in it, instead of losing its connection.
    """

    def __init__(self, name: str, tasks: Sequence[Task]) -> None:
        self._arguments = (name, VERSION, pickle.dumps(tasks))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call."""
        return run, self._arguments


def run(name: str, version: str, pickled: bytes) -> Ended | tuple[str, str]:
    """Ask one task after the other; a worker without the grant says its address and version.

    They wait for the network all the time, so the worker's thread is free for others meanwhile.
    """
    from distributed import get_worker, secede

    worker = get_worker()
    granted = _granted.get(name)
    if version != VERSION or granted is None:
        return worker.address, VERSION
    secede()
    started = time.monotonic()
    tasks: list[Task] = pickle.loads(pickled)  # noqa: S301  # from the client of this cluster
    tasks = [replace(task, provider=granted.grant.provider) for task in tasks]
    places = {id(task): place for place, task in enumerate(tasks)}
    grid = Grid(tasks, concurrency=1, way=granted.grant.way)
    arrivals: list[Arrival] = []
    is_paused = False
    while not grid.is_over:
        arrivals += grid.arrived(portal.WAIT_STEP_S)
        pauses = grid.pauses()
        if pauses and not is_paused:  # for the client, which tells the others
            worker.log_event(name, [pauses[0].seconds, pauses[0].reason])
        is_paused = bool(pauses)
        if granted.is_over.is_set():
            grid.cancel()
    arrivals += grid.arrived(0)
    rows = [(places[id(task)], outcome.answer, outcome.error) for task, outcome in arrivals]
    return Ended(rows, time.monotonic() - started)
