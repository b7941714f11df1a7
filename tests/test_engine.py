"""A grid on a dask cluster: the same rows, bounds, interrupts and resumption, and no key in it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from distributed import Client, Future, LocalCluster, get_task_stream
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    ClientGone,
    chunked,
    delta,
    finish,
    json_reply,
    sse_head,
)
from support.canary import canary, hide_nothing_of
from support.environment import clean_environment

from g4f_magic.compare import ComparisonStopped, compare
from g4f_magic.compare.chunk import Grant
from g4f_magic.compare.engine import on_cluster
from g4f_magic.compare.tasks import Task
from g4f_magic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import Exchange

    from g4f_magic.compare.grid import Arrival

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

CANARY = canary("a cluster")
PROMPTS = [f"Question {number}?" for number in range(40)]
TIMES = ("elapsed_s", "first_token_s", "tokens_per_s")
IN_SECONDS = 60


@contextmanager
def running(workers: int) -> Iterator[LocalCluster]:
    """A cluster of so many processes, which know no key of this machine."""
    with pytest.MonkeyPatch.context() as patched:
        for name in set(os.environ) - set(clean := clean_environment()):
            patched.delenv(name)
        patched.setenv("PYTHONPATH", clean.get("PYTHONPATH", ""))
        address = "127.0.0.1:0"
        with LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=address
        ) as cluster:
            yield cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Three workers for the tests of this module."""
    with running(3) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    """A client with all workers there."""
    with Client(cluster) as client:
        client.wait_for_workers(3, timeout=IN_SECONDS)
        yield client


class Service:
    """Repeats what it is asked and counts; ``held`` keeps the answers back until it is set."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.open = 0
        self.most_open = 0
        self._counting = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Answer; the model ``bad`` fails."""
        body = exchange.request.json
        with self._counting:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            exchange.send(sse_head() if body["model"] != "bad" else b"")
            exchange.wait(self.free, IN_SECONDS)
        finally:
            with self._counting:
                self.open -= 1
        if body["model"] == "bad":
            exchange.send(json_reply(400, {"error": {"message": "that one is broken"}}))
            return
        text = f"{body['model']} says {body['messages'][-1]['content']}"
        usage = {"prompt_tokens": 3, "completion_tokens": 4}
        exchange.send(chunked(delta(text)) + chunked(finish(usage=usage) + DONE) + END)


@pytest.fixture
def service() -> Service:
    """What the server below does."""
    return Service()


@pytest.fixture
def server(service: Service, byte_server: StartServer) -> ByteServer:
    """The service on a port."""
    return byte_server(service)


def asked(server: ByteServer) -> Counter[tuple[str, str]]:
    """How often each prompt was asked of each model."""
    bodies = [request.json for request in server.requests]
    return Counter((body["messages"][-1]["content"], body["model"]) for body in bodies)


def in_background(function: Callable[[], object]) -> threading.Thread:
    """Do something beside a comparison, which has the main thread."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs from run to run."""
    return [{name: row[name] for name in row if name not in TIMES} for row in rows]


def test_the_rows_are_those_of_one_kernel(client: Client, server: ByteServer) -> None:
    """A larger machine must not change the result, nor leave workers idle."""
    how: dict[str, Any] = {"provider": f"{server.url}/v1", "cache": False, "repeat": 2}
    here = compare(PROMPTS, ["a", "bad"], **how)
    with get_task_stream(client) as chunks:
        there = compare(PROMPTS, ["a", "bad"], engine=client, **how)
    assert timeless(there.rows()) == timeless(here.rows())
    assert set(asked(server).values()) == {4}
    assert len({chunk["worker"] for chunk in chunks.data}) == 3


def test_the_bound_is_that_of_the_whole_cluster(
    client: Client, server: ByteServer, service: Service
) -> None:
    """A service that allows four at a time would refuse what three workers send at once."""
    service.free.clear()

    def let_go() -> None:
        server.wait_for(lambda: service.open == 4, IN_SECONDS)
        service.free.set()

    helper = in_background(let_go)
    compare(PROMPTS, "a", provider=f"{server.url}/v1", engine=client, concurrency=4)
    helper.join(IN_SECONDS)
    assert service.most_open == 4


def test_a_pause_that_one_worker_is_told_holds_all(
    client: Client, byte_server: StartServer
) -> None:
    """A service that asked to be left alone must not be asked by the other workers."""
    together, is_told = threading.Barrier(3), threading.Event()
    refused_at: list[float] = []
    answer = Service()

    def script(exchange: Exchange) -> None:
        if not is_told.is_set() and together.wait(IN_SECONDS) == 0:
            refused_at.append(exchange.request.at)
            exchange.send(json_reply(429, {"error": {}}, [("retry-after-ms", "1500")]))
        elif exchange.wait(is_told):
            answer(exchange)

    server = byte_server(script)
    url = f"http://user:{CANARY}@127.0.0.1:{server.port}/v1"
    tasks = [Task(number, prompt, "m", "m", url) for number, prompt in enumerate(PROMPTS)]
    grid = on_cluster(client)(tasks, concurrency=3)
    server.wait_for(grid.pauses, IN_SECONDS)
    assert CANARY not in repr(grid.pauses())
    is_told.set()
    arrivals: list[Arrival] = []
    while not grid.is_over:
        arrivals += grid.arrived(0.1)
    assert len(arrivals + grid.arrived(0)) == len(PROMPTS)
    assert min(request.at for request in server.requests[3:]) - refused_at[0] >= 1.5


def test_fewer_are_asked_at_a_time_where_that_many_are_refused(
    client: Client, byte_server: StartServer
) -> None:
    """Those who pay nothing may ask one at a time: else most rows would be refusals."""
    is_busy, answer = threading.Lock(), Service()

    def script(exchange: Exchange) -> None:
        if is_busy.acquire(blocking=False):
            with suppress(ClientGone):
                exchange.sleep(0.02)
                answer(exchange)
            is_busy.release()
        else:
            exchange.send(json_reply(429, {"error": {}}, [("retry-after-ms", "1")]))

    url = f"{byte_server(script).url}/v1"
    comparison = compare(PROMPTS, "m", provider=url, engine=client, concurrency=4)
    assert {answer.state for answer in comparison} == {"complete"}


def test_one_prompt_goes_to_the_cluster_as_well(client: Client, server: ByteServer) -> None:
    """What is asked for is done, not only where it pays."""
    with get_task_stream(client) as chunks:
        comparison = compare("hi", ["a", "b"], provider=f"{server.url}/v1", engine=client)
    assert [answer.text for answer in comparison] == ["a says hi", "b says hi"]
    assert chunks.data


def test_what_was_done_before_an_interrupt_is_not_asked_again(
    client: Client, server: ByteServer, service: Service
) -> None:
    """An hour's answers are paid once, and no worker goes on asking for nobody."""
    url = f"{server.url}/v1"
    compare(PROMPTS[:10], "a", provider=url, engine=client)
    service.free.clear()

    def stop() -> None:
        server.wait_for(lambda: service.open == 8, IN_SECONDS)
        signal.raise_signal(signal.SIGINT)

    helper = in_background(stop)
    with pytest.raises(ComparisonStopped, match="10 of 40; the same call goes on") as stopped:
        compare(PROMPTS, "a", provider=url, engine=client)
    helper.join(IN_SECONDS)
    server.wait_for(lambda: service.open == 0)  # the connections are closed
    states = Counter(answer.state for answer in stopped.value.comparison)
    assert states["complete"] == 10
    assert set(states) <= {"complete", "interrupted"}
    service.free.set()
    server.requests.clear()
    comparison = compare(PROMPTS, "a", provider=url, engine=client)
    assert {answer.state for answer in comparison} == {"complete"}
    assert asked(server) == {(prompt, "a"): 1 for prompt in PROMPTS[10:]}


def test_what_a_dead_worker_had_is_done_elsewhere(
    client: Client, server: ByteServer, service: Service
) -> None:
    """Machines that are lent go away at any moment."""
    service.free.clear()
    victim = next(iter(client.run(os.getpid).values()))

    def kill() -> None:
        server.wait_for(lambda: service.open == 8, IN_SECONDS)
        os.kill(victim, signal.SIGKILL)
        server.wait_for(lambda: len(server.requests) > 8, IN_SECONDS)
        service.free.set()

    helper = in_background(kill)
    comparison = compare(PROMPTS, "a", provider=f"{server.url}/v1", engine=client)
    helper.join(IN_SECONDS)
    assert {answer.state for answer in comparison} == {"complete"}
    assert set(asked(server)) == {(prompt, "a") for prompt in PROMPTS}


@pytest.mark.parametrize(
    ("way", "line"),
    [
        ("kill", "NetworkError: each worker that was to ask this has died"),
        (
            "cancel",
            "NetworkError: it was cancelled on the cluster – the same call goes on from there",
        ),
    ],
)
def test_what_the_cluster_gives_up_fails_with_a_line(
    server: ByteServer, service: Service, way: str, line: str
) -> None:
    """A prompt that takes down every machine must not stop the others, nor hang."""
    with running(1) as cluster, Client(cluster) as client:
        scheduler: Any = cluster.scheduler
        scheduler.allowed_failures = 0
        service.free.clear()

        def end() -> None:
            server.wait_for(lambda: service.open == 2, IN_SECONDS)
            if way == "cancel":
                client.cancel([Future(key, client) for key in list(client.futures)], force=True)
            else:
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
            service.free.set()

        helper = in_background(end)
        url = f"{server.url}/v1"
        rows = compare(PROMPTS, "a", provider=url, engine=client, concurrency=2).rows()
        helper.join(IN_SECONDS)
    assert Counter(row["state"] for row in rows) == {"complete": 38, "failed": 2}
    assert {row["error"] for row in rows} == {None, line}


def test_a_scheduler_that_goes_away_costs_only_what_is_missing(
    server: ByteServer, service: Service
) -> None:
    """The answers that were paid for are there, and the rows of the others say why not."""
    with running(1) as cluster, Client(cluster) as client:
        compare(PROMPTS[:10], "a", provider=f"{server.url}/v1", engine=client)
        service.free.clear()

        def close() -> None:
            server.wait_for(lambda: service.open > 0, IN_SECONDS)
            cluster.close()

        helper = in_background(close)
        rows = compare(PROMPTS, "a", provider=f"{server.url}/v1", engine=client).rows()
        helper.join(IN_SECONDS)
        service.free.set()
    assert [row["state"] for row in rows] == ["complete"] * 10 + ["failed"] * 30
    lost = "NetworkError: the connection to the scheduler of the cluster is lost"
    cancelled = "NetworkError: it was cancelled on the cluster"  # before the scheduler hangs up
    said = {row["error"] for row in rows[10:]}
    assert f"{lost} – the same call goes on from there" in said
    assert said <= {f"{why} – the same call goes on from there" for why in (lost, cancelled)}


@pytest.mark.slow
def test_no_key_is_in_what_a_cluster_keeps_or_shows(
    client: Client,
    server: ByteServer,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A dashboard is open to the whole team, and a cluster's dumps are mailed around."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    service.free.clear()
    seen: dict[str, str] = {}

    def look() -> None:
        try:
            server.wait_for(lambda: service.open == 16, IN_SECONDS)
            seen.update(shown(client, tmp_path))
        finally:
            service.free.set()

    helper = in_background(look)
    with_login = f"http://user:{CANARY}@127.0.0.1:{server.port}/v1"
    comparison = compare(
        PROMPTS, ["openai:a", "openai:bad", "b"], provider=with_login, engine=client
    )
    helper.join(IN_SECONDS)
    assert {answer.state for answer in comparison} == {"complete", "failed"}
    sent = Counter(request.headers["authorization"].split()[0] for request in server.requests)
    assert sent == {"Bearer": 2 * len(PROMPTS), "Basic": len(PROMPTS)}
    assert seen["task"]
    assert "Question" in seen["dump"]  # so it is all there, and yet not this
    hide_nothing_of(CANARY, seen)
    hide_nothing_of(CANARY, shown(client, tmp_path))
    assert set(client.run(eval, GRANTED).values()) == {0}


GRANTED = "len(__import__('g4f_magic.compare.chunk').compare.chunk._granted)"


def shown(client: Client, folder: Path) -> dict[str, str]:
    """All that a cluster keeps of what it does, and the pages of its dashboard."""
    cluster: Any = client.cluster
    scheduler = cluster.scheduler
    keys = [key for key in scheduler.tasks if "g4f_magic" in str(key)]
    client.dump_cluster_state(str(folder / "dump"), exclude=(), format="yaml")
    specs = [pickle.dumps(scheduler.tasks[key].run_spec) for key in keys]
    base = client.dashboard_link.removesuffix("/status")
    pages = [f"info/main/{name}.html" for name in ("workers", "exceptions", "logs")]
    pages += ["json/counts.json"]
    pages += [f"info/task/{key}.html" for key in keys]
    workers = [quote(worker, safe="") for worker in scheduler.workers]
    pages += [f"info/{kind}/{one}.html" for one in workers for kind in ("worker", "logs")]
    pages += [f"info/call-stacks/{worker}.html" for worker in workers]
    seen = {page: fetched(f"{base}/{page}") for page in pages}
    seen |= {
        "task": repr(keys) + repr([scheduler.tasks[key].run_spec for key in keys]),
        "specs": b"".join(specs).decode("latin-1"),
        "dump": (folder / "dump.yaml").read_text() + b"".join(specs).decode("latin-1"),
        "story": repr(client.story(*keys)),
        "logs": repr(client.get_worker_logs()) + repr(client.get_scheduler_logs()),
        "identity": repr(scheduler.identity()),
        "events": repr(client.get_events()),
        "who_has": repr(client.who_has()) + repr(client.has_what()) + repr(client.processing()),
        "stacks": repr(client.call_stack(keys=keys)) if keys else "",
    }
    return seen


def fetched(url: str) -> str:
    """A page."""
    with urllib.request.urlopen(url, timeout=IN_SECONDS) as page:  # noqa: S310  # on this machine
        return str(page.read().decode())


def test_a_grant_shows_nothing_of_itself() -> None:
    """A worker logs the arguments of what fails."""
    assert CANARY not in repr([Grant(CANARY, {"api_key": CANARY})])


@pytest.mark.parametrize("engine", ["tcp://127.0.0.1:8786", 7, object()])
def test_what_is_no_cluster_is_refused(engine: object) -> None:
    """Nothing is asked here by mistake what was meant for elsewhere."""
    with pytest.raises(UsageError, match="is no client of a dask cluster"):
        compare(PROMPTS, "demo:demo", engine=engine)


def test_a_client_without_workers_or_connection_is_refused() -> None:
    """Waiting for nobody looks like a hang."""
    with running(0) as cluster, Client(cluster) as client:
        with pytest.raises(UsageError, match="no workers yet"):
            compare(PROMPTS, "demo:demo", engine=client)
        client.close()
        with pytest.raises(UsageError, match="no connection to its scheduler, it is 'closed'"):
            compare(PROMPTS, "demo:demo", engine=client)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("sys.modules['g4f_magic'] = None", "no g4f_magic, or another version"),
        (
            "import g4f_magic.compare.chunk as c; c.VERSION = '0.0.1'",
            "has g4f_magic 0.0.1, and this is",
        ),
    ],
)
def test_a_worker_without_the_package_is_named_in_a_line(
    server: ByteServer, statement: str, message: str
) -> None:
    """The trace of another machine says nothing to the one who has to install something."""
    with running(1) as cluster, Client(cluster) as client:
        client.run(exec, f"import sys; {statement}")
        with pytest.raises(UsageError, match=message):
            compare(PROMPTS, "a", provider=f"{server.url}/v1", engine=client)
    assert server.requests == []


def test_nobody_else_pays_for_the_engine() -> None:
    """A comparison in one kernel must not wait for the import of a cluster's library."""
    program = (
        "import sys, g4f_magic.compare\n"
        "print({'dask', 'distributed', 'g4f_magic.compare.engine'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env=clean_environment(), capture_output=True, check=True
    )
    assert run.stdout.split() == [b"set()"]


def test_several_providers_in_turn_are_refused(client: Client, server: ByteServer) -> None:
    """Each has its own key, and they would be looked up where there are none."""
    with pytest.raises(UsageError, match="several providers in turn"):
        compare(PROMPTS, "a", provider="openai, groq", engine=client)
    assert server.requests == []
