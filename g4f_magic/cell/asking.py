"""A turn on its way: sent, drawn while it is answered, and told to whoever keeps it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ..call import Call
    from ..compare import Comparison
    from ..display.card import Card
    from ..display.compare import View
    from ..messages import Answer, Compared
    from ..portal import Interrupts
    from ..prompts.conversation import Turn
    from ..store.chats import Keeping
    from ..tools.rounds import Rounds
    from .screen import Screen
    from .sending import Sender


class Asker:
    """Asks one model or several, and shows it; ``options`` are those of ``%%chat``."""

    def __init__(self, sender: Sender, screen: Screen) -> None:
        self._sender = sender
        self._screen = screen

    def ask(
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
            answer = _priced(answer)
            one.close(answer)
        if turn.cell is not None and not options.quiet:
            self._screen.probe()  # if the kernel was not idle before this answer
        for end in ends:
            end(answer, failure)
        return answer, failure

    def ask_all(
        self,
        turn: Turn,
        options: argparse.Namespace,
        stop: Interrupts,
        chosen: Callable[[Answer], None],
    ) -> tuple[Comparison, BaseException | None]:
        """Send the turn to all models, draw and keep their answers; return what they came to.

        ``chosen`` is told later which of them the conversation goes on with instead.
        """
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
        on_keep = partial(self._keep, keeping, view, compared, chosen)
        comparison = Comparison(compared, on_keep=on_keep, drawn_in=execution())
        keeping.finish(comparison.kept or compared[0].answer, failure, compared)
        if turn.cell is not None and not options.quiet:
            self._screen.probe()
            self._screen.offer(comparison, comparison.keep)
        return comparison, failure

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
            answer = _priced(rounds.converse(caller, card, stop))
            card.close(answer)
        finally:
            aside.show()
        return answer

    def _keep(
        self,
        keeping: Keeping,
        view: View,
        compared: tuple[Compared, ...],
        chosen: Callable[[Answer], None],
        answer: Answer,
    ) -> None:
        """Go on with one of the answers that were compared, and show that."""
        label = next(one.label for one in compared if one.answer is answer)
        keeping.go_on_with(answer)
        chosen(answer)
        view.keep(compared, label)
        self._screen.press(label)


def _priced(answer: Answer) -> Answer:
    """Return an answer with what it cost, if that is known; one from the cache cost nothing."""
    from ..models.listing_cache import ListingCache, default_path

    return ListingCache(default_path()).priced(answer)
