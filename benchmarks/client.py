"""What Python programs pay for an answer: CPU time, waiting, memory, many streams at once.

As a script with ``serve`` it is the service: ``max_tokens`` of a request says how many
events of one character it gets.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import places
from figures import Absence, Figure, left_out, main
from service import Service, note
from support.byteserver import DONE, END, ByteServer, chunked, delta, finish, json_reply, sse_head
from support.environment import clean_environment

if TYPE_CHECKING:
    from figures import Finding
    from support.byteserver import Exchange

    Samples = dict[str, list[float]]

GPT4FREE = "g4f==8.8.6"
OPENAI = "openai==3.54.0"
LLM = "llm==0.36"
PEERS = (GPT4FREE, OPENAI, LLM)
EVENTS = 20_000
LONG = 200_000
FIRST_TOKENS = 21
STREAMS = 200
EVENTS_OF_EACH = 100
WRITE_BYTES = 16 * 1024
TIMEOUT_S = 300.0
MOST_OF_BARE = 2.0  # at least half as many events in a CPU second
# At least five times as many; of gpt4free half as many again, since it reads through aiohttp:
# a fifth of its time is less than bare httpx takes.
MOST_OF_PEER = {OPENAI: 0.2, LLM: 0.2, GPT4FREE: 0.66}
MOST_LATER_MS = 15  # than a bare client's first token
MOST_GROWTH_MB = 5
MOST_OF_BARE_TIME = 1.3

BARE = """
import asyncio, httpx, json

def content(line):
    if line.startswith("data: {"):
        for choice in json.loads(line[6:])["choices"]:
            return choice["delta"].get("content") or ""
    return ""

"""
#: How each library reads an answer of so many events; ``ask`` returns how many came.
SYNC = {
    "httpx": BARE
    + """
client = httpx.Client(timeout=60)

def ask(number, each=lambda: None):
    found = 0
    with client.stream("POST", URL + "/chat/completions", json=body(number)) as reply:
        for line in reply.iter_lines():
            if content(line):
                found += 1
                each()
    return found
""",
    "g4f_magic": """
from g4f_magic.client import Client
client = Client(URL)

def ask(number, each=lambda: None):
    found = 0
    for chunk in client.chat.completions.create(**body(number)):
        if chunk.choices[0].delta.content:
            found += 1
            each()
    return found
""",
    GPT4FREE: """
from g4f.client import Client
client = Client(base_url=URL, api_key="none")

def ask(number, each=lambda: None):
    found = 0
    for chunk in client.chat.completions.create(**body(number)):
        if chunk.choices[0].delta.content:
            found += 1
            each()
    return found
""",
    OPENAI: """
from openai import OpenAI
client = OpenAI(base_url=URL, api_key="none")

def ask(number, each=lambda: None):
    found = 0
    for chunk in client.chat.completions.create(**body(number)):
        if chunk.choices and chunk.choices[0].delta.content:
            found += 1
            each()
    return found
""",
    LLM: """
import os, pathlib, tempfile
folder = tempfile.TemporaryDirectory()
os.environ["LLM_USER_PATH"] = folder.name
pathlib.Path(folder.name, "extra-openai-models.yaml").write_text(
    f"- model_id: local\\n  model_name: m\\n  api_base: {URL}\\n"
)
import llm
model = llm.get_model("local")

def ask(number, each=lambda: None):
    found = 0
    for text in model.prompt("Go on.", max_tokens=number):
        if text:
            found += 1
            each()
    return found
""",
}
ASYNC = {
    "httpx": BARE
    + """
client = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None))

async def ask(number, each=lambda: None):
    found = 0
    async with client.stream("POST", URL + "/chat/completions", json=body(number)) as reply:
        async for line in reply.aiter_lines():
            if content(line):
                found += 1
                each()
    return found
""",
    "g4f_magic": """
import asyncio
from g4f_magic.client import AsyncClient
client = AsyncClient(URL)

async def ask(number, each=lambda: None):
    found = 0
    async for chunk in client.chat.completions.create(**body(number)):
        if chunk.choices[0].delta.content:
            found += 1
            each()
    return found
""",
}
START = """
import json, sys, time
URL = {url!r}

def body(number):
    said = [{{"role": "user", "content": "Go on."}}]
    return {{"model": "m", "messages": said, "stream": True, "max_tokens": number}}
"""
#: What is done with it; each prints one figure.
CPU = """
def measure():
    assert ask(200) == 200
    start = time.process_time()
    assert ask({number}) == {number}
    return (time.process_time() - start) * 1e6 / {number}
print(json.dumps(measure()))
"""
FIRST = """
def first_ms():
    seen = []
    start = time.perf_counter()
    assert ask(20, lambda: seen or seen.append(time.perf_counter())) == 20
    return (seen[0] - start) * 1000
print(json.dumps(sorted(first_ms() for _ in range({number}))[{number} // 2]))
"""
ASYNC_CPU = """
async def measure():
    assert await ask(200) == 200
    start = time.process_time()
    assert await ask({number}) == {number}
    return (time.process_time() - start) * 1e6 / {number}
print(json.dumps(asyncio.run(measure())))
"""
MEMORY = """
import psutil
process, seen, sizes = psutil.Process(), 0, []

def watch():
    global seen
    seen += 1
    if seen >= {number} // 4 and seen % ({number} // 40) == 0:
        sizes.append(process.memory_info().rss)
"""
SYNC_GROWTH = """
assert ask({number}, watch) == {number}
print(json.dumps((max(sizes) - sizes[0]) / 1e6))
"""
ASYNC_GROWTH = """
assert asyncio.run(ask({number}, watch)) == {number}
print(json.dumps((max(sizes) - sizes[0]) / 1e6))
"""
MANY = """
async def measure():
    await ask(200)
    start = time.perf_counter()
    found = await asyncio.gather(*(ask({number}) for _ in range({streams})))
    assert found == [{number}] * {streams}
    return time.perf_counter() - start
print(json.dumps(asyncio.run(measure())))
"""


class Counting(Service):
    """The service of this script, in its own process."""

    def __init__(self) -> None:
        super().__init__()
        self._command = [sys.executable, str(Path(__file__)), "serve"]


def measure(*, quick: bool) -> list[Finding]:
    """Ratios with a limit each, and the quantities behind them."""
    rounds = 3 if quick else 7
    absent: list[Absence] = []
    pythons = {"httpx": Path(sys.executable), "g4f_magic": Path(sys.executable)}
    with Counting() as service:
        url = service.base_url
        for name in PEERS:
            with left_out(name, absent):
                python = places.peer_python(name)
                run(url, SYNC[name] + CPU, python, number=EVENTS_OF_EACH)
                pythons[name] = python
        found = [*events(url, pythons, rounds), *first_tokens(url, pythons, rounds)]
        return [*found, *memory(url, quick=quick), *many(url, rounds), *absent]


def events(url: str, pythons: dict[str, Path], rounds: int) -> list[Figure]:
    """CPU time of one event: ours in the middle of what it is held against."""
    sync: Samples = {name: [] for name in pythons}
    other: Samples = {"httpx": [], "g4f_magic": []}
    for _ in range(rounds):
        for name, samples in sync.items():
            samples.append(run(url, SYNC[name] + CPU, pythons[name], number=EVENTS))
        for name, samples in other.items():
            samples.append(run(url, ASYNC[name] + ASYNC_CPU, number=EVENTS))
    found: list[Figure] = []
    for title, ours, them in (
        ("Client", sync["g4f_magic"], {**sync}),
        ("AsyncClient", other["g4f_magic"], {**sync, **other}),
    ):
        for name, theirs in them.items():
            if name != "g4f_magic":
                limit = MOST_OF_PEER.get(name, MOST_OF_BARE)
                found += against(f"{title}, {EVENTS} events", ours, theirs, named(name), limit)
    return found


def first_tokens(url: str, pythons: dict[str, Path], rounds: int) -> list[Figure]:
    """From the call to the first token of a warm client, the median of a process."""
    found: Samples = {name: [] for name in pythons}
    for _ in range(rounds):
        for name, samples in found.items():
            samples.append(run(url, SYNC[name] + FIRST, pythons[name], number=FIRST_TOKENS))
    ours, title = found.pop("g4f_magic"), "Client, first token of a warm client"
    later = [one - bare for one, bare in zip(ours, found["httpx"], strict=True)]
    return [
        *(Figure(title, "ms", ours, theirs, named(name)) for name, theirs in found.items()),
        Figure("… later than bare httpx", "ms", later, limit=MOST_LATER_MS),
    ]


def named(name: str) -> str:
    """What a library is called in the table."""
    return "bare httpx and json.loads" if name == "httpx" else name


def against(
    title: str, ours: list[float], theirs: list[float], name: str, limit: float
) -> list[Figure]:
    """Events in a CPU second, and how much of another's CPU time one of ours takes."""
    rates, baseline = ([1e6 / one for one in samples] for samples in (ours, theirs))
    shares = [one / other for one, other in zip(ours, theirs, strict=True)]
    return [
        Figure(title, "events per CPU s", rates, baseline, name),
        Figure(f"… CPU time / that of {name}", "×", shares, limit=limit),
    ]


def memory(url: str, *, quick: bool) -> list[Figure]:
    """Growth of the process while a very long answer is read and not kept."""
    name = f"{LONG} events, growth after the first {LONG // 4}"
    times = 1 if quick else 3
    codes = {
        "Client": SYNC["g4f_magic"] + MEMORY + SYNC_GROWTH,
        "AsyncClient": ASYNC["g4f_magic"] + MEMORY + ASYNC_GROWTH,
    }
    return [
        Figure(
            f"{title}, {name}",
            "MB",
            [run(url, code, number=LONG) for _ in range(times)],
            limit=MOST_GROWTH_MB,
            judged="worst",
        )
        for title, code in codes.items()
    ]


def many(url: str, rounds: int) -> list[Figure]:
    """Seconds until the last of many answers is whole."""
    found: dict[str, list[float]] = {"g4f_magic": [], "httpx": []}
    for _ in range(rounds):
        for name, samples in found.items():
            code = ASYNC[name] + MANY
            samples.append(run(url, code, number=EVENTS_OF_EACH, streams=STREAMS))
    ours, bare = found.values()
    name = f"AsyncClient, {STREAMS} streams at once, {EVENTS_OF_EACH} events each"
    shares = [one / other for one, other in zip(ours, bare, strict=True)]
    return [
        Figure(name, "s", ours, bare, "bare httpx and json.loads"),
        Figure("… time / that of bare httpx", "×", shares, limit=MOST_OF_BARE_TIME),
    ]


def run(url: str, code: str, python: Path | None = None, **numbers: int) -> float:
    """The figure that a program prints, in a process of its own."""
    filled = START.format(url=url) + fill(code, numbers)
    command = [str(python or sys.executable), "-c", filled]
    done = subprocess.run(
        command,
        env={**clean_environment(), "HOME": str(places.PEERS)},  # gpt4free writes there
        cwd=places.PEERS,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: float = json.loads(done.stdout.splitlines()[-1])
    return found


def fill(code: str, numbers: dict[str, int]) -> str:
    """The program with its numbers; other braces are its own."""
    for name, value in numbers.items():
        code = code.replace(f"{{{name}}}", str(value))
    return code


def answer(exchange: Exchange) -> None:
    """As many events as were asked for, each in an HTTP chunk of its own, many in a write."""
    if exchange.request.method == "GET":  # gpt4free looks for the model first
        exchange.send(json_reply(200, {"object": "list", "data": [{"id": "m"}]}))
        return
    number: int = exchange.request.json["max_tokens"]
    piece = chunked(delta("x"))
    in_a_write = WRITE_BYTES // len(piece)
    exchange.send(sse_head())
    for start in range(0, number, in_a_write):
        exchange.send(piece * min(in_a_write, number - start))
    exchange.send(chunked(finish() + DONE) + END)


def serve() -> None:
    """Serves until the process is ended."""
    with ByteServer(answer) as server:
        note("listening", port=server.port)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        sys.exit(main(measure))
