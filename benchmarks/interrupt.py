"""How soon an interrupt gives the kernel back and ends the paid stream."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import places  # noqa: F401  # before the harness
from cells import cell_id, chat_cell, run
from figures import Figure, main
from service import Service
from support.kernel import Kernel

if TYPE_CHECKING:
    from support.kernel import RunningCell

TIMES = 10
LIMIT_IDLE_MS = 500
LIMIT_CLOSED_MS = 100
ANYTHING = 0.3  # seconds from the moment waited for to the interrupt, and a little more each time


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds from the signal, in three situations."""
    del quick  # it takes half a minute
    figures: list[Figure] = []
    situations = (
        ("at 50 tokens/s", ("paced", 50, 3000), "tokens"),
        ("before the first token", ("silent",), "waiting"),
        ("in a pause before a retry", ("busy", 5), "again in"),
    )
    with Kernel() as kernel:
        run(kernel, "%load_ext g4f_magic")
        for situation, scenario, shown in situations:
            with Service(*scenario) as service:
                idle, closed = interrupts(kernel, service, shown)
            name = f"interrupt {situation}: kernel idle after"
            figures.append(Figure(name, "ms", idle, limit=LIMIT_IDLE_MS))
            if closed:
                after = "… connection closed after"
                figures.append(Figure(after, "ms", closed, limit=LIMIT_CLOSED_MS))
    return figures


def interrupts(kernel: Kernel, service: Service, shown: str) -> tuple[list[float], list[float]]:
    """Milliseconds until idle and until closed; nothing is open in a pause."""
    idle: list[float] = []
    closed: list[float] = []
    for number in range(TIMES + 1):
        cell = kernel.start(chat_cell(service.base_url, "--new"), cell_id(number))
        cell.until(lambda outputs: shown in str(outputs))
        time.sleep(ANYTHING + number * 0.037)
        sent_at = time.perf_counter()
        kernel.interrupt()
        finished_at = stopped_at(cell)
        run(kernel, "pass")
        if number:  # the first round warms up
            idle.append((finished_at - sent_at) * 1000)
        if shown != "again in":
            closed_at = service.wait_for("closed", number + 1)
            if number:
                closed.append((closed_at - sent_at) * 1000)
    return idle, closed


def stopped_at(cell: RunningCell) -> float:
    """When the cell had ended, as an interrupted one does."""
    done = cell.finish()
    assert done.finished_at is not None
    assert done.error is not None, done.outputs
    assert done.error.ename == "Stopped", done.error
    return done.finished_at


if __name__ == "__main__":
    sys.exit(main(measure))
