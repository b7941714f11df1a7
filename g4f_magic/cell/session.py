"""What the magics of one shell share: a prompt goes in, a shown and kept answer comes out."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from ..portal import Interrupts
from ..prompts.conversation import Turn
from ..settings.settings import Settings
from .front_end import FrontEnd
from .next_cell import NextCell
from .notebooks import Notebooks
from .screen import Screen
from .sending import Sender

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from ..call import Call
    from ..compare import Comparison
    from ..display.card import Card
    from ..display.compare import View
    from ..display.listing import Displayed
    from ..display.models import ModelList
    from ..display.picker import Picker
    from ..messages import Answer, Compared
    from ..parts import Part
    from ..store.chats import Chats, Keeping
    from ..tools.rounds import Rounds


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
        self.front_end = FrontEnd(shell)
        self.settings = Settings()
        self._screen = Screen(shell, self.front_end)
        self.next_cell = NextCell(shell)
        self.notebooks = Notebooks(self.front_end)
        self._sender = Sender(self.settings, configured, self.notebooks)
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
            answer, failure = self._converse(turn, options, stop)
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
            comparison, failure = self._converse_with_all(turn, options, stop)
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
        self.chats.begin(Turn("", self._system(options), options.new), name)

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

    def _turn(self, prompt: str, options: argparse.Namespace, parts: Sequence[Part]) -> Turn:
        cell = self.front_end.cell()
        return Turn(prompt, self._system(options), options.new, cell, parts=tuple(parts))

    def _converse(
        self, turn: Turn, options: argparse.Namespace, stop: Interrupts
    ) -> tuple[Answer, BaseException | None]:
        """Send the turn and draw its answer; return it, and the error that ended it."""
        from ..display.card import watch

        card = self._screen.card(turn, options, stop)
        call: Call | Rounds
        if options.tools:
            call, ends = self._sender.send_rounds(turn, options)
            answer = self._call_tools(call, card, options, stop)
        else:
            call, ends = self._sender.send(turn, options)
            watch(call, card, stop)
            answer = call.answer
        failure = call.failure
        cards = [] if options.tools else [card]  # that are still to be closed
        if options.answer_type is not None and failure is None and not stop.arrived:
            answer, failure = self._fitted(answer, cards, turn, options, stop)
        for one in cards:
            one.close(answer)
        if turn.cell is not None and not options.quiet:
            self._screen.probe()  # if the kernel was not idle before this answer
        for end in ends:
            end(answer, failure)
        return answer, failure

    def _fitted(
        self,
        answer: Answer,
        cards: list[Card],
        turn: Turn,
        options: argparse.Namespace,
        stop: Interrupts,
    ) -> tuple[Answer, BaseException | None]:
        """Return the answer with the object it stands for, or another one that is asked for.

        The card that shows that one takes the place of the first in ``cards``.
        """
        from ..display.card import watch
        from ..types.structured import fitted

        def ask_again(misfit: str) -> tuple[Answer, BaseException | None]:
            # What functions have printed below a card is not to be cleared away with it.
            below = None if cards else self._screen.card(turn, options, stop, is_first=False)
            card = below or cards.pop().again(answer)
            cards.append(card)
            if not options.quiet:
                told = f"This does not fit {options.schema}, so it is asked for once more: {misfit}"
                print(told)  # noqa: T201  # below the answer that it is about
            call = self._sender.send_again(answer, turn, options, misfit)
            watch(call, card, stop)
            return call.answer, call.failure

        return fitted(answer, options.answer_type, ask_again)

    def _call_tools(
        self, rounds: Rounds, card: Card, options: argparse.Namespace, stop: Interrupts
    ) -> Answer:
        """Draw the rounds, and let the model call functions of the notebook between them."""
        from ..tools.calling import Caller

        aside = self._screen.aside(options)
        run_alone, is_asking = self._screen.run_alone, options.confirm_tools
        caller = Caller(options.tools, stop, aside.hold, run_alone, is_asking=is_asking)
        try:
            return rounds.converse(caller, card, stop)
        finally:
            aside.show()

    def _converse_with_all(
        self, turn: Turn, options: argparse.Namespace, stop: Interrupts
    ) -> tuple[Comparison, BaseException | None]:
        """Send the turn to all models, draw and keep their answers; return what they came to."""
        from ..compare import Comparison
        from ..display.compare import execution, follow_all
        from ..models.listing_cache import ListingCache, default_path

        calls, ends, keeping = self._sender.send_all(turn, options)
        view = self._screen.columns(turn, calls, options, stop)
        compared = follow_all(calls, view, stop, ListingCache(default_path()).prices)
        failures = [call.failure for call in calls.values()]
        for one, end, failure in zip(compared, ends, failures, strict=True):
            end(one.answer, failure)
        failure = None if None in failures else failures[0]
        if keeping is None:
            return Comparison(compared, drawn_in=execution()), failure
        on_keep = partial(self._keep, keeping, view, compared)
        comparison = Comparison(compared, on_keep=on_keep, drawn_in=execution())
        keeping.finish(comparison.kept or compared[0].answer, failure, compared)
        if turn.cell is not None and not options.quiet:
            self._screen.probe()
            self._screen.offer(comparison, comparison.keep)
        return comparison, failure

    def _keep(
        self, keeping: Keeping, view: View, compared: tuple[Compared, ...], answer: Answer
    ) -> None:
        """Go on with one of the answers that were compared, and show that."""
        label = next(one.label for one in compared if one.answer is answer)
        keeping.go_on_with(answer)
        self._latest = answer
        view.keep(compared, label)
        self._screen.press(label)

    def _system(self, options: argparse.Namespace) -> str | None:
        """Return the system prompt of a cell, which may be named instead of written."""
        given: str | None = options.system
        return self.settings.family("system").get(given, given) if given else given

    def _tell_news(self) -> None:
        for line in (*self.settings.news(), *self.notebooks.news()):
            print(line, file=sys.stderr)  # noqa: T201  # in the cell that it is about
