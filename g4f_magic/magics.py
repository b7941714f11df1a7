"""The magics: parse, ask, show one thing. All the wiring of the package is here."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Unicode

from .conversation import Turn, with_history
from .display.stop import ClickProbe, StopBar
from .errors import G4FError, UsageError
from .front_end import FrontEnd
from .messages import Answer
from .options import request_fields, split_options
from .portal import Interrupts
from .prompt import expand
from .settings import Settings
from .warmup import WarmUp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

    from .call import Call
    from .chats import Chats
    from .config import Target
    from .display.card import Card
    from .keeper import Keeper


End: TypeAlias = "Callable[[Answer, BaseException | None], None]"
"""Something that is told the answer, and the error that ended it."""


class Stopped(KeyboardInterrupt):
    """The answer was interrupted; cells that wait are not run, as after any interrupt."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@magics_class
class ChatMagics(Magics):
    """Chat with language and image models from a cell."""

    provider = Unicode("", help="Provider's name or base URL where no option names one").tag(
        config=True
    )
    model = Unicode("", help="Model where no option names one").tag(config=True)

    shell: Any  # an InteractiveShell; its own stubs let it be None

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._settings = Settings()
        self._chats: Chats | None = None
        self._latest: Answer | None = None
        self._keepers: dict[Path | None, Keeper] = {}
        self._front_end = FrontEnd(shell)
        self._clicks = ClickProbe(shell)
        self.warm_up = WarmUp(self._clicks.start if self._front_end.cell() else None)
        self._shown: Answer | None = None

    @property
    def chats(self) -> Chats:
        """The conversations of the notebook that the running cell is in."""
        from .chats import Chats

        notebook = self._front_end.notebook()
        if self._chats is None or self._chats.notebook != notebook:
            self._chats = Chats(self._keeper(kept=bool(notebook)), notebook)
        return self._chats

    @no_var_expand
    @needs_local_scope
    @magic_arguments()
    @argument("-m", "--model", metavar="MODEL", help="MODEL or PROVIDER:MODEL")
    @argument("-p", "--provider", metavar="NAME_OR_URL", help="provider's name, or a base URL")
    @argument("-s", "--system", metavar="TEXT", help="system prompt from here on; '' removes it")
    @argument("-t", "--temperature", type=float, metavar="T", help="passed on to the model")
    @argument("--top-p", type=float, metavar="P", help="as all of these up to --param")
    @argument("--max-tokens", type=int, metavar="N", help="longest answer, in tokens")
    @argument("--stop", action="append", metavar="TEXT", help="where to end; may be repeated")
    @argument("--seed", type=int, metavar="N", help="for the same answer to the same prompt")
    @argument("--reasoning-effort", metavar="LEVEL", help="low, medium, high …")
    @argument("-n", type=int, metavar="N", help="how many pictures")
    @argument("--size", metavar="WxH", help="of pictures, in pixels")
    @argument("--param", action="append", metavar="KEY=JSON", help="any other request field")
    @argument("-c", "--conversation", metavar="NAME", help="in which conversation (main)")
    @argument("--last", type=int, metavar="N", help="send only the last N turns")
    @argument("--new", action="store_true", help="start the conversation afresh")
    @argument("--alone", action="store_true", help="send no history and keep none")
    @argument("-o", "--out", metavar="NAME", help="bind the answer to a variable")
    @argument("--show", action="store_true", help="show the last answer once more")
    @argument("--quiet", action="store_true", help="show nothing; use with -o")
    @argument("--raw", action="store_true", help="send the text literally, no {{ }}")
    @argument("--cache", action="store_true", default=None, help="answer from the cache if it can")
    @argument("--no-cache", dest="cache", action="store_false", help="ask again")
    @argument("--timeout", type=float, metavar="S", help="seconds without any byte (60)")
    @argument("text", nargs=argparse.REMAINDER, help="the prompt, all literal text")
    @line_cell_magic
    def chat(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> Answer | None:
        """Ask a model; the answer streams into the cell.

        The shortest useful cell::

            %%chat
            Explain a p-value to a ten-year-old.

        The next %%chat goes on with the conversation; running a cell again
        replaces its turn. {{ name }} puts a variable of the notebook into the
        prompt. Everything after the options is literal text. %chat asks in one
        line, and alone it says where one stands. The result is the answer:
        it is in _ and Out, with .text, .usage and more.
        """
        try:
            return self._chat(line, cell, {**self.shell.user_ns, **(local_ns or {})})
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__

    @line_magic
    def g4f_config(self, line: str) -> None:
        """Show the settings and where each comes from, or set some for this session.

        Alone it lists them all::

            %g4f_config cache=on replay=live
            %g4f_config cache
            %g4f_config
        """
        words = line.split()
        try:
            for assignment in (word for word in words if "=" in word):
                self._settings.assign(assignment)
            names = [word.partition("=")[0] for word in words]
            configured = {"provider": self.provider, "model": self.model}
            settings = self._settings.told(names, configured, os.environ)
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__
        for setting in settings:
            told = f"{setting.key:12} {setting.value:20} {setting.source}"
            print(told)  # noqa: T201  # this is what the cell shows

    def _chat(self, line: str, cell: str | None, scope: dict[str, Any]) -> Answer | None:
        options, words = self._parse(line)
        if options.show:
            return self._show_again(words + (cell or ""))
        body = None if cell is None else self._front_end.as_written(line, cell).strip("\n")
        text = words if body is None else "\n".join(filter(None, (words, body)))
        if text.strip():
            prompt = text if options.raw else expand(text, lambda code: _value(code, scope))
            return self._ask(prompt, options)
        if cell is not None:
            message = "the prompt is empty"
            raise UsageError(message, hint="write it in the lines under %%chat")
        if options.system is not None or options.new:
            name = options.conversation or self.chats.current
            self.chats.begin(Turn("", options.system, options.new), name)
        elif line.strip():
            message = "the prompt is empty"
            raise UsageError(message, hint="write it after the options: %chat -m MODEL What is …?")
        print(self._standing())  # noqa: T201  # this is what the cell shows
        return None

    def _parse(self, line: str) -> tuple[argparse.Namespace, str]:
        parser = ChatMagics.chat.parser
        takes_value = {
            name: action.nargs != 0
            for action in parser._actions  # noqa: SLF001  # argparse lists them nowhere else
            for name in action.option_strings
        }
        arguments, words = split_options(line, takes_value)
        try:
            options = parser.parse_args(arguments)
        except IPythonUsageError as error:
            raise UsageError(str(error), hint="%%chat? shows what it takes") from None
        if options.timeout is not None and not options.timeout > 0:
            message = f"--timeout {options.timeout:g} is no number of seconds to wait"
            raise UsageError(message)
        if options.last is not None and options.last < 0:
            message = f"--last {options.last} is no number of turns"
            raise UsageError(message)
        if options.out is not None and not options.out.isidentifier():
            message = f"-o {options.out!r} is not a name a variable can have"
            raise UsageError(message)
        return options, words

    def _ask(self, prompt: str, options: argparse.Namespace) -> Answer | None:
        with Interrupts() as interrupts:
            answer, failure = self._converse(prompt, options, interrupts)
        self._latest = answer
        for line in self.chats.keeper.news():
            print(line, file=sys.stderr)  # noqa: T201  # a warning, in the cell that it is about
        if options.out:
            self.shell.user_ns[options.out] = answer
        if failure is not None:
            raise failure
        if interrupts.arrived:
            message = f"Stopped after {answer.elapsed_s:.1f} s; what had arrived is kept."
            raise Stopped(message)
        return self._result(answer)

    def _result(self, answer: Answer) -> Answer | None:
        """Return the answer that was shown as the result of the cell, and show it no more."""
        if self._front_end.is_terminal and self._front_end.is_whole_cell():
            self.shell.displayhook.update_user_ns(answer)  # which else writes an empty "Out[1]:"
            return None
        self._shown = answer
        return answer

    def _converse(
        self, prompt: str, options: argparse.Namespace, stop: Interrupts
    ) -> tuple[Answer, BaseException | None]:
        """Send the turn and draw its answer; return it, and the error that ended it."""
        from .display.card import follow

        turn = Turn(prompt, options.system, options.new, self._front_end.cell())
        call, ends = self._send(turn, options)
        if turn.cell is not None and not options.quiet:
            self._clicks.start()  # if it is not started yet; while the request is on its way
        answer = follow(call, self._card(turn, options, stop), stop)
        for end in ends:
            end(answer, call.failure)
        return answer, call.failure

    def _send(self, turn: Turn, options: argparse.Namespace) -> tuple[Call, list[End]]:
        """Send a turn; return the call under way, and what its end is to be told to."""
        from .cached import Cached, request_key
        from .call import start_call

        target = self._target(options)
        messages, keep, ends = with_history(turn, "", ()), None, list[End]()
        if not options.alone:
            name = options.conversation or self.chats.current
            messages = self.chats.messages(turn, name, last=options.last)
            keeping = self.chats.keep(turn, name)
            keep, ends = keeping.begin, [keeping.finish]
        params = {**target.params(), **request_fields(options)}
        provider: Any = target.provider
        if self._may_replay(options):
            key = request_key(provider, target.model, messages, params)
            cached = Cached(self._keeper(kept=True), key)
            provider = cached.replay(is_live=self._settings.get("replay") == "live") or provider
            ends.append(cached.remember)
        return start_call(provider, target.model, messages, keep=keep, **params), ends

    def _card(self, turn: Turn, options: argparse.Namespace, stop: Interrupts) -> Card:
        from .display.card import QuietCard, open_card

        def open_bar(header: str) -> StopBar | None:
            # Without a cell's name the page is not one that asked for the subshell.
            can_click = turn.cell is not None and self._clicks.has_answered
            return StopBar(header, stop.stop) if can_click else None

        if options.quiet:
            return QuietCard()
        return open_card(self.shell, open_bar, may_clear=self._front_end.is_whole_cell())

    def _may_replay(self, options: argparse.Namespace) -> bool:
        is_on: bool | None = options.cache
        return self._settings.get("cache") == "on" if is_on is None else is_on

    def _show_again(self, text: str) -> Answer | None:
        """Show the last answer; one drawn while the page was reloaded is not whole there."""
        if text.strip():
            message = "--show asks nothing, so it takes no prompt"
            raise UsageError(message, hint="%chat --show")
        turns = self.chats.conversation(self.chats.current).turns
        answers = [turn.answer for turn in turns if turn.answer is not None]
        answer = self._latest or (answers[-1] if answers else None)
        if answer is None:
            message = "there is no answer to show yet"
            raise UsageError(message)
        self.show(answer)
        return self._result(answer)

    def _target(self, options: argparse.Namespace) -> Target:
        from .config import target

        return target(
            (options.provider, options.model),
            (self._settings.get("provider"), self._settings.get("model")),
            (self.provider, self.model),
            timeout_s=options.timeout,
        )

    def _standing(self) -> str:
        """Return where one stands: who is asked, and how long the conversation is."""
        target = self._target(ChatMagics.chat.parser.parse_args([]))
        conversation = self.chats.conversation(self.chats.current)
        turns = [turn for turn in conversation.in_force() if turn.prompt]
        usages = [turn.answer.usage for turn in turns if turn.answer and turn.answer.usage]
        tokens_in = sum(usage.tokens_in or 0 for usage in usages)
        tokens_out = sum(usage.tokens_out or 0 for usage in usages)
        count = f"{len(turns)} turn" + ("" if len(turns) == 1 else "s")
        parts = (target.name, f"conversation {conversation.name!r}", count)
        return " · ".join([*parts, f"{tokens_in} tokens in, {tokens_out} out"])

    def _without_stack(self, error: G4FError) -> G4FError:
        """Let IPython show what happened and what to do, and no stack unless asked."""
        if self.shell.InteractiveTB.mode != "Verbose":
            name = type(error).__name__
            if self.shell.colors.lower() != "nocolor":
                name = f"\x1b[31m{name}\x1b[0m"
            lines = [f"{name}: {error}", *([error.hint] if error.hint else [])]
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        return error

    def close(self) -> None:
        """Stop what goes on beside the cells."""
        self.warm_up.stop()
        self._clicks.close()
        for keeper in self._keepers.values():
            keeper.close()

    def _keeper(self, *, kept: bool) -> Keeper:
        """Return what keeps turns: on disk, or in memory where notebooks have no names."""
        from .keeper import Keeper
        from .store import default_path

        path = default_path() if kept else None
        return self._keepers.setdefault(path, Keeper(path))

    def forget_shown(self, *_: object) -> None:
        """Let a later cell show the answer that this one has shown."""
        self._shown = None

    def show(self, answer: Answer) -> None:
        """Display an answer, except as the result of the cell that has just shown it."""
        if answer is self._shown:
            self._shown = None
            return
        from .display.document import printable, publish_document

        if hasattr(self.shell, "kernel"):
            publish_document(self.shell.display_pub, answer)
        else:
            print(printable(answer.text))  # noqa: T201  # this is what the terminal shows


def _value(expression: str, scope: dict[str, Any]) -> Any:
    return eval(compile(expression, "<prompt>", "eval"), scope)  # noqa: S307  # the user's own code


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; what they need is loaded later, while the kernel is idle."""
    magics = ChatMagics(shell)
    shell.register_magics(magics)
    magics.shell.display_formatter.ipython_display_formatter.for_type(Answer, magics.show)
    shell.events.register("pre_run_cell", magics.forget_shown)
    shell.events.register("pre_run_cell", magics.warm_up.cell_began)
    shell.events.register("post_run_cell", magics.warm_up.cell_ended)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back that loading registered."""
    magics = shell.magics_manager.registry.pop("ChatMagics", None)
    if magics is None:
        return
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    magics.shell.display_formatter.ipython_display_formatter.pop(Answer, None)
    shell.configurables.remove(magics)
    magics.close()
    shell.events.unregister("pre_run_cell", magics.forget_shown)
    shell.events.unregister("pre_run_cell", magics.warm_up.cell_began)
    shell.events.unregister("post_run_cell", magics.warm_up.cell_ended)
