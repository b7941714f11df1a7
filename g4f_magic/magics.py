"""The magics: parse, call one function of the session, show one thing."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

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

from .answer_type import named_type
from .errors import G4FError, UsageError
from .last_cell import LastCell
from .messages import Answer
from .options import FORMS, settle_form, split_options
from .prompt import expand
from .question import Question
from .session import Session
from .warmup import WarmUp

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .compare import Comparison
    from .display.listing import Displayed


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
        self._session = Session(shell, lambda: (self.provider, self.model))
        self.warm_up = WarmUp(self._session.warm_up if self._session.front_end.cell() else None)
        self.last_cell = LastCell(shell)
        self._shown: Answer | None = None

    @no_var_expand
    @needs_local_scope
    @magic_arguments()
    @argument("-m", "--model", action="append", metavar="MODEL", help="[PROVIDER:]MODEL; several")
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
    @argument("--fix", action="store_true", help="why did the last cell fail, and how is it right")
    @argument("--explain", action="store_true", help="what does the cell above do")
    @argument("-f", "--format", choices=FORMS, help="how to show it; code: in a new cell below")
    @argument("--schema", metavar="NAME", help="a type of the notebook that the answer is to have")
    @argument("--show", action="store_true", help="show the last answer once more")
    @argument("--quiet", action="store_true", help="show nothing; use with -o")
    @argument("--raw", action="store_true", help="send the text literally, no {{ }}")
    @argument("--retries", type=int, metavar="N", help="how often to try again (2)")
    @argument("--proxy", metavar="URL", help="for this call")
    @argument("--cache", action="store_true", default=None, help="answer from the cache if it can")
    @argument("--no-cache", dest="cache", action="store_false", help="ask again")
    @argument("--timeout", type=float, metavar="S", help="seconds without any byte (60)")
    @argument("text", nargs=argparse.REMAINDER, help="the prompt, all literal text")
    @line_cell_magic
    def chat(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> Answer | Comparison | None:
        """Ask a model; the answer streams into the cell.

        The shortest useful cell::

            %%chat
            Explain a p-value to a ten-year-old.

        The next %%chat goes on with the conversation; running a cell again
        replaces its turn. Several -m ask several models at the same time, side
        by side. {{ name }} puts a variable of the notebook into the
        prompt. Everything after the options is literal text. %chat asks in one
        line, and alone it says where one stands. The result is the answer:
        it is in _ and Out, with .text, .usage and more.

        After a cell that failed, for a corrected one below it::

            %chat --fix -f code

        For an answer with the fields of a class of the notebook, in .parsed::

            %%chat --schema Person
            Who invented the telephone?
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
                self._session.settings.assign(assignment)
            names = [word.partition("=")[0] for word in words]
            configured = {"provider": self.provider, "model": self.model}
            settings = self._session.settings.told(names, configured, os.environ)
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__
        for setting in settings:
            told = f"{setting.key:12} {setting.value:20} {setting.source}"
            print(told)  # noqa: T201  # this is what the cell shows

    @no_var_expand
    @magic_arguments()
    @argument("--all", action="store_true", help="list: the conversations of every notebook")
    @argument("--yes", action="store_true", help="delete: without asking")
    @argument("--force", action="store_true", help="export: replace a file that is there")
    @argument("verb", nargs="?", help="see above; list if there is none")
    @argument("words", nargs="*", help="of the verb; 'one name' or \"one name\" with a space")
    @line_magic
    def g4f_chats(self, line: str) -> Displayed:
        """List, read, change and move the conversations of this notebook.

        The shortest useful line lists them::

            %g4f_chats

        The verbs::

            list [WORD ...] [--all]  which there are, or those that have all the words
            show [NAME]              the conversation to read
            new NAME, use NAME       begin another one, go on with another one
            undo                     take the last turn away
            fork NAME                go on with a copy
            rename [OLD] NEW         give it another name
            delete NAME --yes        delete it with all its turns
            export FILE [--force]    write it to a .md, .json, .jsonl or .ipynb file
            import FILE              begin one with what is in such a file
            usage                    requests and tokens by model
            cache clear              forget the answers that --cache would give again

        Without a name it is the current conversation, which %%chat continues.
        """
        from .chat_verbs import run, split_words

        arguments, words = split_words(line)
        try:
            options = _parsed(ChatMagics.g4f_chats.parser, arguments, "%g4f_chats?")
            return run(words, options, self._session.chats, _takes_value())
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__

    @no_var_expand
    @magic_arguments()
    @argument("-p", "--provider", metavar="NAME_OR_URL", help="only this one, asked in any case")
    @argument("--images", action="store_true", help="only those that make pictures")
    @argument("--vision", action="store_true", help="only those that see pictures")
    @argument("--free", action="store_true", help="only those whose listing says so")
    @argument("--refresh", action="store_true", help="ask all providers again")
    @argument("--timeout", type=float, metavar="S", help="how long to wait for a provider (6)")
    @argument("--json", action="store_true", help="print them as JSON")
    @argument("--pick", action="store_true", help="search, try and choose one")
    @argument("words", nargs="*", help="that a model's name, provider or abilities must have")
    @line_magic
    def g4f_models(self, line: str) -> Any:
        """List the models that can be asked.

        The shortest useful line asks all providers that have a key, and the servers of
        this computer::

            %g4f_models
            %g4f_models llama --free
            %g4f_models --pick

        The result is a sequence, in _ and Out, with .to_dataframe().
        """
        try:
            options = _parsed(ChatMagics.g4f_models.parser, line.split(), "%g4f_models?")
            if options.pick:
                return self._session.pick(options)
            models = self._session.models(options)
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__
        if not options.json:
            return models
        print(models.to_json())  # noqa: T201  # this is what the cell shows
        return None

    def _chat(
        self, line: str, cell: str | None, scope: dict[str, Any]
    ) -> Answer | Comparison | None:
        options, words = self._parse(line)
        if options.show:
            return self._show_again(words + (cell or ""), options.format)
        body = None if cell is None else self._session.front_end.as_written(line, cell).strip("\n")
        text = words if body is None else "\n".join(filter(None, (words, body)))
        if text.strip() or options.fix or options.explain:
            words = text if options.raw else expand(text, lambda code: _value(code, scope))
            prompt = self.last_cell.about(words, fix=options.fix, explain=options.explain)
            named = options.schema is not None
            options.answer_type = named_type(options.schema, scope) if named else None
            return self._ask(prompt, options)
        if cell is not None:
            message = "the prompt is empty"
            raise UsageError(message, hint="write it in the lines under %%chat")
        if options.system is not None or options.new:
            self._session.mark(options)
        elif line.strip():
            message = "the prompt is empty"
            raise UsageError(message, hint="write it after the options: %chat -m MODEL What is …?")
        print(self._session.standing(options))  # noqa: T201  # this is what the cell shows
        return None

    def _parse(self, line: str) -> tuple[argparse.Namespace, str]:
        arguments, words = split_options(line, _takes_value())
        options = _parsed(ChatMagics.chat.parser, arguments, "%%chat?")
        options.models = options.model or []
        options.model = options.models[0] if len(options.models) == 1 else None
        settle_form(options)
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

    def _ask(self, prompt: str, options: argparse.Namespace) -> Answer | Comparison | None:
        result: Answer | Comparison
        if len(options.models) > 1:
            result, failure = self._session.compare(prompt, options)
        else:
            result, failure = self._session.ask(prompt, options)
        if options.out:
            self.shell.user_ns[options.out] = result
        if failure is not None:
            raise failure
        return self._result(result)

    def _result(self, result: Answer | Comparison) -> Answer | Comparison | None:
        """Return what was shown as the result of the cell, and show it no more."""
        if self._session.front_end.is_terminal and self._session.front_end.is_whole_cell():
            self.shell.displayhook.update_user_ns(result)  # which else writes an empty "Out[1]:"
            return None
        if isinstance(result, Answer):
            self._shown = result
        return result

    def _show_again(self, text: str, form: str) -> Answer | Comparison | None:
        """Show the last answer; one drawn while the page was reloaded is not whole there."""
        if text.strip():
            message = "--show asks nothing, so it takes no prompt"
            raise UsageError(message, hint="%chat --show")
        answer = self._session.latest()
        if answer is None:
            message = "there is no answer to show yet"
            raise UsageError(message)
        self.show(answer, form)
        if form == "code":
            self._session.next_cell.take(answer, self._session.front_end.cell())
        return self._result(answer)

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
        self._session.close()

    def forget_shown(self, *_: object) -> None:
        """Let a later cell show the answer that this one has shown."""
        self._shown = None
        self._session.cell_began()

    def show(self, answer: Answer, form: str = "markdown") -> None:
        """Display an answer, except as the result of the cell that has just shown it."""
        if answer is self._shown:
            self._shown = None
            return
        from .display.document import printable
        from .display.forms import publish_as

        if hasattr(self.shell, "kernel"):
            publish_as(form, self.shell.display_pub, answer)
        else:
            print(printable(answer.text))  # noqa: T201  # this is what the terminal shows


def _takes_value() -> dict[str, bool]:
    """Return of each option of `%%chat` whether a value follows it."""
    actions = ChatMagics.chat.parser._actions  # noqa: SLF001  # argparse lists them nowhere else
    return {name: action.nargs != 0 for action in actions for name in action.option_strings}


def _parsed(parser: Any, arguments: list[str], help_page: str) -> argparse.Namespace:
    try:
        options: argparse.Namespace = parser.parse_args(arguments)
    except IPythonUsageError as error:
        raise UsageError(str(error), hint=f"{help_page} shows what it takes") from None
    return options


def _value(expression: str, scope: dict[str, Any]) -> Any:
    return eval(compile(expression, "<prompt>", "eval"), scope)  # noqa: S307  # the user's own code


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; what they need is loaded later, while the kernel is idle."""
    magics = ChatMagics(shell)
    shell.register_magics(magics)
    shell.input_transformer_manager.token_transformers.append(Question)
    magics.shell.display_formatter.ipython_display_formatter.for_type(Answer, magics.show)
    shell.events.register("pre_run_cell", magics.forget_shown)
    shell.events.register("pre_run_cell", magics.warm_up.cell_began)
    shell.events.register("post_run_cell", magics.warm_up.cell_ended)
    shell.events.register("post_run_cell", magics.last_cell.ended)


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
    shell.input_transformer_manager.token_transformers.remove(Question)
    magics.close()
    shell.events.unregister("pre_run_cell", magics.forget_shown)
    shell.events.unregister("pre_run_cell", magics.warm_up.cell_began)
    shell.events.unregister("post_run_cell", magics.warm_up.cell_ended)
    shell.events.unregister("post_run_cell", magics.last_cell.ended)
