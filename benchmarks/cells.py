"""The cells that are timed: a chat, and the same request by a bare client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from answer_text import FIRST_WORD

if TYPE_CHECKING:
    from support.kernel import CellRun, Kernel

#: A warm client, and three ways to read an answer with it.
BARE_SETUP = f"""
import httpx, json, time
client = httpx.Client(timeout=60)

def ask(url, read, prompt="Go on."):
    messages = [{{"role": "user", "content": prompt}}]
    body = {{"model": "test", "messages": messages, "stream": True}}
    with client.stream("POST", url + "/chat/completions", json=body) as reply:
        return read(reply)

def first_at(reply):
    found = None
    for chunk in reply.iter_bytes():
        if found is None and {FIRST_WORD.encode()!r} in chunk:
            found = time.perf_counter()
    return found

def count_bytes(reply):
    return sum(map(len, reply.iter_bytes()))

def join_text(reply):
    text = ""
    for line in reply.iter_lines():
        if line.startswith("data: {{"):
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
    return text
"""


def chat_cell(base_url: str, *options: str) -> str:
    """A ``%%chat`` cell for the local service."""
    return f"%%chat -p {base_url} -m test {' '.join(options)}\nGo on."


def cell_id(number: int) -> str | None:
    """A name for every second cell: some front ends give one, some do not."""
    return f"cell-{number}" if number % 2 else None


def bare_cell(base_url: str, reader: str, prompt: str = "Go on.") -> str:
    """The same request by a bare, warm client; its result is in ``found``."""
    return f"found = ask({base_url!r}, {reader}, {prompt!r})"


def run(kernel: Kernel, code: str, name: str | None = None, timeout: float = 60.0) -> CellRun:
    """Runs a cell that has to succeed."""
    done = kernel.run(code, cell_id=name, timeout=timeout)
    if (error := done.error) is not None:
        text = [f"{error.ename}: {error.evalue}", code, *error.traceback]
        raise RuntimeError("\n".join(text))
    return done


def bare_ms(kernel: Kernel, base_url: str, prompt: str = "Go on.") -> float:
    """Until the chunk with the first word is in a variable of the cell."""
    done = run(kernel, bare_cell(base_url, "first_at", prompt))
    found_at: float = kernel.value("found")
    return (found_at - done.started_at) * 1000


def first_shown_ms(done: CellRun) -> float:
    """Until the first output with the first word came, whatever kind of output."""
    for message in done.messages:
        if FIRST_WORD in str(message.content):
            return (message.at - done.started_at) * 1000
    text = f"the answer was never shown: {done.outputs}"
    raise RuntimeError(text)


def set_up(kernel: Kernel) -> None:
    """Loads the extension and the bare client."""
    run(kernel, "%load_ext g4f_magic")
    set_up_bare(kernel)


def set_up_bare(kernel: Kernel) -> None:
    """Makes the bare client, and sees that clocks can be compared."""
    run(kernel, BARE_SETUP)
    before = time.perf_counter()
    there: float = kernel.value("time.perf_counter()")
    assert before <= there <= time.perf_counter(), "the kernel's clock counts from elsewhere"
