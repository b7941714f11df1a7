"""Rows of docs/faults.md, compared with what cells really show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from support.cell_run import CellRun

ANSI = re.compile(r"\x1b\[[0-9;]*m")
#: Stands in a row for what differs from one time to the next.
GAP = "…"


@dataclass
class Fault:
    """The row that the running test is marked as.

    ``sees`` is one line of what the cell shows, ``…`` standing for whatever differs.
    """

    group: str
    injected: str
    sees: str
    keeps: str
    is_compared: bool = field(default=False, init=False)

    def is_seen_in(self, run: CellRun | str) -> bool:
        """Whether a cell shows that line, now."""
        self.is_compared = True
        # None at the ends, or a miss would take time with the square of a long line.
        parts = (re.escape(part) for part in re.split(f" ?{GAP} ?", self.sees) if part)
        shown = shown_by(run) if isinstance(run, CellRun) else run
        return re.search(".*".join(parts), shown) is not None


def shown_by(run: CellRun) -> str:
    """All that a cell shows as text: what was printed, rendered, and its error."""
    texts = [run.text, run.markdown]
    texts += [str(output.get("data", {}).get("text/plain", "")) for output in run.outputs]
    texts += run.error.traceback if run.error else []
    return ANSI.sub("", "\n".join(texts))
