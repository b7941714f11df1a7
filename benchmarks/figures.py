"""What a benchmark found: samples, what they are held against, and the table of them."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from inspect import getfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

import places  # noqa: F401  # before the package

import g4f_magic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Measure = Callable[..., list["Figure"]]

HEADINGS = ("measured", "unit", "median (min – max)", "runs", "against", "ratio", "limit", "")
PACKAGES = ("ipykernel", "ipython", "httpx", "anyio", "markdown-it-py", "pyzmq")


@dataclass(frozen=True)
class Figure:
    """Samples of one quantity; ``judged`` says which of them the ``limit`` holds for."""

    name: str
    unit: str
    samples: Sequence[float]
    baseline: Sequence[float] = ()
    baseline_name: str = ""
    limit: float | None = None
    judged: Literal["median", "worst"] = "median"

    @property
    def is_within(self) -> bool:
        """True when there is no limit, or it is kept."""
        if self.limit is None:
            return True
        found = median(self.samples) if self.judged == "median" else max(self.samples)
        return found <= self.limit

    def cells(self) -> tuple[str, ...]:
        """One row of the table."""
        against = ratio = limit = verdict = ""
        if self.baseline:
            against = f"{self.baseline_name}: {spread(self.baseline)}"
            whole = median(self.baseline)
            ratio = f"{median(self.samples) / whole:.2f}" if whole > 0 else ""
        if self.limit is not None:
            limit = f"{self.judged} ≤ {number(self.limit)}"
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


def number(value: float) -> str:
    """The value with three digits, or all of those before the point."""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def spread(samples: Sequence[float]) -> str:
    """Median, and the least and the most."""
    return f"{number(median(samples))} ({number(min(samples))} – {number(max(samples))})"


def table(figures: Sequence[Figure]) -> str:
    """All figures as a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def surroundings() -> str:
    """The versions and the machine behind the figures, in one line."""
    found = [f"g4f_magic {g4f_magic.__version__}", f"Python {platform.python_version()}"]
    found += [f"{name} {version(name)}" for name in PACKAGES]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{date.today().isoformat()} · {' · '.join(found)} · {machine}"  # noqa: DTZ011


def main(*measures: Measure) -> int:
    """Measure, print the table, and return 1 if a limit was missed."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    quick = parser.parse_args().quick
    print(f"measuring {Path(g4f_magic.__file__).parent}", file=sys.stderr, flush=True)
    figures: list[Figure] = []
    for measure in measures:
        print(f"{Path(getfile(measure)).stem} …", file=sys.stderr, flush=True)
        figures += measure(quick=quick)
    print(f"{surroundings()}\n\n{table(figures)}")
    missed = [figure.name for figure in figures if not figure.is_within]
    for name in missed:
        print(f"limit missed: {name}", file=sys.stderr)
    return 1 if missed else 0
