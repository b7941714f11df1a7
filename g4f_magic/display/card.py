"""One streaming answer in a cell: little is sent while it grows, one document stays.

Measured in JupyterLab 4.6: finished blocks frozen in outputs of their own and an
open tail sent again about ten times a second cost a fifteenth of sending the
whole text, and keep the page at 59 frames a second (docs/decisions.md).
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from . import footer
from .document import is_empty_failure
from .markdown import close_open_fence, finished_length, split_open_block
from .pieces import folded_reasoning, open_reasoning, shown_text, text_with_calls
from .views import publish_as

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    from ..messages import Answer, ToolCall

_FREEZE_SIZE = 2048  # finished blocks are never sent again once this much stands together
_FEWEST_FREEZES = 12  # of a growing text, since JupyterLab shows 50 outputs of a cell
# JupyterLab halves the space below the last block of an output; this block takes none itself.
_GAP = "\n\n<div></div>"

_FASTEST_S = 0.1
_RELAXED_S = 0.25
_RELAXED_FROM = 2048
_ENVELOPE_BYTES = 750  # of a message, however little is in it
_SENT_PER_BYTE = 14  # at most, of an answer that comes faster than one reads
_BYTES_A_SECOND = 40_000  # where a block has no end
_TICK_S = 1.0
_FIRST_TICK_S = 0.4
_WAIT_STEP_S = 0.05
_CLOSE_WITHIN_S = 2.0


class Card(Protocol):
    """Shows one answer while it grows and when it has ended."""

    def backlog(self, answer: Answer) -> int:
        """Return how many characters the next drawing would send."""
        ...

    def draw(self, answer: Answer) -> None:
        """Show the answer as it stands."""
        ...

    def close(self, answer: Answer) -> None:
        """Show the answer as it stays."""
        ...

    def again(self, answer: Answer) -> Card:
        """Return what shows another answer in place of this one, which does not stay."""
        ...


class Growing(Protocol):
    """An answer under way, as a card needs it."""

    changed: Event
    finished: Event

    @property
    def answer(self) -> Answer:
        """The answer as it stands."""
        ...

    def cancel(self) -> None:
        """Close the connection; what arrived stays."""
        ...


class Stopping(Protocol):
    """Says whether somebody wants the answer to stop."""

    arrived: bool


class Bar(Protocol):
    """A row above the answer, as `StopBar`."""

    def show(self, publisher: DisplayPublisher) -> None:
        """Put it below what the cell shows so far."""
        ...

    def name(self, header: str) -> None:
        """Say who answers."""
        ...

    def close(self) -> None:
        """Take it away."""
        ...


def watch(call: Growing, card: Card, stop: Stopping) -> None:
    """Draw an answer while it grows, until it ends or is stopped; not as it stays."""
    pace = _Pace()
    while not call.finished.is_set() and not stop.arrived:
        call.changed.wait(_WAIT_STEP_S)
        has_changed = call.changed.is_set()
        if call.finished.is_set():
            break
        answer = call.answer
        pause_s = pace.pause_s(answer, card.backlog(answer), has_changed=has_changed)
        if pause_s <= 0:
            call.changed.clear()
            card.draw(answer)
            pace.drew(answer)
        elif has_changed:
            call.finished.wait(min(_WAIT_STEP_S, pause_s))
    if not call.finished.is_set():
        call.cancel()
        call.finished.wait(_CLOSE_WITHIN_S)


class _Pace:
    """Decides when to draw: the first text at once, then by how much there is to send."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._has_drawn = False
        self._has_text = False

    def pause_s(self, answer: Answer, backlog: int, *, has_changed: bool) -> float:
        """Return the seconds until the next drawing is due; not above zero if it is."""
        since = time.perf_counter() - self._last
        if not has_changed:
            return (_TICK_S if self._has_drawn else _FIRST_TICK_S) - since
        if answer.first_token_s is None or not self._has_text:
            return 0.0
        return max(_FASTEST_S, self._worth_s(answer, backlog), backlog / _BYTES_A_SECOND) - since

    def _worth_s(self, answer: Answer, backlog: int) -> float:
        """Return how long to wait until what is new is worth sending the tail again."""
        arriving_s = answer.elapsed_s - (answer.first_token_s or 0.0)
        if len(answer.text) < _RELAXED_FROM or arriving_s <= 0:
            return 0.0
        arriving = len(answer.text) / arriving_s
        return min(_RELAXED_S, (_ENVELOPE_BYTES + backlog) / _SENT_PER_BYTE / arriving)

    def drew(self, answer: Answer) -> None:
        """Note that the answer was drawn as it stood."""
        self._last = time.perf_counter()
        self._has_drawn = True
        self._has_text = answer.first_token_s is not None


class CellCard:
    """Draws in outputs of a cell that has no other output; one stays in the end.

    An output is left for good where a block ends that was not shown before, so that
    what is on the screen never moves into another output. ``open_bar`` gives the bar
    with a Stop button, or None where no click arrives; ``form`` is what the answer has
    in the end. One that ``takes_over`` leaves nothing of what the cell shows before.
    """

    def __init__(
        self,
        publisher: DisplayPublisher,
        open_bar: Callable[[str], Bar | None] = lambda _: None,
        form: str = "markdown",
        *,
        takes_over: bool = False,
    ) -> None:
        self._publisher = publisher
        self._form = form
        self._takes_over = takes_over
        self._open_bar = open_bar
        self._bar: Bar | None = None
        self._head = ""  # what stands above the text in the first output
        self._has_begun = False
        self._has_folded = False
        self._frozen = 0  # how much of the text stands in outputs above the tail
        self._frozen_calls = 0  # and how many of the calls
        self._opening = ""  # the fence or table head that the tail goes on with
        self._drawn = 0  # how much of the text is on the screen
        self._tail_id = ""

    def backlog(self, answer: Answer) -> int:
        """Return the size of the open tail, or of the thought before there is text."""
        return len(answer.text) - self._frozen if answer.text else len(answer.reasoning)

    def draw(self, answer: Answer) -> None:
        """Send what is new: blocks that are finished, then the open tail with the status."""
        self._show_who(footer.header(answer))
        if answer.text and answer.reasoning and not self._has_folded:
            self._fold(answer.reasoning)
        self._freeze_calls(answer)
        self._freeze(answer.text)
        shown = text_with_calls(self._tail(answer.text), self._open_calls(answer))
        shown = self._head + (shown if answer.text else open_reasoning(answer.reasoning) + shown)
        self._publish(with_status(shown, answer))
        self._drawn = len(answer.text)

    def close(self, answer: Answer) -> None:
        """Put one document in place of all that was drawn."""
        if self._has_begun or self._takes_over:
            self._publisher.clear_output(wait=True)
        if not is_empty_failure(answer):
            publish_as(self._form, self._publisher, answer)
        if self._bar is not None:
            self._bar.close()  # only now, or its row would go before the document is there

    def again(self, _: Answer) -> CellCard:
        """Return a card that leaves this one standing until its own answer is whole."""
        if self._bar is not None:
            self._bar.close()
        return CellCard(self._publisher, self._open_bar, self._form, takes_over=True)

    def _show_who(self, header: str) -> None:
        """Say in the bar who answers, or above the text as long as it can be changed there."""
        if not self._has_begun:
            self._has_begun = True
            self._bar = self._open_bar(header)
            if self._bar is not None:
                self._bar.show(self._publisher)
        if self._bar is not None:
            self._bar.name(header)
        elif not (self._frozen or self._has_folded):
            self._head = footer.small(header) + "\n\n"

    def _fold(self, reasoning: str) -> None:
        """Fold the thought in an output of its own, so that it stays open if it is opened."""
        self._publish(self._head + folded_reasoning(reasoning))
        self._head, self._tail_id, self._has_folded = "", "", True

    def _tail(self, text: str) -> str:
        return self._opening + text[self._frozen :]

    def _open_calls(self, answer: Answer) -> list[ToolCall]:
        """Return the tool calls in the tail, with their places in it."""
        moved = len(self._opening) - self._frozen
        open_calls = answer.tool_calls[self._frozen_calls :]
        return [replace(call, after=call.after + moved) for call in open_calls]

    def _freeze_calls(self, answer: Answer) -> None:
        """Leave the tail where it stands, with the calls that text has come after."""
        passed = [c for c in self._open_calls(answer) if c.after < len(self._tail(answer.text))]
        if not passed:
            return
        end = passed[-1].after
        piece = text_with_calls(self._tail(answer.text)[:end], passed)
        self._publish(self._head + piece + _GAP)
        self._frozen += end - len(self._opening)
        self._frozen_calls += len(passed)
        self._head, self._tail_id, self._opening = "", "", ""

    def _freeze(self, text: str) -> None:
        """Leave the tail where it stands, up to a place that is not on the screen yet."""
        tail = self._tail(text)
        if len(tail) < max(_FREEZE_SIZE, len(text) // _FEWEST_FREEZES):
            return
        on_screen = len(self._opening) + self._drawn - self._frozen
        length, piece, opening = finished_length(tail), "", ""
        if length >= max(on_screen, 1):
            piece = tail[:length]
        elif parts := split_open_block(tail, on_screen):
            piece, length, opening = parts.head, parts.length, parts.opening
        if piece:
            # With the fence it goes on with, or its end would count as a beginning.
            self._publish(self._head + shown_text(piece) + _GAP)
            self._frozen += length - len(self._opening)
            self._head, self._tail_id, self._opening = "", "", opening

    def _publish(self, markdown: str) -> None:
        self._tail_id = _publish(self._publisher, markdown, self._tail_id)


class LineCard:
    """Draws in one output among others, sent again as a whole, less often as it grows."""

    def __init__(self, publisher: DisplayPublisher, form: str = "markdown") -> None:
        self._publisher = publisher
        self._form = form
        self._id = ""

    def backlog(self, answer: Answer) -> int:
        """Return the size of the whole text."""
        return len(answer.text) + len(answer.reasoning)

    def draw(self, answer: Answer) -> None:
        """Send the text so far with the status."""
        thought = folded_reasoning if answer.text else open_reasoning
        parts = [
            footer.small(footer.header(answer)),
            thought(answer.reasoning),
            text_with_calls(answer.text, answer.tool_calls),
        ]
        shown = "\n\n".join(part for part in parts if part)
        self._id = _publish(self._publisher, with_status(shown, answer), self._id)

    def close(self, answer: Answer) -> None:
        """Put the document in its place."""
        if self._id or not is_empty_failure(answer):
            publish_as(self._form, self._publisher, answer, self._id)

    def again(self, _: Answer) -> LineCard:
        """Return itself, as the output is sent anew each time."""
        return self


class QuietCard:
    """Shows nothing."""

    def backlog(self, answer: Answer) -> int:
        """Return zero: nothing is ever sent."""
        del answer
        return 0

    def draw(self, answer: Answer) -> None:
        """Show nothing."""

    def close(self, answer: Answer) -> None:
        """Show nothing."""

    def again(self, _: Answer) -> QuietCard:
        """Return itself."""
        return self


def open_card(
    shell: InteractiveShell,
    open_bar: Callable[[str], Bar | None],
    *,
    may_clear: bool,
    form: str = "markdown",
) -> Card:
    """Return the card for where the cell runs; ``may_clear`` if it has no other output."""
    if not hasattr(shell, "kernel"):
        from .terminal import TerminalCard

        return TerminalCard(form)
    publisher = shell.display_pub
    return CellCard(publisher, open_bar, form) if may_clear else LineCard(publisher, form)


def with_status(text: str, answer: Answer) -> str:
    """Return growing Markdown with the status line under it."""
    # A timer is what screen readers do not interrupt for (WAI-ARIA 1.2).
    line = footer.small(footer.status(answer), role="timer")
    return f"{close_open_fence(text)}\n\n{line}"


def _publish(publisher: DisplayPublisher, text: str, display_id: str) -> str:
    """Send Markdown to the output with this id, or to a new one; return its id."""
    shown_id = display_id or os.urandom(8).hex()
    bundle, transient = {"text/markdown": text}, {"display_id": shown_id}
    publisher.publish(bundle, transient=transient, update=bool(display_id))
    return shown_id
