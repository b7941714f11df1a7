"""Asks a grid from the workers of a dask cluster, as `grid.Grid` does from this process."""

from __future__ import annotations

import functools
import math
import os
import pickle
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ..errors import NetworkError, UsageError, error_line
from ..messages import Answer
from ..providers import RetryProvider, get_provider
from ..secret import Secret
from ..version import VERSION
from . import chunk
from .grid import CONCURRENCY, Targets
from .tasks import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..settings.config import Target
    from .grid import Arrival
    from .tasks import Task

_CHUNK_S = 1.0  # what a chunk may take: progress moves, and little is lost with a worker
_MOST_TASKS = 64
_LOOK_S = 1.0
_CLOSE_WITHIN_S = 1.5
_TOO_MANY = " said 429"  # in the line of a refusal, which is all of it that travels
_WITHOUT_WORKERS_S = 30.0  # a worker that died is started again in seconds, where anybody does
_LOST = "the connection to the scheduler of the cluster is lost"
_GOES_ON = "the same call goes on from there"


def on_cluster(client: Any) -> Callable[..., ClusterGrid]:
    """Return what starts a grid on the cluster of a ``dask.distributed.Client``.

    Raises ``UsageError`` for what is none, or cannot be used here.
    """
    _refuse_no_cluster(client)
    return functools.partial(ClusterGrid, client=client)


def _refuse_no_cluster(client: Any) -> None:
    if not (hasattr(client, "submit") and hasattr(client, "scheduler_info")):
        message = f"engine is a {type(client).__name__!r}, which is no client of a dask cluster"
        raise UsageError(message, hint="engine=dask.distributed.Client(address)")
    if client.asynchronous:
        message = "engine is an asynchronous client, which cannot be waited for here"
        raise UsageError(message, hint="engine=dask.distributed.Client(address)")
    if client.status != "running":
        message = f"engine has no connection to its scheduler, it is {client.status!r}"
        raise UsageError(message, hint="make a new one: dask.distributed.Client(address)")
    if not client.nthreads():
        message = "the cluster of engine has no workers yet"
        raise UsageError(message, hint="client.wait_for_workers(1)")


@dataclass(slots=True)
class _Lane:
    """What is still to be asked of one service, in chunks that one worker asks in turn."""

    provider: str  # as it is shown; the name in the grant may have a login
    grant: chunk.Grant
    width: int  # how many chunks may be under way
    name: str = field(default_factory=lambda: f"g4f_magic-{token_hex(8)}")
    tasks: deque[Task] = field(default_factory=deque)
    under_way: int = 0
    size: int = 1  # of the next chunk
    reason: str = ""
    until: float = 0.0  # nothing new is begun before

    def left_s(self) -> float:
        """Return how long nothing may be begun."""
        return max(0.0, self.until - time.monotonic())

    def may_begin(self) -> bool:
        """Tell whether another chunk may be sent now."""
        return bool(self.tasks) and self.under_way < self.width and not self.left_s()

    def take(self) -> list[Task]:
        """Return the tasks of the next chunk; the last ones are shared out."""
        share = max(math.ceil(len(self.tasks) / self.width), self.size // 4)
        return [self.tasks.popleft() for _ in range(min(self.size, share, len(self.tasks)))]

    def learn(self, count: int, elapsed_s: float) -> None:
        """Make chunks as large as fits into their time."""
        fitting = int(count * _CHUNK_S / max(elapsed_s, 0.001))
        self.size = max(1, min(fitting, 8 * count, _MOST_TASKS))

    def hold(self, event: tuple[float, tuple[float, str]]) -> None:
        """Begin nothing for as long as a worker was told to wait."""
        seconds, reason = event[1]
        self.until, self.reason = max(self.until, time.monotonic() + seconds), reason


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Tasks on their way through the cluster."""

    lane: _Lane
    tasks: list[Task]
    future: Any
    width: int  # how many of its lane could be under way beside it, itself included
    sent_at: float = field(default_factory=time.monotonic)


class _Workers:
    """The workers of a cluster: whether there are any, and which of them may ask."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._granted: dict[tuple[str, str], float] = {}  # worker and lane: since when
        self._seen_at = time.monotonic()

    def look(self) -> None:
        """Raise ``NetworkError`` where the cluster has gone."""
        now = time.monotonic()
        if self._client.status != "running":
            raise NetworkError(_LOST, hint=_GOES_ON)
        if self._client.nthreads():
            self._seen_at = now
        elif now - self._seen_at > _WITHOUT_WORKERS_S:
            message = f"the cluster has had no worker for {_WITHOUT_WORKERS_S:.0f} s"
            raise NetworkError(message, hint=_GOES_ON)

    def let_in(self, worker: str, lane: _Lane, asked_at: float) -> None:
        """Tell a worker how to ask, if it has not been told since it was asked to."""
        if asked_at >= self._granted.get((worker, lane.name), 0.0):
            only = [worker]
            self._client.run(chunk.grant, lane.name, lane.grant, workers=only, on_error="ignore")
            self._granted[worker, lane.name] = time.monotonic()

    def revoke(self, lanes: Iterable[_Lane]) -> None:
        """Have all forget it, and end what they are at."""
        names = [lane.name for lane in lanes]
        granted = {worker for worker, _ in self._granted}
        if alive := granted.intersection(self._client.nthreads()):
            self._client.run(chunk.revoke, names, workers=list(alive), on_error="ignore")
        self._granted.clear()


class ClusterGrid:
    """Tasks under way on a cluster; ``cancel`` ends them early.

    At most ``concurrency`` chunks are under way for one service, whatever the number of
    workers, and each asks one thing at a time: the bound is that of the whole cluster. Who is
    asked, and with which key, is looked up here. A worker is told when it comes to run a chunk
    of that service, past the tasks of the cluster. See `grid.Grid` for the rest.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        *,
        client: Any,
        concurrency: int = CONCURRENCY,
        way: Mapping[str, Any] | None = None,
        targets: Targets | None = None,
    ) -> None:
        self._client = client
        self._lanes = _lanes(tasks, targets or Targets(), way or {}, concurrency)
        self._chunks: dict[str, _Chunk] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()  # futures; None for a stop
        self._arrived: deque[Arrival] = deque()
        self._workers = _Workers(client)
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._work, daemon=True, name="g4f_magic-engine").start()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will arrive than what can be taken now."""
        return self._over.is_set() and self._failure is None

    def arrived(self, within_s: float) -> list[Arrival]:
        """Return what has ended, each only once; waits as long, or until all has ended."""
        is_over = self._over.wait(within_s)
        arrivals = [self._arrived.popleft() for _ in range(len(self._arrived))]
        if is_over and not arrivals and self._failure is not None:
            raise self._failure
        return arrivals

    def pauses(self) -> list[Pause]:
        """Return who is being left alone."""
        held = [lane for lane in self._lanes if lane.tasks and lane.left_s()]
        return [Pause(lane.provider, lane.left_s(), lane.reason) for lane in held]

    def cancel(self) -> None:
        """End it early; what is under way arrives as interrupted. Returns at once."""
        self._stopping.set()
        self._ended.put(None)

    def _work(self) -> None:
        try:
            for lane in self._lanes:
                self._client.subscribe_topic(lane.name, lane.hold)
            while not self._stopping.is_set() and self._begin():
                self._take(_LOOK_S)
            if self._chunks:
                self._wind_up()
        except UsageError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001  # whatever a cluster raises as it breaks
            self._fail_rest(error)
        finally:
            with suppress(Exception):  # of a cluster that has gone
                self._close()
            self._over.set()

    def _begin(self) -> bool:
        """Send as many chunks as may be under way; tell whether there is something to wait for."""
        for lane in self._lanes:
            while lane.may_begin():
                self._submit(lane, lane.take())
        return bool(self._chunks) or any(lane.tasks for lane in self._lanes)

    def _submit(self, lane: _Lane, tasks: list[Task]) -> None:
        bare = [replace(task, provider=None) for task in tasks]  # an address may have a login
        call = pickle.dumps(chunk.Call(lane.name, bare))
        key = f"g4f_magic-{token_hex(16)}"
        future = self._client.submit(pickle.loads, call, key=key, pure=False)
        self._chunks[key] = _Chunk(lane, tasks, future, lane.width)
        lane.under_way += 1
        future.add_done_callback(self._ended.put)

    def _take(self, within_s: float) -> None:
        """Take what chunks have come to; look after the cluster if none does."""
        pauses = [lane.left_s() for lane in self._lanes if lane.left_s()]
        try:
            futures = [self._ended.get(timeout=min([within_s, *pauses]))]
        except Empty:
            self._workers.look()
            return
        with suppress(Empty):
            while True:
                futures.append(self._ended.get_nowait())
        keys = [future.key for future in futures if future is not None]
        chunks = [self._chunks[key] for key in keys if key in self._chunks]
        finished = [one for one in chunks if one.future.status == "finished"]
        results = self._client.gather([one.future for one in finished])
        for ended, result in zip(finished, results, strict=True):
            self._end(ended, result)
        for ended in chunks:
            if ended.future.key in self._chunks:
                self._end(ended, None)

    def _end(self, ended: _Chunk, result: chunk.Ended | tuple[str, str] | None) -> None:
        """Take what a chunk has come to. Raises ``G4FError`` for what ends all others, too."""
        if result is None:
            self._workers.look()
            is_error = ended.future.status == "error"
            why = _why(ended.future.exception() if is_error else None)
            self._arrived.extend(_failed(ended.lane, ended.tasks, why))
        elif isinstance(result, chunk.Ended):
            self._keep(ended, result)
        else:
            self._let_in(ended, *result)
        del self._chunks[ended.future.key]  # not before: what raises leaves it for `_fail_rest`
        ended.lane.under_way -= 1

    def _keep(self, ended: _Chunk, result: chunk.Ended) -> None:
        lane = ended.lane
        lane.learn(len(ended.tasks), result.elapsed_s)
        for place, answer, error in result.rows:
            task = ended.tasks[place]
            if _TOO_MANY in error and ended.width > 1:
                lane.width = min(lane.width, ended.width - 1)  # refused because of the others
                lane.tasks.append(task)
            else:
                self._arrived.append((task, task.outcome(answer, error)))

    def _let_in(self, waiting: _Chunk, worker: str, version: str) -> None:
        """Tell a worker how to ask, and have its chunk done."""
        if version != VERSION:
            message = f"the worker at {worker} has g4f_magic {version}, and this is {VERSION}"
            raise UsageError(message, hint="install the same version everywhere")
        lane = waiting.lane
        if not self._stopping.is_set():
            self._workers.let_in(worker, lane, waiting.sent_at)
        lane.tasks.extendleft(reversed(waiting.tasks))

    def _wind_up(self) -> None:
        """Let the chunks that run end now, and take what they had."""
        self._workers.revoke(self._lanes)
        end = time.monotonic() + _CLOSE_WITHIN_S
        while self._chunks and (left_s := end - time.monotonic()) > 0:
            self._take(left_s)

    def _close(self) -> None:
        self._workers.revoke(self._lanes)
        self._client.cancel([ended.future for ended in self._chunks.values()])
        self._chunks.clear()
        for lane in self._lanes:
            self._client.unsubscribe_topic(lane.name)

    def _fail_rest(self, error: Exception) -> None:
        """Let all that is missing fail for the same reason."""
        failure: Exception = error
        if not isinstance(error, NetworkError):
            is_lost = self._client.status != "running"
            message = _LOST if is_lost else f"the cluster failed with {type(error).__name__}"
            failure = NetworkError(message, hint=_GOES_ON)
        for ended in self._chunks.values():
            self._arrived.extend(_failed(ended.lane, ended.tasks, failure))
        for lane in self._lanes:
            self._arrived.extend(_failed(lane, lane.tasks, failure))


def _lanes(
    tasks: Iterable[Task], targets: Targets, way: Mapping[str, Any], width: int
) -> list[_Lane]:
    """Return the tasks by the service that they ask. Raises ``UsageError``."""
    lanes: dict[tuple[str, str | None], _Lane] = {}
    for task in tasks:
        to = targets.of(task)
        named, access = _name(to), _access(to)
        place = (named, access.get("api_base"))
        if place not in lanes:
            grant = chunk.Grant(named, {**to.params(), **access, **way})
            lanes[place] = _Lane(to.provider.name, grant, width)
        lanes[place].tasks.append(task)
    return list(lanes.values())


def _name(to: Target) -> str:
    """Return the name under which a worker finds whom the environment here has chosen."""
    if isinstance(to.provider, RetryProvider):
        message = "several providers in turn cannot be asked by a cluster"
        raise UsageError(message, hint="name one, as in openai:gpt-4o-mini")
    with suppress(UsageError):
        if get_provider(to.provider.name) is to.provider:
            return to.provider.name
    return Secret(getattr(to.provider, "api_base", to.provider.name))


def _access(to: Target) -> dict[str, str]:
    """Return key and address as they are here, so that no worker looks for its own."""
    provider = to.provider
    environ_name = getattr(provider, "api_key_env", "") or " "
    key = to.api_key or getattr(provider, "api_key", None) or os.environ.get(environ_name)
    address = provider.base_url(to.api_base) if hasattr(provider, "base_url") else to.api_base
    named = {"api_key": key, "api_base": address}
    return {name: Secret(value) for name, value in named.items() if value}


def _failed(lane: _Lane, tasks: Iterable[Task], failure: Exception) -> Iterator[Arrival]:
    """Yield tasks as rows that failed."""
    line = error_line(failure)
    for task in tasks:
        answer = Answer(provider=lane.provider, model=task.model, state="failed")
        yield task, task.outcome(answer, line)


def _why(error: BaseException | None) -> NetworkError:
    """Return why a chunk has come to nothing. Raises ``UsageError`` where the others will, too."""
    if isinstance(error, UsageError):
        raise error
    if isinstance(error, (ImportError, AttributeError)):  # met as the call was loaded
        message = "a worker of the cluster has no g4f_magic, or another version"
        raise UsageError(message, hint=f"install g4f_magic {VERSION} on each of them")
    if error is None:
        return NetworkError("it was cancelled on the cluster", hint=_GOES_ON)
    if type(error).__name__ == "KilledWorker":
        return NetworkError("each worker that was to ask this has died")
    return NetworkError(f"the cluster could not ask this: {type(error).__name__}")
