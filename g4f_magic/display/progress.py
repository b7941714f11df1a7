"""How far a grid is: one line that is written again and again."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from .table import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..compare.tasks import Standing

_EVERY_S = 0.25
_BAR_COLUMNS = 20
_MINUTE_S = 60


class Progress:
    """Shows the line at most four times a second; ``write`` gets it, and whether it stays."""

    def __init__(self, write: Callable[[str, bool], None]) -> None:
        self._write = write
        self._started = time.monotonic()
        self._drawn_at = 0.0

    def draw(self, standing: Standing) -> None:
        """Show how far it is, if that was not shown just now."""
        now = time.monotonic()
        if now - self._drawn_at >= _EVERY_S:
            self._drawn_at = now
            self._write(progress_line(standing, now - self._started), False)  # noqa: FBT003

    def close(self, standing: Standing) -> None:
        """Show how far it came."""
        self._write(ending_line(standing, time.monotonic() - self._started), True)  # noqa: FBT003


def open_progress(shell: Any) -> Progress:
    """Return the view for where this runs: an output of the cell, a terminal's line, or none."""
    if hasattr(shell, "kernel"):
        return Progress(_Output(shell.display_pub))
    return Progress(_terminal if sys.stderr.isatty() else _nowhere)


def progress_line(standing: Standing, elapsed_s: float) -> str:
    """Return how far it is, how fast it goes, how long it will take, and who makes it wait."""
    done, total = standing.done, standing.total
    full = done * _BAR_COLUMNS // total if total else 0
    parts = ["█" * full + "░" * (_BAR_COLUMNS - full) + f" {done:,} of {total:,}"]
    parts += _counts(standing)
    asked = done - standing.cached
    if asked and elapsed_s > 0:
        parts += [_rate(asked / elapsed_s), f"{_time((total - done) * elapsed_s / asked)} left"]
    parts += [
        f"{pause.provider} is left alone for {_time(pause.seconds)}: {pause.reason}"
        for pause in standing.pauses
    ]
    return one_line(" · ".join(parts))


def ending_line(standing: Standing, elapsed_s: float) -> str:
    """Return how far it came, and in what time."""
    of = f" of {standing.total:,}" if standing.done < standing.total else ""
    parts = [f"{standing.done:,}{of} done in {_time(elapsed_s)}", *_counts(standing)]
    parts += [f"answers were not kept: {standing.trouble}"] if standing.trouble else []
    return one_line(" · ".join(parts))


def _counts(standing: Standing) -> list[str]:
    counts = ((standing.cached, "from the cache"), (standing.failed, "failed"))
    return [f"{count:,} {what}" for count, what in counts if count]


def _rate(per_s: float) -> str:
    return f"{per_s:.0f} a second" if per_s >= 1 else f"{per_s * _MINUTE_S:.1f} a minute"


def _time(seconds: float) -> str:
    minutes, left_s = divmod(round(seconds), _MINUTE_S)
    hours, minutes = divmod(minutes, _MINUTE_S)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left_s} s" if minutes else f"{left_s} s"


class _Output:
    """One output of a cell, whose text is replaced."""

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        self._id = ""

    def __call__(self, line: str, _stays: bool) -> None:  # noqa: FBT001  # as all of them take it
        is_new, self._id = not self._id, self._id or os.urandom(8).hex()
        transient = {"display_id": self._id}
        self._publisher.publish({"text/plain": line}, transient=transient, update=not is_new)


def _terminal(line: str, stays: bool) -> None:  # noqa: FBT001  # as all of them take it
    columns = shutil.get_terminal_size().columns - 1
    sys.stderr.write(f"\r{line[:columns]:{columns}}" + "\n" * stays)
    sys.stderr.flush()


def _nowhere(_line: str, _stays: bool) -> None:  # noqa: FBT001  # as all of them take it
    pass
