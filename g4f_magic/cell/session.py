"""What the magics of one shell share: a prompt goes in, a shown and kept answer comes out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..portal import Interrupts
from ..prompts.conversation import Turn
from ..settings.settings import Settings
from .asking import Asker
from .front_end import FrontEnd
from .next_cell import NextCell
from .notebooks import Notebooks
from .screen import Screen
from .sending import Sender

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from ..compare import Comparison
    from ..display.listing import Displayed
    from ..display.models import ModelList
    from ..display.picker import Picker
    from ..messages import Answer
    from ..parts import Part
    from ..store.chats import Chats


class Stopped(KeyboardInterrupt):
    """The answer was interrupted; cells that wait are not run, as after any interrupt."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Session:
    """Who is asked, what was said, and what is shown, in one shell.

    ``configured`` gives the settings in IPython's configuration; the ``options`` of all
    methods are those of ``%%chat``.
    """

    def __init__(self, shell: Any, configured: Callable[[], Mapping[str, Any]]) -> None:
        self.front_end: FrontEnd = FrontEnd(shell)
        self.settings: Settings = Settings()
        self._screen = Screen(shell, self.front_end)
        self.next_cell: NextCell = NextCell(shell)
        self.notebooks: Notebooks = Notebooks(self.front_end)
        self._sender = Sender(self.settings, configured, self.notebooks)
        self._asker = Asker(self._sender, self._screen)
        self._latest: Answer | None = None

    @property
    def chats(self) -> Chats:
        """The conversations of the notebook that the running cell is in."""
        return self.notebooks.chats

    def ask(
        self, prompt: str, options: argparse.Namespace, parts: Sequence[Part] = ()
    ) -> tuple[Answer, BaseException | None]:
        """Send a prompt, draw the answer, keep both; return it, and why it ended early.

        ``parts`` is what to send where that is more than the prompt's text.
        """
        with Interrupts() as stop:
            turn = self._turn(prompt, options, parts)
            answer, failure = self._asker.ask(turn, options, stop)
        if options.format == "code" and failure is None and not stop.arrived:
            self.next_cell.take(answer, self.front_end.cell())
        self._latest = answer
        self._tell_news()
        if failure is None and stop.arrived:
            message = f"Stopped after {answer.elapsed_s:.1f} s; what had arrived is kept."
            failure = Stopped(message)
        return answer, failure

    def compare(
        self, prompt: str, options: argparse.Namespace, parts: Sequence[Part] = ()
    ) -> tuple[Comparison, BaseException | None]:
        """Send a prompt to several models, draw all answers, and keep them.

        Return them, and why that ended early: an error only where not one model answered.
        """
        with Interrupts() as stop:
            turn = self._turn(prompt, options, parts)
            comparison, failure = self._asker.ask_all(turn, options, stop, self._choose)
        self._latest = comparison.kept
        self._tell_news()
        if stop.arrived:
            failure = Stopped("Stopped; what had arrived is kept.")
        return comparison, failure

    def cell_began(self) -> None:
        """Take back what only the cells before had."""
        self._screen.withdraw()

    def mark(self, options: argparse.Namespace) -> None:
        """Set a system prompt, or start afresh, from the next prompt on."""
        name = options.conversation or self.chats.current
        self.chats.mark(self._turn("", options), name)

    def latest(self) -> Answer | None:
        """Return the last answer of this kernel, else of the conversation."""
        if self._latest is not None:
            return self._latest
        turns = self.chats.conversation(self.chats.current).turns
        return next((turn.answer for turn in reversed(turns) if turn.answer), None)

    def standing(self, options: argparse.Namespace) -> str:
        """Return where one stands: who is asked, and how long the conversation is."""
        target = self._sender.target(options)
        conversation = self.chats.conversation(options.conversation or self.chats.current)
        turns = [turn for turn in conversation.in_force() if turn.prompt]
        usages = [turn.answer.usage for turn in turns if turn.answer and turn.answer.usage]
        tokens_in = sum(usage.tokens_in or 0 for usage in usages)
        tokens_out = sum(usage.tokens_out or 0 for usage in usages)
        count = f"{len(turns)} turn" + ("" if len(turns) == 1 else "s")
        parts = (target.name, f"conversation {conversation.name!r}", count)
        return " · ".join([*parts, f"{tokens_in} tokens in, {tokens_out} out"])

    def models(self, options: argparse.Namespace) -> ModelList:
        """Return what `%g4f_models` lists."""
        from .choosing import model_list

        return model_list(self._sender.target(options), options)

    def pick(self, options: argparse.Namespace) -> Displayed | Picker:
        """Return the picker of models, or where there are no widgets what to type instead."""
        from .choosing import model_picker

        may_click = self.front_end.may_click
        return model_picker(self.models(options), self.settings, may_click=may_click)

    def warm_up(self) -> None:
        """Find out whether clicks arrive; for a thread, while the kernel is idle."""
        self._screen.probe()

    def close(self) -> None:
        """Stop what goes on beside the cells."""
        self._screen.close()
        self.notebooks.close()

    def _turn(self, prompt: str, options: argparse.Namespace, parts: Sequence[Part] = ()) -> Turn:
        cell = self.front_end.cell()
        return Turn(prompt, self._system(options), options.new, cell, parts=tuple(parts))

    def _choose(self, answer: Answer) -> None:
        self._latest = answer

    def _system(self, options: argparse.Namespace) -> str | None:
        """Return the system prompt of a cell, which may be named instead of written."""
        given: str | None = options.system
        return self.settings.family("system").get(given, given) if given else given

    def _tell_news(self) -> None:
        for line in (*self.settings.news(), *self.notebooks.news()):
            print(line, file=sys.stderr)  # noqa: T201  # in the cell that it is about
