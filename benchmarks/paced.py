"""What a cell publishes while an answer comes at the speed of a model."""

from __future__ import annotations

import sys
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor

import places  # noqa: F401  # before the harness
from answer_text import answer_text, tokens
from cells import cell_id, chat_cell, run
from figures import Figure, main
from service import Service
from support.kernel import Kernel

RATE = 100
SESSIONS = 5  # side by side: each takes a few percent of a core
LIMIT_RATIO = 25  # of the whole 80 s: a short answer bears more of what is sent once
LIMIT_MESSAGES = 15


def measure(*, quick: bool) -> list[Figure]:
    """Published bytes and messages of each session."""
    seconds = 20 if quick else 80
    number = RATE * seconds
    size_bytes = len("".join(tokens(answer_text())[:number]))

    def session(index: int) -> tuple[float, float]:
        with Kernel() as kernel:
            run(kernel, "%load_ext g4f_magic")
            done = run(kernel, chat_cell(service.base_url), cell_id(index), timeout=seconds + 60)
            times = [message.at for message in done.messages]
            return done.iopub_bytes / size_bytes, most_in_a_second(times)

    with Service("paced", RATE, number) as service, ThreadPoolExecutor(SESSIONS) as pool:
        found = list(pool.map(session, range(SESSIONS)))
    ratios, most = ([pair[i] for pair in found] for i in (0, 1))
    name = f"{RATE} tokens/s for {seconds} s: published bytes / answer bytes"
    return [
        Figure(name, "×", ratios, limit=None if quick else LIMIT_RATIO, judged="worst"),
        Figure("… most messages in one second", "", most, limit=LIMIT_MESSAGES, judged="worst"),
    ]


def most_in_a_second(times: list[float]) -> int:
    """The largest number of (sorted) times in any window of one second."""
    return max(bisect_left(times, start + 1) - index for index, start in enumerate(times))


if __name__ == "__main__":
    sys.exit(main(measure))
