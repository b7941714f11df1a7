"""What a cell is given to show answers in: with buttons wherever somebody can press them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..display.stop import ClickProbe, StopBar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine

    from ..call import Call
    from ..compare import Comparison
    from ..display.aside import Aside
    from ..display.card import Card
    from ..display.compare import KeepButtons, StopButtons, View
    from ..portal import Interrupts
    from ..prompts.conversation import Turn
    from .front_end import FrontEnd


class Screen:
    """The outputs of one shell's cells, and the buttons among them."""

    def __init__(self, shell: Any, front_end: FrontEnd) -> None:
        self._shell = shell
        self._front_end = front_end
        self._clicks = ClickProbe(shell)
        self._keep_buttons: KeepButtons | None = None

    def probe(self) -> None:
        """Find out for the next answer whether clicks arrive."""
        self._clicks.start()

    def card(
        self,
        turn: Turn,
        options: argparse.Namespace,
        stop: Interrupts,
        *,
        is_first: bool = True,
    ) -> Card:
        """Return what shows an answer, the first one of the turn or another one below."""
        from ..display.card import QuietCard, open_card

        def open_bar(header: str) -> StopBar | None:
            return StopBar(header, stop.stop) if self._can_click(turn) else None

        if options.quiet:
            return QuietCard()
        may_clear = is_first and self._front_end.is_whole_cell()
        return open_card(self._shell, open_bar, may_clear=may_clear, form=options.format)

    def aside(self, options: argparse.Namespace) -> Aside:
        """Return what holds back outputs of functions that run while a card is drawn."""
        from ..display.aside import Aside

        clears = not (options.quiet or self._front_end.is_terminal)
        clears = clears and self._front_end.is_whole_cell()
        return Aside(self._shell.display_pub, clears=clears)

    def run_alone(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine gives, run as IPython runs cells with ``await``."""
        return self._shell.loop_runner(coroutine)

    def columns(
        self, turn: Turn, calls: dict[str, Call], options: argparse.Namespace, stop: Interrupts
    ) -> View:
        """Return what shows several answers."""
        from ..display.compare import StopButtons, Unseen, open_columns

        def open_bar() -> StopButtons | None:
            if not (self._can_click(turn) and self._front_end.is_whole_cell()):
                return None
            return StopButtons({name: call.cancel for name, call in calls.items()}, stop.stop)

        if options.quiet:
            return Unseen()
        return open_columns(self._shell, open_bar, goes_on=not options.alone)

    def offer(self, comparison: Comparison, keep: Callable[[str], Any]) -> None:
        """Show a button for each answer that can be kept, until the next cell runs."""
        from ..display.compare import KeepButtons

        said = [one for one in comparison.columns if one.answer.text]
        if len(said) > 1:
            kept = (one.label for one in said if one.answer is comparison.kept)
            labels = [one.label for one in said]
            with suppress(ImportError):  # without ipywidgets there is _.keep("model")
                self._keep_buttons = KeepButtons(labels, next(kept, None), keep)
                self._keep_buttons.show(self._shell.display_pub)

    def press(self, label: str) -> None:
        """Show on the buttons that an answer was chosen by other means."""
        if self._keep_buttons is not None:
            self._keep_buttons.press(label)

    def withdraw(self) -> None:
        """Take the buttons of an earlier cell back."""
        if self._keep_buttons is not None:
            self._keep_buttons.close()
            self._keep_buttons = None

    def close(self) -> None:
        """Take back what only a living kernel answers to."""
        self.withdraw()
        self._clicks.close()

    def _can_click(self, turn: Turn) -> bool:
        # Without a cell's name the page is not one that asked for the subshell.
        return turn.cell is not None and self._clicks.has_answered
