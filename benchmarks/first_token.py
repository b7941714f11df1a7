"""How soon the first word of an answer is visible, from the second chat of a session on."""

from __future__ import annotations

import sys
import time

import places  # noqa: F401  # before the harness
from cells import bare_ms, cell_id, chat_cell, first_shown_ms, run, set_up
from figures import Figure, main
from service import Service
from support.kernel import Kernel

LIMIT_MS = 15
PAIRS = 5  # of a chat and a bare request, in each session


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds from sending a cell."""
    cold: list[float] = []
    first: list[float] = []
    ours: list[float] = []
    bare: list[float] = []
    empty: list[float] = []
    with Service("paced", 100, 20) as service:
        for _ in range(5 if quick else 9):
            with Kernel() as kernel:
                run(kernel, "%load_ext g4f_magic")
                cold.append(chat_ms(kernel, service.base_url, 0))
            with Kernel() as kernel:
                set_up(kernel)
                time.sleep(2)  # as long as one types; the warm-up has run
                first.append(chat_ms(kernel, service.base_url, 0))
                bare_ms(kernel, service.base_url)
                for number in range(1, PAIRS + 1):
                    empty.append(run(kernel, "pass").duration_s * 1000)
                    ours.append(chat_ms(kernel, service.base_url, number))
                    bare.append(bare_ms(kernel, service.base_url))
    second = ours[::PAIRS]
    net = [one - none for one, none in zip(ours, empty, strict=True)]
    later = [one - other for one, other in zip(ours, bare, strict=True)]
    return [
        Figure("first token, chats 2 to 6 of a session", "ms", ours, bare, "bare warm httpx"),
        Figure("… only the second", "ms", second, bare[::PAIRS], "bare warm httpx"),
        Figure("… less an empty cell", "ms", net),
        Figure("… later than the bare client", "ms", later, limit=LIMIT_MS),
        Figure("first token, first chat, 2 s after loading", "ms", first),
        Figure("first token, first chat, at once after loading", "ms", cold),
    ]


def chat_ms(kernel: Kernel, base_url: str, number: int) -> float:
    """Until the first message that shows the first word."""
    done = run(kernel, chat_cell(base_url), cell_id(number))
    return first_shown_ms(done)


if __name__ == "__main__":
    sys.exit(main(measure))
