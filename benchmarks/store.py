"""What a long conversation costs: to append a turn, and to go on after a restart."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import places  # noqa: F401  # before the package
from answer_text import answer_text
from figures import Figure, main

from g4f_magic.messages import Answer, Usage
from g4f_magic.store.saved import SavedTurn
from g4f_magic.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (10, 1_000, 10_000)
IN_FORCE = 20
APPENDED = 5  # turns, in each round
LIMIT_RATIO = 1.5
LIMIT_READY_MS = 50
NOTEBOOK = "/home/ada/notebook.ipynb"
PROMPT = "What does the second paragraph say about memory, and is it true?"
ANSWER = Answer(
    text=answer_text(2048),
    usage=Usage(400, 500),
    model="m",
    provider="p",
    request={"model": "m", "stream": True},
)


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds; the sizes take turns, so that all see the same machine."""
    rounds = 11 if quick else 41
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder) / f"{size}.db" for size in SIZES}
        for size, path in paths.items():
            write(path, size)
        ready = readiness(paths[SIZES[-1]], rounds)
        appended: dict[int, list[float]] = {size: [] for size in SIZES}
        for _ in range(rounds):
            for size, path in paths.items():
                appended[size].append(append_ms(path))
    first, last = appended[SIZES[0]], appended[SIZES[-1]]
    ratios = [long / short for long, short in zip(last, first, strict=True)]
    figures = [
        Figure(f"append a turn to {size:,}, prompt and answer", "ms", samples)
        for size, samples in appended.items()
    ]
    figures.append(
        Figure(f"… to {SIZES[-1]:,} / to {SIZES[0]}", "×", ratios, limit=LIMIT_RATIO),
    )
    return figures + ready


def write(path: Path, size: int) -> None:
    """A conversation of so many turns, of which the last few are in force; and all of them."""
    store = Store(path)
    for number in range(size):
        for name in ("main", "all in force"):
            turn = SavedTurn(
                prompt=PROMPT,
                starts_afresh=name == "main" and number == size - IN_FORCE,
                cell_id=f"cell-{number}",
                execution=f"execution-{number}",
                answer=ANSWER,
            )
            store.begin(NOTEBOOK, name, turn)
    store.close()


def append_ms(path: Path) -> float:
    """What the disk takes for one turn, in a database that is open."""
    store = Store(path)
    store.turns(NOTEBOOK, "none")
    started = time.perf_counter()
    for _ in range(APPENDED):
        store.finish(store.begin(NOTEBOOK, "main", SavedTurn(prompt=PROMPT)), ANSWER)
    took = time.perf_counter() - started
    for _ in range(APPENDED):
        store.undo(NOTEBOOK, "main")
    store.close()
    return took / APPENDED * 1000


def readiness(path: Path, rounds: int) -> list[Figure]:
    """From a path to what the next prompt is sent with, and to what can be shown."""

    def open_and(
        read: Callable[[Store], list[object] | tuple[object, ...]], expected: int
    ) -> list[float]:
        found = []
        for _ in range(rounds):
            started = time.perf_counter()
            store = Store(path)
            size = len(read(store))
            found.append((time.perf_counter() - started) * 1000)
            assert size == expected
            store.close()
        return found

    whole = SIZES[-1]
    sent = open_and(lambda store: store.history(NOTEBOOK, "main", "new", "1").said, IN_FORCE)
    sent_all = open_and(
        lambda store: store.history(NOTEBOOK, "all in force", "new", "1").said, whole
    )
    shown = open_and(lambda store: list(store.turns(NOTEBOOK, "main", last=IN_FORCE)), IN_FORCE)
    loaded = open_and(lambda store: list(store.turns(NOTEBOOK, "main")), whole)
    of = f"of {whole:,} turns"
    return [
        Figure(
            f"ready for the next prompt, {IN_FORCE} {of} in force", "ms", sent, limit=LIMIT_READY_MS
        ),
        Figure("… all in force", "ms", sent_all),
        Figure(f"open and read the last {IN_FORCE} {of}", "ms", shown),
        Figure(f"… all {of}", "ms", loaded),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
