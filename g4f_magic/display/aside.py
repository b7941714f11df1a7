"""What functions print and show while a card is drawn, whose end would clear it away."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from IPython.utils.capture import capture_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.utils.capture import CapturedIO


class Aside:
    """Holds outputs back until the card is closed, if there is one that ``clears``."""

    def __init__(self, *, clears: bool) -> None:
        self._clears = clears
        self._held: list[CapturedIO] = []

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While entered, hold back what is printed and shown."""
        if not self._clears:
            yield
            return
        with capture_output() as held:
            self._held.append(held)
            yield

    def show(self) -> None:
        """Show what was held back, in order."""
        for held in self._held:
            held.show()
