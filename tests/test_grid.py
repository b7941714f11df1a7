"""Many prompts to several models: what is asked, when, how often, and what is kept of it."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import DONE, END, ByteServer, chunked, delta, finish, json_reply, sse_head
from support.environment import clean_environment
from support.terminal import Terminal

from g4f_magic.compare import compare
from g4f_magic.compare.grid import Grid
from g4f_magic.compare.tasks import Task
from g4f_magic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.byteserver import Exchange
    from support.kernel import Kernel

    from g4f_magic.compare.tasks import Outcome

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

PROMPTS = [f"Question {number}?" for number in range(5)]
IMPORT = "from g4f_magic.compare import compare"


def asked_of(exchange: Exchange) -> tuple[str, str]:
    """The last message of a request, and its model."""
    body = exchange.request.json
    return body["messages"][-1]["content"], body["model"]


def answers(exchange: Exchange) -> None:
    """A service that repeats what it is asked; the model ``bad`` fails."""
    prompt, model = asked_of(exchange)
    if model == "bad":
        exchange.send(json_reply(400, {"error": {"message": "that one is broken"}}))
        return
    exchange.send(sse_head() + chunked(delta(f"{model} says {prompt}")))
    exchange.send(chunked(finish(usage={"prompt_tokens": 3, "completion_tokens": 4}) + DONE) + END)


def requests_of(server: ByteServer) -> Counter[tuple[str, str]]:
    """How often each prompt was asked of each model."""
    bodies = [request.json for request in server.requests]
    return Counter((body["messages"][-1]["content"], body["model"]) for body in bodies)


def outcomes_of(tasks: list[Task], concurrency: int) -> list[Outcome]:
    """What comes of tasks, when all have ended, in their order."""
    grid = Grid(tasks, concurrency=concurrency)
    arrived = grid.arrived(60)
    assert grid.is_over
    return [next(one for task, one in arrived if task is wanted) for wanted in tasks]


@pytest.fixture
def service(byte_server: StartServer) -> ByteServer:
    """A service that answers at once."""
    return byte_server(answers)


def url_of(server: ByteServer) -> str:
    """Its base URL."""
    return f"{server.url}/v1"


def test_each_prompt_is_asked_of_each_model_as_often_as_was_said(service: ByteServer) -> None:
    """Averages over rows that are missing, double or in another order would be wrong."""
    comparison = compare(PROMPTS, ["a", "b"], provider=url_of(service), repeat=2, system="Be brief")
    rows = comparison.rows()
    places = [(row["number"], row["prompt"], row["model"], row["repeat"]) for row in rows]
    assert places == [
        (number, prompt, model, repeat)
        for number, prompt in enumerate(PROMPTS)
        for model in "ab"
        for repeat in (1, 2)
    ]
    assert all(row["text"] == f"{row['model']} says {row['prompt']}" for row in rows)
    assert set(requests_of(service).values()) == {2}
    assert service.requests[0].json["messages"][0] == {"role": "system", "content": "Be brief"}
    assert repr(comparison) == "<Comparison of a, b: 20 of 20 complete>"


class Column:
    """A column of a table, as far as anybody but its library knows it."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        """Yield the values."""
        return iter(self._values)


CONVERSATION = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (Column("x", "y"), ["x", "y"]),
        ((text for text in "xy"), ["x", "y"]),
        ({"x": 1}.keys(), ["x"]),
        (["x", [{"role": "user", "content": "y"}]], ["x", "y"]),
        (Column([*CONVERSATION, {"role": "user", "content": "c"}]), ["c"]),
    ],
)
def test_prompts_come_in_whatever_has_them(
    service: ByteServer, given: Any, asked: list[str]
) -> None:
    """Nobody should have to turn a column of a DataFrame into something else."""
    compare(given, "m", provider=url_of(service))
    assert sorted(prompt for prompt, _ in requests_of(service)) == asked


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "there is no prompt"),
        (["x", float("nan")], "prompt 1 is nan, neither a text nor messages"),
        (["x", None], "prompt 1 is None"),
        (["x", []], "prompt 1 is []"),
        ({"question": ["x"]}, "a dict is neither a prompt nor a list of prompts"),
        (type("DataFrame", (), {"iterrows": None})(), "a DataFrame is neither"),
    ],
)
def test_what_is_no_prompt_is_refused(service: ByteServer, given: Any, message: str) -> None:
    """The names of columns, or nothing at all, would be asked and paid for."""
    with pytest.raises(UsageError, match=re.escape(message)):
        compare(given, "m", provider=url_of(service))
    assert service.requests == []


@pytest.mark.parametrize("counts", [{"repeat": 0}, {"concurrency": 0}])
def test_counts_begin_with_one(counts: dict[str, int]) -> None:
    """A grid of nothing, or one that never ends, is a typing error."""
    with pytest.raises(UsageError, match="cannot be 0"):
        compare(PROMPTS, "demo", **counts)  # type: ignore[arg-type]


def test_a_model_that_fails_has_its_error_in_its_rows(service: ByteServer) -> None:
    """A name that is wrong must not cost the answers of those that are right."""
    rows = compare(PROMPTS, ["a", "bad"], provider=url_of(service)).rows()
    good, bad = ([row for row in rows if row["model"] == model] for model in ("a", "bad"))
    assert {row["state"] for row in good} == {"complete"}
    assert {row["error"] for row in good} == {None}
    assert {row["state"] for row in bad} == {"failed"}
    assert all("that one is broken" in row["error"] for row in bad)


def test_so_many_are_asked_of_each_service_and_no_more(byte_server: StartServer) -> None:
    """More would be refused; fewer would take longer than they must."""
    together = threading.Barrier(6)  # three of each service
    counting = threading.Lock()
    open_now: Counter[int] = Counter()
    most: Counter[int] = Counter()

    def script(exchange: Exchange) -> None:
        port = int(exchange.request.headers["host"].rpartition(":")[2])
        with counting:
            open_now[port] += 1
            most[port] = max(most[port], open_now[port])
        together.wait(20)
        with counting:
            open_now[port] -= 1
        answers(exchange)

    urls = [url_of(byte_server(script)) for _ in range(2)]
    tasks = [Task(n, prompt, url, "m", url) for n, prompt in enumerate("abcdef") for url in urls]
    outcomes = outcomes_of(tasks, concurrency=3)
    assert [outcome.answer.state for outcome in outcomes] == ["complete"] * 12
    assert [(one.number, one.label) for one in outcomes] == [(t.number, t.label) for t in tasks]
    assert set(most.values()) == {3}


def test_only_what_is_missing_is_asked_again(service: ByteServer, byte_server: StartServer) -> None:
    """Whoever stops at 1,900 of 2,000 prompts has paid for them already."""
    first = compare(PROMPTS[:3], ["a", "bad"], provider=url_of(service), repeat=2)
    asked = requests_of(service)
    second = compare(PROMPTS, ["a", "bad"], provider=url_of(service), repeat=2)
    again = requests_of(service) - asked
    assert {key for key in again if key[1] == "a"} == {(prompt, "a") for prompt in PROMPTS[3:]}
    assert sum(count for (_, model), count in again.items() if model == "bad") == 10
    known = [row for row in second.rows() if row["cached"]]
    assert [row["text"] for row in known] == [r["text"] for r in first.rows() if r["model"] == "a"]
    assert [row["elapsed_s"] for row in known] == [
        row["elapsed_s"] for row in first.rows() if row["model"] == "a"
    ]
    elsewhere = byte_server(answers)
    compare(PROMPTS[:1], "a", provider=url_of(elsewhere))
    assert len(elsewhere.requests) == 1, "another service would say something else"


def test_without_the_cache_all_is_asked(service: ByteServer) -> None:
    """Who measures a service again wants no figures of yesterday."""
    for _ in range(2):
        compare(PROMPTS, "a", provider=url_of(service), cache=False)
    assert set(requests_of(service).values()) == {2}


def test_repeats_are_answers_of_their_own(byte_server: StartServer) -> None:
    """One answer three times would look like a model that never changes its mind."""
    counted = iter(range(100))

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(f"{next(counted)}")))
        exchange.send(chunked(finish() + DONE) + END)

    server = byte_server(script)
    texts = [one.text for one in compare("x", "m", provider=url_of(server), repeat=3)]
    assert sorted(texts) == ["0", "1", "2"]
    assert [one.text for one in compare("x", "m", provider=url_of(server), repeat=3)] == texts
    assert len(server.requests) == 3


def test_a_service_that_asks_to_wait_is_left_alone_and_no_other(byte_server: StartServer) -> None:
    """Asking on would be refused, and may get a key blocked; others have nothing to do with it."""
    together, is_waiting = threading.Barrier(2), threading.Event()

    def busy(exchange: Exchange) -> None:
        prompt, _ = asked_of(exchange)
        together.wait(20)
        if prompt == PROMPTS[0]:
            exchange.send(json_reply(429, {"error": {}}, [("Retry-After", "60")]))
        else:  # already under way
            exchange.wait(is_waiting)
            answers(exchange)

    slow, quick = byte_server(busy), byte_server(answers)
    urls = [url_of(slow), url_of(quick)]
    tasks = [Task(n, prompt, url, "m", url) for n, prompt in enumerate(PROMPTS) for url in urls]
    grid = Grid(tasks, concurrency=2)
    slow.wait_for(grid.pauses, timeout=20)
    (pause,) = grid.pauses()
    assert pause.provider == slow.url.removeprefix("http://")
    assert pause.seconds <= 60
    assert "429 Too Many Requests" in pause.reason
    is_waiting.set()
    arrived: list[Outcome] = []

    def have_arrived(count: int) -> bool:
        arrived.extend(outcome for _, outcome in grid.arrived(0))
        return len(arrived) == count

    slow.wait_for(lambda: have_arrived(6), timeout=20)
    grid.cancel()
    slow.wait_for(lambda: have_arrived(7), timeout=20)
    done = Counter(one.label for one in arrived if one.answer.state == "complete")
    assert done == {url_of(quick): 5, url_of(slow): 1}
    assert arrived[-1].answer.state == "interrupted"
    assert len(slow.requests) == 2, "the one that was told to wait, and the one under way"


def test_the_pause_is_as_long_as_the_service_said(byte_server: StartServer) -> None:
    """Asking too early only makes it longer; afterwards it goes on by itself."""
    refused_at: list[float] = []

    def script(exchange: Exchange) -> None:
        if refused_at:
            answers(exchange)
            return
        refused_at.append(exchange.request.at)
        exchange.send(json_reply(429, {"error": {}}, [("retry-after-ms", "300")]))

    server = byte_server(script)
    comparison = compare(PROMPTS, "m", provider=url_of(server), concurrency=1)
    assert {answer.state for answer in comparison} == {"complete"}
    assert min(request.at for request in server.requests[1:]) - refused_at[0] >= 0.3


def test_the_longest_of_several_pauses_holds_for_all(byte_server: StartServer) -> None:
    """A request that may try again at once would be the next to be refused."""
    together, is_waiting = threading.Barrier(2), threading.Event()
    refused_at: dict[str, float] = {}

    def script(exchange: Exchange) -> None:
        prompt, _ = asked_of(exchange)
        if prompt in refused_at:
            answers(exchange)
            return
        together.wait(20)
        pause_ms = "400" if prompt == PROMPTS[0] else "1"
        if pause_ms == "1":
            exchange.wait(is_waiting)
        refused_at[prompt] = exchange.request.at
        exchange.send(json_reply(429, {"error": {}}, [("retry-after-ms", pause_ms)]))

    server = byte_server(script)
    grid = Grid([Task(n, prompt, "m", "m", url_of(server)) for n, prompt in enumerate(PROMPTS[:2])])
    server.wait_for(grid.pauses, timeout=20)
    is_waiting.set()
    assert [one.answer.state for _, one in grid.arrived(20)] == ["complete"] * 2
    assert min(request.at for request in server.requests[2:]) - refused_at[PROMPTS[0]] >= 0.4


def test_a_last_refusal_holds_the_others_back(byte_server: StartServer) -> None:
    """Where nothing is tried again, the next one would be refused as well."""

    def script(exchange: Exchange) -> None:
        exchange.send(json_reply(429, {"error": {}}, [("retry-after-ms", "300")]))

    server = byte_server(script)
    compare(PROMPTS[:2], "m", provider=url_of(server), concurrency=1, max_retries=0)
    first, second = (request.at for request in server.requests)
    assert second - first >= 0.3


def test_fewer_are_asked_at_a_time_where_that_many_are_refused(byte_server: StartServer) -> None:
    """Those who pay nothing may ask one at a time: else most rows would be refusals."""
    is_alone, counting = threading.Event(), threading.Lock()
    refused: list[Exchange | None] = []

    def script(exchange: Exchange) -> None:
        with counting:
            is_refused = bool(refused) and not is_alone.is_set()
            refused.append(exchange if is_refused else None)
            if sum(map(bool, refused)) == 7 * 3:  # the others, as often as each tries
                is_alone.set()
        if is_refused:
            exchange.send(json_reply(429, {"error": {}}, [("retry-after-ms", "1")]))
        elif exchange.wait(is_alone):
            answers(exchange)

    server = byte_server(script)
    comparison = compare([*PROMPTS] * 4, "m", provider=url_of(server))
    assert [answer.state for answer in comparison] == ["complete"] * 20
    assert len(server.requests) == 20 + 7 * 3


def refuses(status: int, *headers: tuple[str, str]) -> Callable[[Exchange], None]:
    """A service that answers nobody."""
    return lambda exchange: exchange.send(
        json_reply(status, {"error": {"message": "not you"}}, headers)
    )


@pytest.mark.parametrize("refusal", [(401,), (429, ("Retry-After", "3600"))])
def test_a_refusal_that_holds_for_all_is_asked_for_once(
    byte_server: StartServer, service: ByteServer, refusal: Any
) -> None:
    """2,000 requests with a wrong key take long, and look like an attack."""
    strict = byte_server(refuses(*refusal))
    tasks = [
        Task(n, prompt, url, "m", url)
        for n, prompt in enumerate(PROMPTS)
        for url in (url_of(strict), url_of(service))
    ]
    outcomes = outcomes_of(tasks, concurrency=1)
    errors = {outcome.error for outcome in outcomes if outcome.label == url_of(strict)}
    assert len(strict.requests) == 1
    assert len(errors) == 1
    assert f"said {refusal[0]}" in errors.pop()
    assert len(service.requests) == 5


def test_a_missing_key_is_told_in_every_row() -> None:
    """The answers of the others are there, and so is what to do."""
    rows = compare(PROMPTS[:2], ["openai:m", "demo"]).rows()
    errors = [row["error"] for row in rows if row["model"] == "openai:m"]
    assert len(errors) == 2
    assert all("OPENAI_API_KEY is not set" in error for error in errors)
    assert [row["state"] for row in rows if row["model"] == "demo"] == ["complete"] * 2


def test_a_typing_error_is_found_before_anything_is_sent(service: ByteServer) -> None:
    """Half a grid would have been paid for."""
    with pytest.raises(UsageError, match="nosuch"):
        compare(PROMPTS, ["a", "b"], provider="nosuch")
    with pytest.raises(UsageError, match="names no model"):
        compare(PROMPTS, "a", provider=url_of(service), judge="?seed=1")
    with pytest.raises(UsageError, match="5 is no judge"):
        compare(PROMPTS, "a", provider=url_of(service), judge=5)  # type: ignore[arg-type]
    assert service.requests == []


def test_a_disk_that_fails_costs_no_answer(service: ByteServer, kernel: Kernel) -> None:
    """Where nothing can be kept, all can still be asked; and who asks is told."""
    Path(kernel.env["G4F_HOME"]).write_text("no folder")
    kernel.run(IMPORT)
    run = kernel.run(f"found = compare({PROMPTS}, 'a', provider='{url_of(service)}')")
    assert kernel.value("[answer.state for answer in found]") == ["complete"] * 5
    assert "answers were not kept: " in run.outputs[0]["data"]["text/plain"]


def test_a_fault_of_ours_comes_out(service: ByteServer) -> None:
    """Rows that are missing without a word would be taken for an answer."""
    grid = Grid([Task(0, "x", "m", "m", url_of(service), fields=5)])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        grid.arrived(20)


MEMORY = """
import gc, json, sys, tracemalloc
from g4f_magic.compare import compare
url, size = sys.argv[1], int(sys.argv[2])
texts = [str(number) * 5000 for number in range(size)]
compare(texts[:20], "m", provider=url, cache=False)
tracemalloc.start()
comparison = compare(texts, "m", provider=url, cache=False)
gc.collect()
print(json.dumps([len(comparison), tracemalloc.get_traced_memory()[0]]))
"""


def test_memory_holds_the_answers_and_nothing_of_the_requests(byte_server: StartServer) -> None:
    """A grid of 100,000 would end in the middle for want of memory."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("yes") + finish() + DONE) + END)

    server, size = byte_server(script), 120
    environment = clean_environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", MEMORY, url_of(server), str(size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    count, kept_bytes = json.loads(done.stdout)
    assert count == size
    assert kept_bytes / size < 1_500, "a request alone has more than 5,000"


MANY = [f"Question {number}?" for number in range(20)]


def held_from(first: int, gate: threading.Event) -> Callable[[Exchange], None]:
    """A service that goes no further than half of an answer from there on, until it may."""

    def script(exchange: Exchange) -> None:
        prompt, _ = asked_of(exchange)
        if gate.is_set() or int(re.findall(r"\d+", prompt)[0]) < first:
            answers(exchange)
        else:
            exchange.send(sse_head() + chunked(delta("half")))
            exchange.wait(gate, 60)
            exchange.send(chunked(delta(", and half") + finish() + DONE) + END)

    return script


def kept_answers(kernel: Kernel) -> int:
    """How many whole answers are in the cache of a kernel."""
    path = Path(kernel.env["G4F_HOME"]) / "chats.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as db, suppress(sqlite3.OperationalError):  # not yet
        found: int = db.execute("SELECT count(*) FROM cache").fetchone()[0]
        return found
    return 0


def cell(server: ByteServer, **options: Any) -> str:
    """A cell that asks twenty prompts of two models, four at a time."""
    told = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"compare({MANY}, ['a', 'b'], provider='{url_of(server)}', concurrency=4{told})"


def test_a_grid_that_is_killed_goes_on_where_it_was(
    byte_server: StartServer, kernel: Kernel
) -> None:
    """A kernel that dies at night must not have cost the money for nothing."""
    gate = threading.Event()
    server = byte_server(held_from(7, gate))
    kernel.run(IMPORT)
    kernel.start(cell(server))
    server.wait_for(lambda: kept_answers(kernel) == 14 and len(server.requests) == 18, timeout=20)
    kernel.restart()
    gate.set()
    kernel.run(IMPORT)
    run = kernel.run(f"found = {cell(server)}")
    assert run.error is None
    assert len(server.requests) == 18 + 26
    assert kernel.value("[answer.state for answer in found]") == ["complete"] * 40
    assert kernel.value("[row['cached'] for row in found.rows()]") == [True] * 14 + [False] * 26


def test_an_interrupted_grid_goes_on_where_it_was(byte_server: StartServer, kernel: Kernel) -> None:
    """■ is how one looks at what has come so far."""
    gate = threading.Event()
    server = byte_server(held_from(7, gate))
    kernel.run(IMPORT)
    running = kernel.start(cell(server), may_abort=False)
    running.until(lambda shown: "14 of 40" in json.dumps(shown))
    server.wait_for(lambda: len(server.requests) == 18, timeout=20)
    kernel.interrupt()
    run = running.finish()
    assert run.error is not None
    assert run.error.ename == "ComparisonStopped"
    goes_on = "the same call goes on from there; .comparison of this has what had arrived."
    assert run.error.traceback == [f"Stopped after 14 of 40; {goes_on}"]
    server.wait_for(lambda: all(exchange.done.is_set() for exchange in server.exchanges))
    kernel.run("import sys; stopped = sys.last_value.comparison")
    states = kernel.value("[(answer.state, answer.text == 'half') for answer in stopped]")
    assert states == [("complete", False)] * 14 + [("interrupted", True)] * 4
    gate.set()
    assert kernel.run(f"found = {cell(server)}").error is None
    assert len(server.requests) == 18 + 26
    kernel.run("%load_ext g4f_magic")
    chat = f"%%chat --alone --cache -p {url_of(server)} -m a\n{MANY[0]}"
    assert "cached" in json.dumps(kernel.run(chat).outputs)
    assert len(server.requests) == 18 + 26


def test_a_cell_shows_how_far_it_is_and_then_the_figures(
    byte_server: StartServer, shared_kernel: Kernel
) -> None:
    """Nobody waits for hours in front of nothing; and 6,000 columns are no table."""
    gate = threading.Event()
    server = byte_server(held_from(7, gate))
    shared_kernel.run(IMPORT)
    running = shared_kernel.start(cell(server, cache=False))
    running.until(lambda shown: "14 of 40" in json.dumps(shown))
    gate.set()
    server.wait_for(lambda: len(server.requests) >= 18)
    run = running.finish()
    assert run.error is None
    progress, result = run.outputs
    assert re.fullmatch(r"40 done in \d+ s", progress["data"]["text/plain"])
    page, text = result["data"]["text/html"], result["data"]["text/plain"]
    assert page.count("<tr>") == 1 + 2 + 1 + 10
    for shown in (page, text):
        assert "Question 4?" in shown
        assert "Question 5?" not in shown
        assert "… 30 more: .rows() and .to_dataframe() have all" in shown
    times = [message.at for message in run.messages if message.kind == "update_display_data"]
    assert all(after - before > 0.2 for before, after in pairwise(times[:-1]))


def test_a_terminal_shows_how_far_it_is_in_one_line(service: ByteServer, tmp_path: Path) -> None:
    """A script that runs for an hour would look as if it hung."""
    asked = f"compare({MANY}, 'a', provider='{url_of(service)}', cache=False)"
    code = f"{IMPORT}\nprint(repr({asked}))\ninput()"
    with Terminal([sys.executable, "-c", code], clean_environment(), tmp_path) as terminal:
        shown = terminal.wait_for("<Comparison of a: 20 of 20 complete>")
    assert re.match(r"20 done in \d+ s *\n<Comparison", shown)
