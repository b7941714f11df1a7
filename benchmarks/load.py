"""What ``%load_ext g4f_magic`` costs in a kernel that has loaded nothing else."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import places  # noqa: F401  # before the harness
from adapters import JUPYTER_AI, OURS, PEERS, START_TIMEOUT_S, Adapter, kernel_of
from cells import run
from figures import Absence, Figure, in_turn, main
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Finding

HEAVY = ("httpx", "ipywidgets", "markdown_it", "pydantic")
BARE = ("import httpx", "import httpx; httpx.Client()")
LIMIT_MS = 50
LIMIT_MB = 5
LEAST_FASTER = 20
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


def measure(*, quick: bool) -> list[Finding]:
    """Milliseconds and megabytes inside the kernel, then what the warm-up takes from a cell."""
    return [*loads(5 if quick else 7), *warm_ups(3 if quick else 9)]


def loads(rounds: int) -> list[Finding]:
    """The extension against its peers and against the HTTP library alone, in turn."""
    absent: list[Absence] = []
    bare = (Adapter(each, (), each, ask="") for each in BARE)
    takes = {adapter.name: partial(timed, adapter) for adapter in (OURS, *bare, *PEERS)}
    in_turn(takes, 1, absent)  # writes bytecode
    return [*figures(in_turn(takes, rounds, absent)), *absent]


def figures(found: dict[str, list[tuple[float, float, int]]]) -> list[Figure]:
    """Ours with its limits, then once for each of the others."""
    rows: list[Figure] = []
    ours = found[OURS.name]
    quantities = ("%load_ext", "ms", LIMIT_MS), ("… resident memory", "MB", LIMIT_MB)
    for index, (name, unit, limit) in enumerate(quantities):
        samples = [sample[index] for sample in ours]
        rows.append(Figure(name, unit, samples, limit=limit))
        for other, theirs in found.items():
            if other != OURS.name:
                baseline = [sample[index] for sample in theirs]
                rows.append(Figure("… the same", unit, samples, baseline, other))
    heavy = [sample[2] for sample in ours]
    rows.append(Figure(f"… of {', '.join(HEAVY)} loaded", "", heavy, limit=0, judged="worst"))
    if JUPYTER_AI.name in found:
        pairs = zip(ours, found[JUPYTER_AI.name], strict=True)
        faster = [theirs[0] / one[0] for one, theirs in pairs]
        name = f"… times as fast as {JUPYTER_AI.name}"
        rows.append(Figure(name, "×", faster, limit=LEAST_FASTER, is_least=True))
    return rows


def timed(candidate: Adapter) -> tuple[float, float, int]:
    """Milliseconds, megabytes and heavy modules of what it loads with, in a new kernel."""
    with kernel_of(candidate) as kernel:
        code = TIMED.format(statement=candidate.load, heavy=HEAVY)
        run(kernel, code, timeout=START_TIMEOUT_S)
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
