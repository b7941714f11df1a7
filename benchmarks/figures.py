"""What a benchmark found: samples, what they are held against, and the table of them."""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeVar

import places  # noqa: F401  # before the package

import g4f_magic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Measure = Callable[..., Sequence["Finding"]]

Judged = Literal["median", "worst"]

T = TypeVar("T")

HEADINGS = ("measured", "unit", "median (min – max)", "runs", "against", "ratio", "limit", "")
PACKAGES = ("ipykernel", "ipython", "httpx", "anyio", "markdown-it-py", "pyzmq")


@dataclass(frozen=True)
class Figure:
    """Samples of one quantity; ``judged`` says which of them the ``limit`` holds for.

    The limit is the most that may be found or, with ``is_least``, the least.
    """

    name: str
    unit: str
    samples: Sequence[float]
    baseline: Sequence[float] = ()
    baseline_name: str = ""
    limit: float | None = None
    judged: Judged = "median"
    is_least: bool = False

    @property
    def is_within(self) -> bool:
        """True when there is no limit, or it is kept."""
        if self.limit is None:
            return True
        if self.is_least:
            return self.limit <= (median if self.judged == "median" else min)(self.samples)
        return (median if self.judged == "median" else max)(self.samples) <= self.limit

    def cells(self) -> tuple[str, ...]:
        """One row of the table."""
        against = ratio = limit = verdict = ""
        if self.baseline:
            against = f"{self.baseline_name}: {spread(self.baseline)}"
            whole = median(self.baseline)
            ratio = number(median(self.samples) / whole) if whole > 0 else ""
        if self.limit is not None:
            limit = f"{self.judged} {'≥' if self.is_least else '≤'} {number(self.limit)}"
            verdict = "ok" if self.is_within else "**missed**"
        runs = str(len(self.samples))
        return (
            self.name,
            self.unit,
            spread(self.samples),
            runs,
            against,
            ratio,
            limit,
            verdict,
        )


@dataclass(frozen=True)
class Absence:
    """What could not be measured, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        """One line that says both."""
        return f"left out: {self.name}: {self.reason}"


Finding = Figure | Absence


@contextmanager
def left_out(name: str, absent: list[Absence]) -> Iterator[None]:
    """Whatever goes wrong inside is the reason why something is left out, and no more."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a peer may fail in any way
        absent.append(Absence(name, f"{type(error).__name__}: {error}".splitlines()[0]))
        print(absent[-1], file=sys.stderr, flush=True)


def in_turn(
    takes: Mapping[str, Callable[[], T]], rounds: int, absent: list[Absence]
) -> dict[str, list[T]]:
    """So many samples of each; who fails is left out from then on, but for the first."""
    first, *others = takes
    found: dict[str, list[T]] = {name: [] for name in takes}
    for _ in range(rounds):
        found[first].append(takes[first]())
        for name in others:
            if not any(name == gone.name for gone in absent):
                with left_out(name, absent):
                    found[name].append(takes[name]())
    return {name: samples for name, samples in found.items() if len(samples) == rounds}


def number(value: float) -> str:
    """The value with three digits, or all of those before the point."""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def spread(samples: Sequence[float]) -> str:
    """Median, and the least and the most."""
    return f"{number(median(samples))} ({number(min(samples))} – {number(max(samples))})"


def table(findings: Sequence[Finding]) -> str:
    """All figures as a Markdown table, and a list of what is not in it."""
    figures = [finding for finding in findings if isinstance(finding, Figure)]
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.cells() for figure in figures)]
    lines = [f"| {' | '.join(row)} |" for row in rows] if figures else []
    absent = [f"- {finding}" for finding in findings if isinstance(finding, Absence)]
    return "\n".join([*lines, *([""] if lines and absent else []), *absent])


def missed(findings: Sequence[Finding]) -> list[str]:
    """The names of the figures whose limit is not kept, each with the row that it goes on from."""
    names: list[str] = []
    title = ""
    for found in findings:
        if isinstance(found, Figure):
            goes_on = found.name.startswith("…")
            title = title if goes_on else found.name
            if not found.is_within:
                names.append(f"{title} {found.name}" if goes_on else title)
    return names


def surroundings() -> str:
    """The versions, the machine and what else keeps it busy just now, in one line."""
    found = [f"g4f_magic {g4f_magic.__version__}", f"Python {platform.python_version()}"]
    found += [f"{name} {version(name)}" for name in PACKAGES]
    return f"{date.today().isoformat()} · {' · '.join(found)} · {machine()}"  # noqa: DTZ011


def machine() -> str:
    """The system, the processor where it tells its name, its cores, and the load on them."""
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        told = ""
    named = re.search(r"^model name\s*: (.+)$", told, re.MULTILINE)
    processor = named.group(1) if named else platform.processor()
    found = [f"{platform.system()} {platform.machine()}", processor, f"{os.cpu_count()} cores"]
    if hasattr(os, "getloadavg"):
        found.append(f"load {os.getloadavg()[0]:.1f}")
    return ", ".join(filter(None, found))


def prepare_package() -> None:
    """Says which package is measured, and compiles it as pip does (the peers come from there)."""
    folder = Path(g4f_magic.__file__).parent
    print(f"measuring {folder}", file=sys.stderr, flush=True)
    compileall.compile_dir(folder, quiet=1)


def main(measure: Measure) -> int:
    """Measure, print the table, and return 1 if a limit was missed."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    quick = parser.parse_args().quick
    prepare_package()
    told = surroundings()
    findings = measure(quick=quick)
    print(f"{told}\n\n{table(findings)}")
    for name in missed(findings):
        print(f"limit missed: {name}", file=sys.stderr)
    return 1 if missed(findings) else 0
