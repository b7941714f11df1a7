"""One streaming answer in a cell: little is sent while it grows, one document stays.

Measured in JupyterLab 4.6: finished blocks frozen in outputs of their own and an
open tail sent again about ten times a second cost a fifteenth of sending the
whole text, and keep the page at 59 frames a second (docs/decisions.md).
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

from . import footer
from .document import ending, is_empty_failure, printable, publish_document
from .markdown import close_open_fence, finished_length, neutralise, split_open_block

if TYPE_CHECKING:
    from threading import Event

    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    from ..messages import Answer

_SETTLE_SIZE = 480  # finished blocks move out of the tail in portions of this size
_FREEZE_SIZE = 2048  # and are never sent again once this much stands together
_FEWEST_FREEZES = 8  # of a growing text, since JupyterLab shows 50 outputs of a cell
_LONGEST_TAIL = 4096
_SHOWN_THOUGHT = 400

_FASTEST_S = 0.1
_RELAXED_S = 0.17  # from here on: an envelope costs 0.7 KB however little is new
_RELAXED_FROM = 2048
_SLOWEST_S = 1.0
_BYTES_A_SECOND = 40_000  # faster than anyone reads
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


def follow(call: Growing, card: Card, stop: Stopping) -> Answer:
    """Draw an answer until it ends or is stopped; return what it came to."""
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
    answer = call.answer
    card.close(answer)
    return answer


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
        at_least = _FASTEST_S if len(answer.text) < _RELAXED_FROM else _RELAXED_S
        return min(_SLOWEST_S, max(at_least, backlog / _BYTES_A_SECOND)) - since

    def drew(self, answer: Answer) -> None:
        """Note that the answer was drawn as it stood."""
        self._last = time.perf_counter()
        self._has_drawn = True
        self._has_text = answer.first_token_s is not None


class CellCard:
    """Draws in outputs of a cell that has no other output; one stays in the end."""

    def __init__(self, publisher: DisplayPublisher) -> None:
        self._publisher = publisher
        self._settled = 0  # how much of the text stands in outputs above the tail
        self._opening = ""  # the fence or table head that the tail goes on with
        self._settled_text = ""  # of the output above the tail, as the model wrote it
        self._settled_head = ""
        self._settled_id = ""
        self._tail_id = ""

    def backlog(self, answer: Answer) -> int:
        """Return the size of the open tail."""
        return len(answer.text) - self._settled

    def draw(self, answer: Answer) -> None:
        """Send what is new: blocks that are finished, then the open tail with the status."""
        head = _head(answer)
        self._settle(answer.text, head)
        text = neutralise(self._tail(answer.text)) if answer.text else thought(answer)
        shown = with_status(text if self._settled else head + text, answer)
        self._tail_id = _publish(self._publisher, shown, self._tail_id)

    def close(self, answer: Answer) -> None:
        """Put one document in place of all that was drawn."""
        if self._tail_id:
            self._publisher.clear_output(wait=True)
        if not is_empty_failure(answer):
            publish_document(self._publisher, answer)

    def _tail(self, text: str) -> str:
        return self._opening + text[self._settled :]

    def _settle(self, text: str, head: str) -> None:
        """Move finished blocks out of the tail, and cut a block that grows too long."""
        tail = self._tail(text)
        length, piece, opening = finished_length(tail), "", ""
        if length >= _SETTLE_SIZE or (length and len(tail) > _LONGEST_TAIL):
            piece = tail[:length]
        elif len(tail) > _LONGEST_TAIL and (parts := split_open_block(tail, _LONGEST_TAIL // 2)):
            piece, length, opening = parts.head, parts.length, parts.opening
        if length > len(self._opening) and piece:
            # With the fence it goes on with, or its end would count as a beginning.
            self._move(piece, "" if self._settled else head, len(text))
            self._settled += length - len(self._opening)
            self._opening = opening

    def _move(self, piece: str, head: str, so_far: int) -> None:
        """Let the output above the tail take a piece, or the tail become that output."""
        freeze_size = max(_FREEZE_SIZE, so_far // _FEWEST_FREEZES)
        if self._settled_id and len(self._settled_text) + len(piece) <= freeze_size:
            self._settled_text += piece
        else:
            self._settled_text, self._settled_head = piece, head
            self._settled_id, self._tail_id = self._tail_id, ""
        # Made harmless as a whole: pieces that are so by themselves need not be so together.
        shown = self._settled_head + neutralise(self._settled_text)
        self._settled_id = _publish(self._publisher, shown, self._settled_id)


class LineCard:
    """Draws in one output among others, sent again as a whole, less often as it grows."""

    def __init__(self, publisher: DisplayPublisher) -> None:
        self._publisher = publisher
        self._id = ""

    def backlog(self, answer: Answer) -> int:
        """Return the size of the whole text."""
        return len(answer.text)

    def draw(self, answer: Answer) -> None:
        """Send the text so far with the status."""
        text = _head(answer) + (neutralise(answer.text) or thought(answer))
        self._id = _publish(self._publisher, with_status(text, answer), self._id)

    def close(self, answer: Answer) -> None:
        """Put the document in its place."""
        if self._id or not is_empty_failure(answer):
            publish_document(self._publisher, answer, self._id)


class TerminalCard:
    """Writes the text as it comes, for a terminal."""

    def __init__(self) -> None:
        self._written = 0

    def backlog(self, answer: Answer) -> int:
        """Return the size of what is not written yet."""
        return len(answer.text) - self._written

    def draw(self, answer: Answer) -> None:
        """Write what is new."""
        if answer.text:
            sys.stdout.write(printable(answer.text[self._written :]))
            self._written = len(answer.text)
        elif answer.waiting is not None:
            sys.stdout.write(f"{printable(footer.status(answer))}\n")
        sys.stdout.flush()

    def close(self, answer: Answer) -> None:
        """Write the rest and the figures."""
        if not is_empty_failure(answer):
            rest = answer.text[self._written :]
            sys.stdout.write(printable(f"{rest}\n\n{ending(answer)}\n".lstrip("\n")))
            sys.stdout.flush()


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


def open_card(shell: InteractiveShell, *, may_clear: bool) -> Card:
    """Return the card for where the cell runs; ``may_clear`` if it has no other output."""
    if not hasattr(shell, "kernel"):
        return TerminalCard()
    return CellCard(shell.display_pub) if may_clear else LineCard(shell.display_pub)


def with_status(text: str, answer: Answer) -> str:
    """Return growing Markdown with the status line under it."""
    return f"{close_open_fence(text)}\n\n{footer.small(footer.status(answer))}"


def thought(answer: Answer) -> str:
    """Return the end of what the model is thinking, as a quotation of one line."""
    one_line = " ".join(answer.reasoning[-_SHOWN_THOUGHT:].split())
    return f"> {neutralise(one_line)}" if one_line else ""


def _head(answer: Answer) -> str:
    return footer.small(footer.header(answer)) + "\n\n"


def _publish(publisher: DisplayPublisher, text: str, display_id: str) -> str:
    """Send Markdown to the output with this id, or to a new one; return its id."""
    shown_id = display_id or os.urandom(8).hex()
    bundle, transient = {"text/markdown": text}, {"display_id": shown_id}
    publisher.publish(bundle, transient=transient, update=bool(display_id))
    return shown_id
