"""What an answer costs on the way to the front end, and that it survives rough handling."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    Exchange,
    chunked,
    delta,
    finish,
    sse_head,
    stream_script,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cell_run import CellRun
    from support.kernel import Kernel

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

SECTION = """## A heading

Some **text** about `things`, with *words* enough for a line or two of a paragraph on the page.

- one item of a list
- another item

```python
for number in range(10):
    print(number)
```

| a | b |
| --- | --- |
| 1 | 2 |

"""
TEXT = (SECTION * 120)[: 32 * 1024]
TOKENS = [TEXT[start : start + 4] for start in range(0, len(TEXT), 4)]


def ask(kernel: Kernel, server: ByteServer) -> CellRun:
    """Load the extension and run one chat cell to its end."""
    kernel.run("%load_ext g4f_magic")
    run = kernel.run(f"%%chat -p {server.url}/v1 -m m\nhi", cell_id="c", timeout=110)
    assert run.error is None
    assert TEXT.strip() in run.markdown
    return run


def most_in_a_second(run: CellRun) -> int:
    """The largest number of messages that came within any second."""
    times = [message.at for message in run.messages]
    return max(sum(start <= at < start + 1 for at in times) for start in times)


def test_an_answer_at_full_speed_is_sent_at_most_three_times(
    kernel: Kernel, byte_server: StartServer
) -> None:
    """The document needs the text twice; drawing on the way may not add much."""

    def at_once(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(b"".join(map(delta, TOKENS))))
        exchange.send(chunked(finish() + DONE) + END)

    run = ask(kernel, byte_server(at_once))
    assert run.iopub_bytes <= 3 * len(TEXT)
    assert most_in_a_second(run) <= 15


@pytest.mark.slow
def test_a_slow_answer_costs_little_more(kernel: Kernel, byte_server: StartServer) -> None:
    """100 tokens a second for 80 s, in a kernel that may be far away from its browser."""

    def paced(exchange: Exchange) -> None:
        exchange.send(sse_head())
        begin = time.perf_counter()
        for number, token in enumerate(TOKENS):
            exchange.send(chunked(delta(token)))
            if not exchange.sleep(max(0.0, begin + number / 100 - time.perf_counter())):
                return
        exchange.send(chunked(finish() + DONE) + END)

    run = ask(kernel, byte_server(paced))
    assert run.iopub_bytes <= 25 * len(TEXT)
    assert most_in_a_second(run) <= 15


@pytest.mark.slow
def test_interrupts_at_any_moment_leave_a_healthy_kernel(
    kernel: Kernel, byte_server: StartServer
) -> None:
    """■ is pressed whenever somebody has read enough, sometimes twice."""
    kernel.run("%load_ext g4f_magic")
    server = byte_server(stream_script(["word "] * 100, delay_s=0.01))
    seen: Counter[str] = Counter()
    choice = random.Random(7)  # noqa: S311  # moments, not secrets
    for number in range(60):
        running = kernel.start(f"%%chat -p {server.url}/v1 -m m\nturn {number}", cell_id="same")
        time.sleep(choice.uniform(0, 1.2))
        for _ in range(choice.choice([1, 1, 2, 3])):
            kernel.interrupt()
        run = running.finish(timeout=20)
        seen[run.error.ename if run.error else "complete"] += 1
        assert kernel.run("print('alive')").text.endswith("alive\n")
    assert set(seen) <= {"Stopped", "KeyboardInterrupt", "complete"}
    assert seen["Stopped"] > 30
    assert all(exchange.done.wait(5) for exchange in server.exchanges)
    assert "1 turn" in kernel.run("%chat").text
