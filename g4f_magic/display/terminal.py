"""One streaming answer in a terminal, where what is written stays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import footer
from .document import ending, is_empty_failure, printable
from .images import image_outputs
from .pieces import plain_call
from .views import remark

if TYPE_CHECKING:
    from ..messages import Answer


class TerminalCard:
    """Writes the text as it comes, for a terminal."""

    def __init__(self, form: str = "markdown") -> None:
        self._form = form
        self._written = 0
        self._told_calls = 0
        self._ended = 0  # how much was written when a line was last ended

    def backlog(self, answer: Answer) -> int:
        """Return the size of what is not written yet."""
        return len(answer.text) - self._written

    def draw(self, answer: Answer) -> None:
        """Write what is new."""
        if answer.text:
            text = answer.text.removesuffix("\r")  # its line may end with the next piece
            sys.stdout.write(printable(text[self._written :]))
            self._written = len(text)
        elif answer.waiting is not None:
            sys.stdout.write(f"{printable(footer.status(answer))}\n")
        self._tell_calls(answer)
        if answer.activity:
            self._end_line()
        sys.stdout.flush()

    def close(self, answer: Answer) -> None:
        """Write the rest and the figures."""
        if not is_empty_failure(answer):
            sys.stdout.write(printable(answer.text[self._written :]))
            self._written = len(answer.text)
            self._tell_calls(answer)
            pictures = (bundle["text/plain"] for bundle, _ in image_outputs(answer))
            ends = (remark(self._form, answer, "the next input"), ending(answer))
            said = "\n\n".join([*pictures, "\n".join(filter(None, ends))])
            gap = "\n\n" if self._written else ""
            sys.stdout.write(f"{gap}{printable(said)}\n")
            sys.stdout.flush()

    def again(self, answer: Answer) -> TerminalCard:
        """Return a card below, since nothing can be taken back here."""
        self.close(answer)
        return TerminalCard(self._form)

    def _tell_calls(self, answer: Answer) -> None:
        """Write what became of each call, once that is known; text that follows comes later."""
        for call in answer.tool_calls[self._told_calls :]:
            if not call.outcome:
                return
            self._end_line()
            sys.stdout.write(f"{printable(plain_call(call))}\n")
            self._told_calls += 1

    def _end_line(self) -> None:
        """Let what a function prints, or a question, begin on a line of its own."""
        if self._written > self._ended:
            sys.stdout.write("\n")
            self._ended = self._written
