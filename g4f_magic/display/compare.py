"""Several answers that grow beside each other: what is sent of them while they do.

One output is sent again, with the end of each answer: measured in JupyterLab 4.6, this costs a
sixth of what a grid of output widgets does, and leaves a page that needs none (docs/decisions.md).
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import error_line
from ..messages import Compared
from ..models.prices import cost_of
from ..prompts.conversation import best_of
from .columns import beside, bundle, closing, heading, metadata, summary
from .document import printable
from .markdown import finished_length, split_open_block
from .rendered import rendered
from .stop import forget, stop_button, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from IPython.core.displaypub import DisplayPublisher

    from ..models.prices import Prices
    from .card import Growing, Stopping

    class Call(Growing, Protocol):
        """An answer under way, and what ended it."""

        failure: BaseException | None


_WAIT_STEP_S = 0.05
_CLOSE_WITHIN_S = 2.0
_FASTEST_S = 0.1
_SLOWEST_S = 0.4
_CHARACTERS_A_SECOND = 80_000  # that long answers are drawn for: the longer, the less often
_TICK_S = 1.0
_FIRST_TICK_S = 0.4
_SHOWN = 600  # characters of the end of each answer, at least
_SHOWN_AT_MOST = 1200
_LONGEST_NAME = 24  # on a button


class View(Protocol):
    """Shows several answers while they grow and when all have ended."""

    def draw(self, columns: Sequence[Compared]) -> None:
        """Show the answers as they stand."""
        ...

    def close(self, columns: Sequence[Compared]) -> None:
        """Show the answers as they stay."""
        ...

    def keep(self, columns: Sequence[Compared], kept: str) -> None:
        """Show which answer the conversation goes on with from now on."""
        ...


def follow_all(
    calls: Mapping[str, Call], view: View, stop: Stopping, prices: Callable[[], Prices] = dict
) -> tuple[Compared, ...]:
    """Draw answers until the last has ended, or all are stopped; return what they came to.

    ``calls`` are under way, each under the label of its column; ``prices`` are looked up
    at the end.
    """
    pace = _Pace()
    while not stop.arrived:
        under_way = [call for call in calls.values() if not call.finished.is_set()]
        if not under_way:
            break
        under_way[0].finished.wait(_WAIT_STEP_S)
        if pace.is_due(any(call.changed.is_set() for call in calls.values())):
            for call in calls.values():
                call.changed.clear()
            columns = _columns(calls)
            view.draw(columns)
            pace.drew(columns)
    for call in calls.values():
        if not call.finished.is_set():
            call.cancel()
    until = time.perf_counter() + _CLOSE_WITHIN_S
    for call in calls.values():
        call.finished.wait(max(0.0, until - time.perf_counter()))
    known = prices()
    columns = tuple(
        replace(column, cost=cost_of(column.answer, known)) for column in _columns(calls)
    )
    view.close(columns)
    return columns


def _columns(calls: Mapping[str, Call]) -> tuple[Compared, ...]:
    return tuple(Compared(label, call.answer, _told(call.failure)) for label, call in calls.items())


def _told(failure: BaseException | None) -> str:
    return "" if failure is None else error_line(failure)


class _Pace:
    """Decides when to draw: the first text at once, then the less often the more there is."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._pause_s = 0.0
        self._tick_s = _FIRST_TICK_S

    def is_due(self, has_changed: bool) -> bool:  # noqa: FBT001  # the one thing to be told
        """Tell whether to draw now."""
        since = time.perf_counter() - self._last
        return since >= (self._pause_s if has_changed else self._tick_s)

    def drew(self, columns: Sequence[Compared]) -> None:
        """Note that the answers were drawn as they stood."""
        characters = sum(len(column.answer.text) for column in columns)
        self._last, self._tick_s = time.perf_counter(), _TICK_S
        self._pause_s = min(_SLOWEST_S, max(_FASTEST_S, characters / _CHARACTERS_A_SECOND))


class LiveColumns:
    """Draws in one output of a cell, with the end of each answer.

    ``open_bar`` gives the bar with Stop buttons, or None where no click arrives; it may give
    one only where the cell has no other output, for all are cleared with it. ``goes_on``
    tells whether a conversation goes on with one of the answers.
    """

    def __init__(
        self,
        publisher: DisplayPublisher,
        open_bar: Callable[[], StopButtons | None] = lambda: None,
        *,
        goes_on: bool = False,
    ) -> None:
        self._publisher = publisher
        self._open_bar = open_bar
        self._goes_on = goes_on
        self._bar: StopButtons | None = None
        self._id = ""
        self._ends: dict[str, TextEnd] = {}

    def draw(self, columns: Sequence[Compared]) -> None:
        """Send the ends of all answers."""
        if not self._id:
            self._bar = self._open_bar()
            if self._bar is not None:
                self._bar.show(self._publisher)
        if self._bar is not None:
            self._bar.update(columns)
        self._publish({"text/html": beside(columns, self._end)}, {})

    def close(self, columns: Sequence[Compared]) -> None:
        """Put the whole answers and their figures in place of all that was drawn."""
        if self._bar is not None:
            self._publisher.clear_output(wait=True)
            self._id = ""
        best = best_of([column.answer for column in columns]) if self._goes_on else None
        self.keep(columns, next((one.label for one in columns if one.answer is best), None))
        if self._bar is not None:
            self._bar.close()

    def keep(self, columns: Sequence[Compared], kept: str | None) -> None:
        """Show the whole answers, and which one the conversation goes on with."""
        self._publish(bundle(columns, kept=kept), metadata(columns, kept))

    def _end(self, column: Compared) -> str:
        answer = column.answer
        is_thought = answer.state == "streaming" and not answer.text
        text = answer.reasoning if is_thought else answer.text
        end = self._ends.setdefault(f"{is_thought} {column.label}", TextEnd())
        shown = rendered(end.of(text))
        return f"<blockquote>{shown}</blockquote>" if is_thought and shown else shown

    def _publish(self, shown: dict[str, str], about: dict[str, Any]) -> None:
        is_new, self._id = not self._id, self._id or os.urandom(8).hex()
        transient = {"display_id": self._id}
        self._publisher.publish(shown, about, transient=transient, update=not is_new)


class TextEnd:
    """The end of a growing Markdown text, which begins where a block does if it can."""

    def __init__(self) -> None:
        self._start = 0
        self._opening = ""  # the fence or table head that the end goes on with

    def of(self, text: str) -> str:
        """Return the end of the text, longer than at the last time."""
        end = self._opening + text[self._start :]
        if len(end) > _SHOWN_AT_MOST:
            self._cut(end)
            end = self._opening + text[self._start :]
        return f"…\n\n{end}" if self._start else end

    def _cut(self, end: str) -> None:
        surplus = len(end) - _SHOWN
        length, opening = finished_length(end[:surplus]), ""
        if not length and (parts := split_open_block(end, surplus)):
            length, opening = parts.length, parts.opening
        elif not length:
            length = 1 + max(end.find(" ", surplus), surplus - 1)
        self._start += length - len(self._opening)
        self._opening = opening


class TerminalColumns:
    """Writes the answers one under the other: each as it comes, once those above have ended."""

    def __init__(self) -> None:
        self._number = 0  # of the answer that is being written
        self._written = -1  # how much of it; its heading comes first

    def draw(self, columns: Sequence[Compared]) -> None:
        """Write what is new of the first answer that has not ended, and of those before it."""
        while self._number < len(columns):
            column = columns[self._number]
            is_open, text = column.answer.state == "streaming", column.answer.text
            text = text.removesuffix("\r") if is_open else text  # as in TerminalCard
            if self._written < 0:
                sys.stdout.write(f"{heading(column)}\n")
            sys.stdout.write(printable(text[max(0, self._written) :]))
            self._written = len(text)
            if is_open:
                break
            sys.stdout.write(f"{chr(10) * bool(text)}{closing(column)}\n\n")
            self._number, self._written = self._number + 1, -1
        sys.stdout.flush()

    def close(self, columns: Sequence[Compared]) -> None:
        """Write the rest and the figures."""
        self.draw(columns)
        sys.stdout.write(summary(columns).plain() + "\n")
        sys.stdout.flush()

    def keep(self, columns: Sequence[Compared], kept: str) -> None:
        """Write nothing: what was written stays as it is."""


class Unseen:
    """Shows nothing."""

    def draw(self, columns: Sequence[Compared]) -> None:
        """Show nothing."""

    def close(self, columns: Sequence[Compared]) -> None:
        """Show nothing."""

    def keep(self, columns: Sequence[Compared], kept: str) -> None:
        """Show nothing."""


class KeepButtons:
    """A button for each answer that the conversation can go on with, one of them pressed."""

    def __init__(self, labels: Sequence[str], kept: str | None, keep: Callable[[str], Any]) -> None:
        from ipywidgets import Layout, ToggleButtons

        self._buttons = ToggleButtons(
            options=[(_shortened(label), label) for label in labels],
            value=kept,
            description="Keep",
            tooltips=[f"Go on with the answer of {printable(label)}" for label in labels],
            style={"button_width": "auto"},
            layout=Layout(width="auto"),
        )
        self._pressed = kept
        self._keep = keep
        self._buttons.observe(self._changed, names="value")

    def show(self, publisher: DisplayPublisher) -> None:
        """Put the buttons below what the cell shows so far."""
        self._publish = partial(publisher.publish, transient={"display_id": self._buttons.model_id})
        self._publish(view_of(self._buttons))

    def press(self, label: str) -> None:
        """Show that this answer was chosen by other means."""
        self._pressed = label
        self._buttons.value = label

    def _changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self._pressed:
            self._keep(change["new"])

    def close(self) -> None:
        """Let the front end forget the buttons, and the notebook that they were there."""
        self._publish({}, update=True)
        forget(self._buttons)


class StopButtons:
    """A button for each answer and one for all, in a row that wraps."""

    def __init__(
        self, stops: Mapping[str, Callable[[], None]], stop_all: Callable[[], None]
    ) -> None:
        from ipywidgets import HBox, Layout

        self._buttons = {label: _button(_shortened(label), stop) for label, stop in stops.items()}
        self._all = _button("all", stop_all)
        layout = Layout(flex_flow="row wrap")
        self._row = HBox([*self._buttons.values(), self._all], layout=layout)

    def show(self, publisher: DisplayPublisher) -> None:
        """Put the row below what the cell shows so far."""
        publisher.publish(view_of(self._row))

    def update(self, columns: Sequence[Compared]) -> None:
        """Switch off the buttons of answers that have ended."""
        for column in columns:
            self._buttons[column.label].disabled = column.answer.state != "streaming"

    def close(self) -> None:
        """Let the front end forget the row."""
        forget(*self._row.children, self._row)


def _button(name: str, stop: Callable[[], None]) -> Any:
    return stop_button(f"Stop {name}", name, stop)


def _shortened(label: str) -> str:
    name = printable(label)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def open_columns(
    shell: Any, open_bar: Callable[[], StopButtons | None] = lambda: None, *, goes_on: bool = False
) -> View:
    """Return the view for where a cell runs."""
    if not hasattr(shell, "kernel"):
        return TerminalColumns()
    return LiveColumns(shell.display_pub, open_bar, goes_on=goes_on)


def shell_here() -> Any:
    """Return the shell that this code runs in, if it is one; loads nothing."""
    interactive = sys.modules.get("IPython")
    return interactive.get_ipython() if interactive is not None else None


def execution() -> int | None:
    """Return the number of the input that runs, or None outside of IPython."""
    return getattr(shell_here(), "execution_count", None)
