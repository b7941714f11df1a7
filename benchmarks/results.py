"""The page of all figures of one run, ``RESULTS.md``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from figures import Figure, missed, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Finding

HEAD = """# Results

Written by `make bench`: edit nothing here. [What is measured, and how](../docs/benchmarks.md).
"""
SHORTENED = " *Fewer and shorter runs than usual.*"


@dataclass(frozen=True)
class Part:
    """What one script found, or why it failed; ``about`` is what its docstring says."""

    name: str
    about: str
    findings: Sequence[Finding]
    took_s: float
    failure: str = ""
    is_quick: bool = False


def page(parts: Sequence[Part], surroundings: str) -> str:
    """The whole page: what was kept of the limits, then a table of each part."""
    took = f"{sum(part.took_s for part in parts) / 60:.0f} minutes"
    sections = [section(part) for part in parts]
    return "\n".join([HEAD, f"{surroundings} · {took}\n", verdict(parts), *sections])


def verdict(parts: Sequence[Part]) -> str:
    """How many limits there are, each that was missed, and what has failed."""
    findings = [finding for part in parts for finding in part.findings]
    limits = sum(isinstance(found, Figure) and found.limit is not None for found in findings)
    lines = [f"- `{part.name}.py`: {name}" for part in parts for name in missed(part.findings)]
    told = f"**{len(lines)} of {limits} limits are missed:**" if lines else ""
    failed = [f"- `{part.name}.py` failed: {part.failure}" for part in parts if part.failure]
    return "\n".join([told or f"All {limits} limits are kept.", "", *lines, *failed, ""])


def section(part: Part) -> str:
    """The heading and the table of one part."""
    told = f"{part.about}{SHORTENED if part.is_quick else ''} ({part.took_s:.0f} s)"
    return f"## {part.name}\n\n{told}\n\n{part.failure or table(part.findings)}\n"
