"""What those who ask from a cell pay for the same answers, each in its own environment."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import places  # noqa: F401  # before the harness
from adapters import CELLMAGE, CHATLAB, OURS, PEERS, Adapter, Asker, kernel_of
from answer_text import SIZE_BYTES, answer_text, tokens
from cells import bare_cell, bare_ms, first_shown_ms, run, set_up_bare
from figures import Absence, Figure, in_turn, left_out, main
from service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from figures import Finding

    T = TypeVar("T")

#: What the service is asked for: tokens a second, and how many.
SHORT = "paced 100 20"
LONG = "paced 100 2000"
ENDLESS = "paced 50 3000"
STREAMING = (CELLMAGE.name, CHATLAB.name)  # the others show nothing before all is there
LIMIT_LATER_MS = 15
LEAST_FASTER = 20
LEAST_SMALLER = 1000
STILL_OPEN_S = 5.0


class Field:
    """Ours and those it is held against; who fails is left out from then on."""

    def __init__(self, stack: ExitStack, service: Service) -> None:
        self.service = service
        self.absent: list[Absence] = []
        self.ours = self._start(OURS, stack)
        set_up_bare(self.ours.kernel)
        self._askers = {OURS.name: self.ours}
        for adapter in PEERS:
            with left_out(adapter.name, self.absent):
                self._askers[adapter.name] = self._start(adapter, stack)

    def in_turn(self, rounds: int, take: Callable[[Asker], T]) -> dict[str, list[T]]:
        """So many samples of each, ours first."""
        takes = {name: partial(take, asker) for name, asker in self._askers.items()}
        return in_turn(takes, rounds, self.absent)

    def at_once(self, take: Callable[[Asker], T]) -> dict[str, list[T]]:
        """One sample of each, taken side by side."""
        gone = {absence.name for absence in self.absent}
        here = {name: asker for name, asker in self._askers.items() if name not in gone}
        with ThreadPoolExecutor() as pool:
            began = {name: pool.submit(take, asker) for name, asker in here.items()}
        return in_turn({name: one.result for name, one in began.items()}, 1, self.absent)

    def _start(self, adapter: Adapter, stack: ExitStack) -> Asker:
        url = self.service.base_url
        asker = Asker(adapter, stack.enter_context(kernel_of(adapter, url)), url)
        asker.ask(SHORT)  # warms up
        return asker


def measure(*, quick: bool) -> list[Finding]:
    """Milliseconds, seconds and bytes of all of them, in turn."""
    with Service("as-asked") as service, ExitStack() as stack:
        field = Field(stack, service)
        return [
            *first_tokens(field, 5 if quick else 15),
            *full_speed(field, 2 if quick else 3),
            *paced(field),
            *interrupts(field, 1 if quick else 3),
            *field.absent,
        ]


def first_tokens(field: Field, rounds: int) -> list[Figure]:
    """From sending the cell to the first output with the first word."""
    kernel, url = field.ours.kernel, field.service.base_url
    bare_ms(kernel, url, SHORT)
    bare: list[float] = []

    def taken(asker: Asker) -> float:
        if asker is field.ours:
            bare.append(bare_ms(kernel, url, SHORT))
        return first_shown_ms(asker.ask(SHORT))

    found = field.in_turn(rounds, taken)
    ours = found[OURS.name]
    later = [one - other for one, other in zip(ours, bare, strict=True)]
    return [
        *against("first token shown", "ms", {OURS.name: ours, "bare httpx": bare, **found}),
        Figure("… later than bare httpx", "ms", later, limit=LIMIT_LATER_MS),
    ]


def full_speed(field: Field, rounds: int) -> list[Figure]:
    """Until the cell ends, and all that it published."""
    # The service prepares the answer when it is first asked for: at nobody's cost.
    run(field.ours.kernel, bare_cell(field.service.base_url, "count_bytes", "full"))

    def taken(asker: Asker) -> tuple[float, float]:
        done = asker.ask("full")
        assert done.iopub_bytes > SIZE_BYTES, f"not the whole answer: {done.outputs}"
        return done.duration_s, done.iopub_bytes / SIZE_BYTES

    found = field.in_turn(rounds, taken)
    seconds = {name: [sample[0] for sample in samples] for name, samples in found.items()}
    sizes = {name: [sample[1] for sample in samples] for name, samples in found.items()}
    return [
        *against("32 KB at full speed, the cell", "s", seconds),
        *times("… times as fast as", seconds, LEAST_FASTER),
        *against("… published bytes / answer bytes", "×", sizes),
        *times("… that of others / ours:", sizes, LEAST_SMALLER),
    ]


def paced(field: Field) -> list[Figure]:
    """All that is published while an answer comes at the speed of a model."""
    said = tokens(answer_text())[: int(LONG.rsplit(maxsplit=1)[-1])]
    size_bytes = len("".join(said))
    found = field.at_once(lambda asker: asker.ask(LONG).iopub_bytes / size_bytes)
    return against("100 tokens/s for 20 s: published bytes / answer bytes", "×", found)


def interrupts(field: Field, rounds: int) -> list[Figure]:
    """From SIGINT to the end of the cell, and to that of the connection."""
    found = field.in_turn(rounds, lambda asker: interrupted(asker, field.service))
    idle = {name: [sample[0] for sample in samples] for name, samples in found.items()}
    closed = {name: [sample[1] for sample in samples] for name, samples in found.items()}
    waited = f"{STILL_OPEN_S * 1000:.0f}: not closed"
    return [
        *against("interrupt at 50 tokens/s: kernel idle after", "ms", idle),
        *against(f"… connection closed after ({waited})", "ms", closed),
    ]


def interrupted(asker: Asker, service: Service) -> tuple[float, float]:
    """Milliseconds until both; those of the connection end with the waiting for it."""
    number = len(service.times("request")) + 1
    cell = asker.start(ENDLESS)
    service.wait_for("request", number)
    time.sleep(1)  # a second's tokens have come
    sent_at = time.perf_counter()
    asker.kernel.interrupt()
    finished_at = cell.finish().finished_at
    assert finished_at is not None
    assert finished_at > sent_at, "the cell had ended by itself"
    closed_at = service.closed_at(number, STILL_OPEN_S) or sent_at + STILL_OPEN_S
    run(asker.kernel, "pass")
    return (finished_at - sent_at) * 1000, (closed_at - sent_at) * 1000


def against(name: str, unit: str, found: dict[str, list[float]]) -> list[Figure]:
    """Ours once for each of the others."""
    ours = found[OURS.name]
    others = [other for other in found if other != OURS.name]
    rows = [name, *["… the same"] * len(others)]
    return [
        Figure(row, unit, ours, found[other], other)
        for row, other in zip(rows, others, strict=False)
    ]


def times(name: str, found: dict[str, list[float]], least: float) -> list[Figure]:
    """How many times ours goes into that of those who stream, in each round."""
    return [
        Figure(
            f"{name} {other}",
            "×",
            [theirs / ours for theirs, ours in zip(found[other], found[OURS.name], strict=True)],
            limit=least,
            is_least=True,
        )
        for other in STREAMING
        if other in found
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
