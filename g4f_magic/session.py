"""What the magics of one shell share: a prompt goes in, a shown and kept answer comes out."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .conversation import Turn, with_history
from .display.stop import ClickProbe, StopBar
from .front_end import FrontEnd
from .messages import Compared
from .options import request_fields, way_options
from .portal import Interrupts
from .settings import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .call import Call, Keep
    from .chats import Chats, Keeping
    from .compare import Comparison
    from .config import Target
    from .display.card import Card
    from .display.compare import KeepButtons, View
    from .display.listing import Displayed
    from .display.models import ModelList
    from .display.picker import Picker
    from .keeper import Keeper
    from .messages import Answer, Message
    from .model_info import ModelInfo

End: TypeAlias = "Callable[[Answer, BaseException | None], None]"
"""Something that is told the answer, and the error that ended it."""


def _forget(answer: Answer, failure: BaseException | None) -> None:
    """Keep nothing of an answer that is not to come from the cache."""
    del answer, failure


class Stopped(KeyboardInterrupt):
    """The answer was interrupted; cells that wait are not run, as after any interrupt."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Session:
    """Who is asked, what was said, and what is shown, in one shell.

    ``configured`` gives provider and model as IPython's configuration has them; the
    ``options`` of all methods are those of ``%%chat``.
    """

    def __init__(self, shell: Any, configured: Callable[[], tuple[str, str]]) -> None:
        self.front_end = FrontEnd(shell)
        self.settings = Settings()
        self._shell = shell
        self._configured = configured
        self._chats: dict[str, Chats] = {}  # by notebook
        self._keepers: dict[Path | None, Keeper] = {}
        self._clicks = ClickProbe(shell)
        self._latest: Answer | None = None
        self._choice: KeepButtons | None = None

    @property
    def chats(self) -> Chats:
        """The conversations of the notebook that the running cell is in."""
        from .chats import open_chats

        notebook = self.front_end.notebook()
        if notebook not in self._chats:
            keeper, cell = self._keeper(kept=bool(notebook)), self.front_end.cell()
            self._chats[notebook] = open_chats(keeper, notebook, cell)
        return self._chats[notebook]

    def ask(self, prompt: str, options: argparse.Namespace) -> tuple[Answer, BaseException | None]:
        """Send a prompt, draw the answer, keep both; return it, and why it ended early."""
        with Interrupts() as stop:
            answer, failure = self._converse(prompt, options, stop)
        self._latest = answer
        self._tell_news()
        if failure is None and stop.arrived:
            message = f"Stopped after {answer.elapsed_s:.1f} s; what had arrived is kept."
            failure = Stopped(message)
        return answer, failure

    def compare(
        self, prompt: str, options: argparse.Namespace
    ) -> tuple[Comparison, BaseException | None]:
        """Send a prompt to several models, draw all answers, and keep them.

        Return them, and why that ended early: an error only where not one model answered.
        """
        with Interrupts() as stop:
            comparison, failure = self._converse_with_all(prompt, options, stop)
        self._latest = comparison.kept
        self._tell_news()
        if stop.arrived:
            failure = Stopped("Stopped; what had arrived is kept.")
        return comparison, failure

    def cell_began(self) -> None:
        """Take back what only the cell before had."""
        if self._choice is not None:
            self._choice.close()
            self._choice = None

    def mark(self, options: argparse.Namespace) -> None:
        """Set a system prompt, or start afresh, from the next prompt on."""
        name = options.conversation or self.chats.current
        self.chats.begin(Turn("", options.system, options.new), name)

    def latest(self) -> Answer | None:
        """Return the last answer of this kernel, else of the conversation."""
        if self._latest is not None:
            return self._latest
        turns = self.chats.conversation(self.chats.current).turns
        return next((turn.answer for turn in reversed(turns) if turn.answer), None)

    def standing(self, options: argparse.Namespace) -> str:
        """Return where one stands: who is asked, and how long the conversation is."""
        target = self._target(options)
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
        from .catalogue import WITHIN_S, Source, listings
        from .display.models import ModelList
        from .listing_cache import ListingCache, default_path

        chosen = self._target(options)
        found = listings(
            Source(chosen.provider, {**chosen.params(), "timeout": None}),
            ListingCache(default_path()),
            alone=bool(options.provider),
            refresh=options.refresh,
            within_s=options.timeout or WITHIN_S,
        )
        abilities = [name for name in ("images", "vision") if getattr(options, name)]
        words = " ".join(options.words)
        return ModelList.of(found, words=words, can=abilities, is_free=options.free)

    def pick(self, options: argparse.Namespace) -> Displayed | Picker:
        """Return the picker of models, or where there are no widgets what to type instead."""
        from .display.listing import Note
        from .display.picker import Picker, by_hand

        models = self.models(options)
        if not self.front_end.may_click:
            return Note(by_hand(models))
        return Picker(models, self._try_model, self._use_model)

    def _try_model(self, model: ModelInfo) -> Call:
        from .call import start_call
        from .config import target
        from .display.picker import TRY_PROMPT

        prefix = "" if "://" in model.provider else f"{model.provider}:"
        found = target((model.provider, prefix + model.name))
        messages = [{"role": "user", "content": TRY_PROMPT}]
        return start_call(found.provider, model.name, messages, **found.params())

    def _use_model(self, model: ModelInfo) -> None:
        self.settings.assign("provider=")
        for assignment in model.settings.split():
            self.settings.assign(assignment)

    def warm_up(self) -> None:
        """Find out whether clicks arrive; for a thread, while the kernel is idle."""
        self._clicks.start()

    def close(self) -> None:
        """Stop what goes on beside the cells."""
        self._clicks.close()
        for keeper in self._keepers.values():
            keeper.close()

    def _converse(
        self, prompt: str, options: argparse.Namespace, stop: Interrupts
    ) -> tuple[Answer, BaseException | None]:
        """Send the turn and draw its answer; return it, and the error that ended it."""
        from .display.card import follow

        turn = Turn(prompt, options.system, options.new, self.front_end.cell())
        call, ends = self._send(turn, options)
        answer = follow(call, self._card(turn, options, stop), stop)
        if turn.cell is not None and not options.quiet:
            self._clicks.start()  # for the next answer, if the kernel was not idle before this one
        for end in ends:
            end(answer, call.failure)
        return answer, call.failure

    def _send(self, turn: Turn, options: argparse.Namespace) -> tuple[Call, list[End]]:
        """Send a turn; return the call under way, and what its end is to be told to."""
        target = self._target(options)
        messages, keeping = self._messages(turn, options)
        ends = [keeping.finish] if keeping else []
        keep = keeping.begin if keeping else None
        call, remember = self._start(target, messages, {}, options, keep)
        return call, [*ends, remember]

    def _messages(
        self, turn: Turn, options: argparse.Namespace
    ) -> tuple[list[Message], Keeping | None]:
        """Return what to send for a turn, and what keeps the turn, if it is to be kept."""
        if options.alone:
            return with_history(turn, "", ()), None
        name = options.conversation or self.chats.current
        messages = self.chats.messages(turn, name, last=options.last)
        return messages, self.chats.keep(turn, name)

    def _start(
        self,
        target: Target,
        messages: list[Message],
        fields: Mapping[str, Any],
        options: argparse.Namespace,
        keep: Keep | None,
    ) -> tuple[Call, End]:
        """Send messages, or take the answer from the cache; return what the end is to be told."""
        from .cached import Cached, request_key
        from .call import start_call

        params = {**target.params(), **way_options(options), **request_fields(options), **fields}
        provider: Any = target.provider
        remember: End = _forget
        if self._may_replay(options):
            key = request_key(provider, target.model, messages, params)
            cached = Cached(self._keeper(kept=True), key)
            provider = cached.replay(is_live=self.settings.get("replay") == "live") or provider
            remember = cached.remember
        return start_call(provider, target.model, messages, keep=keep, **params), remember

    def _converse_with_all(
        self, prompt: str, options: argparse.Namespace, stop: Interrupts
    ) -> tuple[Comparison, BaseException | None]:
        """Send the turn to all models, draw and keep their answers; return what they came to."""
        from .compare import Comparison
        from .display.compare import execution, follow_all
        from .listing_cache import ListingCache, default_path

        turn = Turn(prompt, options.system, options.new, self.front_end.cell())
        calls, ends, keeping = self._send_all(turn, options)
        view = self._columns(turn, calls, options, stop)
        compared = follow_all(calls, view, stop, ListingCache(default_path()).prices)
        if turn.cell is not None and not options.quiet:
            self._clicks.start()
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
            self._let_choose(comparison)
        return comparison, failure

    def _keep(
        self, keeping: Keeping, view: View, compared: tuple[Compared, ...], answer: Answer
    ) -> None:
        """Go on with one of the answers that were compared, and show that."""
        label = next(one.label for one in compared if one.answer is answer)
        keeping.go_on_with(answer)
        self._latest = answer
        view.keep(compared, label)
        if self._choice is not None:
            self._choice.press(label)

    def _let_choose(self, comparison: Comparison) -> None:
        """Show a button for each answer that can be kept, until the next cell runs."""
        from .display.compare import KeepButtons

        said = [one for one in comparison.columns if one.answer.text]
        if len(said) > 1:
            kept = (one.label for one in said if one.answer is comparison.kept)
            labels = [one.label for one in said]
            self._choice = KeepButtons(labels, next(kept, None), comparison.keep)
            self._choice.show(self._shell.display_pub)

    def _send_all(
        self, turn: Turn, options: argparse.Namespace
    ) -> tuple[dict[str, Call], list[End], Keeping | None]:
        """Send a turn to several models; return the calls under way by label, and their ends."""
        from .compare import parse_models

        asked = parse_models(options.models)
        targets = [self._target(options, one.model) for one in asked]
        messages, keeping = self._messages(turn, options)
        calls: dict[str, Call] = {}
        all_started = threading.Event()

        def so_far() -> tuple[Compared, ...]:
            return tuple(Compared(label, call.answer) for label, call in calls.items())

        def keep(_: Any) -> None:
            all_started.wait()
            if keeping is not None:
                keeping.begin_compared(so_far)

        ends = []
        for one, target in zip(asked, targets, strict=True):
            calls[one.label], end = self._start(target, messages, one.fields, options, keep)
            ends.append(end)
        all_started.set()
        return calls, ends, keeping

    def _columns(
        self, turn: Turn, calls: dict[str, Call], options: argparse.Namespace, stop: Interrupts
    ) -> View:
        from .display.compare import StopButtons, Unseen, open_columns

        def open_bar() -> StopButtons | None:
            can_click = turn.cell is not None and self._clicks.has_answered
            if not (can_click and self.front_end.is_whole_cell()):
                return None
            return StopButtons({name: call.cancel for name, call in calls.items()}, stop.stop)

        if options.quiet:
            return Unseen()
        return open_columns(self._shell, open_bar, goes_on=not options.alone)

    def _target(self, options: argparse.Namespace, model: str | None = None) -> Target:
        """Return who is asked; of several models, one that names its provider is asked of it."""
        from .config import split_model, target

        named = None if model and split_model(model)[0] else options.provider
        return target(
            (named, model or getattr(options, "model", None)),
            (self.settings.get("provider"), self.settings.get("model")),
            self._configured(),
            timeout_s=options.timeout,
        )

    def _card(self, turn: Turn, options: argparse.Namespace, stop: Interrupts) -> Card:
        from .display.card import QuietCard, open_card

        def open_bar(header: str) -> StopBar | None:
            # Without a cell's name the page is not one that asked for the subshell.
            can_click = turn.cell is not None and self._clicks.has_answered
            return StopBar(header, stop.stop) if can_click else None

        if options.quiet:
            return QuietCard()
        return open_card(self._shell, open_bar, may_clear=self.front_end.is_whole_cell())

    def _tell_news(self) -> None:
        for keeper in self._keepers.values():
            for line in keeper.news():
                print(line, file=sys.stderr)  # noqa: T201  # in the cell that it is about

    def _may_replay(self, options: argparse.Namespace) -> bool:
        is_on: bool | None = options.cache
        return self.settings.get("cache") == "on" if is_on is None else is_on

    def _keeper(self, *, kept: bool) -> Keeper:
        """Return what keeps turns: on disk, or in memory where notebooks have no names."""
        from .keeper import Keeper
        from .store import default_path

        path = default_path() if kept else None
        return self._keepers.setdefault(path, Keeper(path))
