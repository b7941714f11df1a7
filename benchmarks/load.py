"""What ``%load_ext g4f_magic`` costs in a kernel that has loaded nothing else."""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import places
from cells import run
from figures import Figure, main
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PEER = "jupyter-ai-magic-commands==0.0.4"
PEER_EXTENSION = "jupyter_ai_magic_commands"
HEAVY = ("httpx", "ipywidgets", "markdown_it", "pydantic")
LIMIT_MS = 50
LIMIT_MB = 5
LIMIT_TAKEN_MS = 2  # by other threads while a cell works right after loading
LIMIT_STEP_MS = 100  # where a step of the warm-up was under way: it is finished

TIMED = """
import psutil, sys, time
_process = psutil.Process()
_bytes = _process.memory_info().rss
_start = time.perf_counter()
{statement}
_found = (time.perf_counter() - _start) * 1000
_found = (_found, (_process.memory_info().rss - _bytes) / 1e6,
          len([name for name in {heavy} if name in sys.modules]))
"""

WORK = """
import time
_start = time.perf_counter()
_used = time.process_time(), time.thread_time()
_sum = 0
for _i in range(1_500_000):
    _sum += _i
_used = (time.process_time() - _used[0]) - (time.thread_time() - _used[1])
_found = (time.perf_counter() - _start) * 1000, max(0.0, _used * 1000)
"""
#: The warm-up takes a step when the kernel was idle for 0.3 s: cells that begin just then.
STEP_PAUSES_S = (0.293, 0.296, 0.299, 0.302) * 2


class PeerKernel(Kernel):
    """A kernel of another environment."""

    def __init__(self, python: Path | str) -> None:
        super().__init__()
        self._python = str(python)

    def __enter__(self) -> Kernel:
        """Starts it; the harness takes the running interpreter's path when it does."""
        own, sys.executable = sys.executable, self._python
        try:
            return super().__enter__()
        finally:
            sys.executable = own


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds and megabytes inside the kernel, then what the warm-up takes from a cell."""
    return [*loads(5 if quick else 9), *warm_ups(3 if quick else 9)]


def loads(rounds: int) -> list[Figure]:
    """The extension against a peer and against the HTTP library alone, in turn."""
    own = sys.executable
    candidates = {
        "ours": (own, "%load_ext g4f_magic"),
        "import httpx": (own, "import httpx"),
        "import httpx; httpx.Client()": (own, "import httpx; httpx.Client()"),
    }
    peer = places.peer_python(PEER, f"ipykernel=={version('ipykernel')}")
    if peer is not None:
        candidates[PEER] = (str(peer), f"%load_ext {PEER_EXTENSION}")
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, (python, statement) in candidates.items():
            sample = timed(python, statement)
            if number:  # the first round writes bytecode
                found[name].append(sample)
    figures: list[Figure] = []
    ours = found.pop("ours")
    quantities = ("%load_ext", "ms", LIMIT_MS), ("… resident memory", "MB", LIMIT_MB)
    for index, (name, unit, limit) in enumerate(quantities):
        samples = [sample[index] for sample in ours]
        figures.append(Figure(name, unit, samples, limit=limit))
        for other, theirs in found.items():
            baseline = [sample[index] for sample in theirs]
            figures.append(Figure("… the same", unit, samples, baseline, other))
    heavy = [sample[2] for sample in ours]
    name = f"… of {', '.join(HEAVY)} loaded"
    return [*figures, Figure(name, "", heavy, limit=0, judged="worst")]


def timed(python: str, statement: str) -> tuple[float, float, int]:
    """Milliseconds, megabytes and heavy modules of a statement in a new kernel."""
    with PeerKernel(python) as kernel:
        run(kernel, TIMED.format(statement=statement, heavy=HEAVY))
        found: tuple[float, float, int] = kernel.value("_found")
        return found


def warm_ups(rounds: int) -> list[Figure]:
    """How long a busy cell takes, and what other threads take meanwhile, by warming up."""
    at_once: list[tuple[float, float]] = []
    alone: list[tuple[float, float]] = []
    in_steps: list[tuple[float, float]] = []
    for _ in range(rounds):
        alone += busy_cells("pass", [0])
        at_once += busy_cells("%load_ext g4f_magic", [0])
        in_steps += busy_cells("%load_ext g4f_magic", STEP_PAUSES_S)
    name = "nothing loaded"
    wall = [sample[0] for sample in alone]
    taken = [sample[1] for sample in in_steps]
    return [
        Figure("a busy cell right after loading", "ms", [s[0] for s in at_once], wall, name),
        Figure(
            "… CPU time of other threads",
            "ms",
            [sample[1] for sample in at_once],
            [sample[1] for sample in alone],
            name,
            LIMIT_TAKEN_MS,
        ),
        Figure("… while a warm-up's step ends", "ms", taken, limit=LIMIT_STEP_MS, judged="worst"),
    ]


def busy_cells(statement: str, pauses_s: Sequence[float]) -> list[tuple[float, float]]:
    """Milliseconds, and those of other threads, of busy cells after a statement and pauses."""
    with Kernel() as kernel:
        run(kernel, statement)
        found: list[tuple[float, float]] = []
        for pause_s in pauses_s:
            time.sleep(pause_s)
            run(kernel, WORK)
            found.append(kernel.value("_found"))
        return found


if __name__ == "__main__":
    sys.exit(main(measure))
