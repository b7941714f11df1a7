"""The magics: parse, call one function of the session, show one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Bool, Float, Int, Unicode, validate

from .cell.arguments import chat_arguments, chat_options, parsed, refuse_no_time, takes_value
from .cell.named import find_named
from .cell.options import split_words
from .cell.question import Question
from .cell.session import Session, Stopped
from .completion.tab import Tab
from .errors import G4FError, UsageError
from .limits import ATTACHMENT
from .messages import Answer
from .prompts.composing import composed
from .prompts.last_cell import LastCell
from .secret import SecretDict, veiled_address
from .settings.settings import KEYS
from .warmup import WarmUp

if TYPE_CHECKING:
    import argparse

    from IPython.core.interactiveshell import InteractiveShell

    from .compare import Comparison
    from .display.listing import Displayed
    from .parts import Part

_HELP = {name: key.meaning for name, key in KEYS.items()}


@magics_class
class ChatMagics(Magics):
    """Chat with language and image models from a cell."""

    provider = Unicode("", help="Provider or base URL where no option names one").tag(config=True)
    model = Unicode("", help="Model where no option names one").tag(config=True)
    timeout = Float(None, allow_none=True, help=_HELP["timeout"]).tag(config=True)
    proxy = Unicode("", help=_HELP["proxy"]).tag(config=True)
    cache = Bool(None, allow_none=True, help=_HELP["cache"]).tag(config=True)
    replay = Unicode("", help=_HELP["replay"]).tag(config=True)
    preview_rows = Int(None, allow_none=True, help=_HELP["preview_rows"]).tag(config=True)
    confirm_tools = Bool(None, allow_none=True, help=_HELP["confirm_tools"]).tag(config=True)
    max_rounds = Int(None, allow_none=True, help=_HELP["max_rounds"]).tag(config=True)
    max_answer_mb = Int(None, allow_none=True, help=_HELP["max_answer_mb"]).tag(config=True)
    max_picture_mb = Int(None, allow_none=True, help=_HELP["max_picture_mb"]).tag(config=True)
    max_attachment_mb = Int(None, allow_none=True, help=_HELP["max_attachment_mb"]).tag(config=True)
    max_cache_mb = Int(None, allow_none=True, help=_HELP["max_cache_mb"]).tag(config=True)
    env_file = Unicode("", help=_HELP["env_file"]).tag(config=True)
    shell: Any  # an InteractiveShell; its own stubs let it be None

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._session = Session(shell, self._configured)
        self.warm_up = WarmUp(self._session.warm_up if self._session.front_end.cell() else None)
        self.last_cell = LastCell(shell)
        self._shown: Answer | None = None
        self._session.front_end.notebook()  # which the cell that loads us tells, and Tab does not
        self.tab = Tab(shell, self._session, _parsers(), self.warm_up.paused)

    @no_var_expand
    @needs_local_scope
    @magic_arguments()
    @chat_arguments
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
        prompt, a figure as a picture; -a adds a variable, a file or what lies at
        a URL after its text. --tools f,g lets the model call functions of the
        notebook. Everything after the options is literal text. %chat asks in one
        line, and alone it says where one stands. The result is the answer: it is
        in _ and Out, with .text, .usage and more.

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

    @no_var_expand
    @magic_arguments()
    @argument("--save", action="store_true", help="keep them for all notebooks, too")
    @argument("words", nargs="*", metavar="KEY[=VALUE]", help="what to show, or to set")
    @line_magic
    def g4f_config(self, line: str) -> None:
        """Show the settings and where each comes from, or set some for this session.

        Alone it lists them all::

            %g4f_config
            %g4f_config cache
            %g4f_config cache=on replay=live
            %g4f_config "model=lmstudio:a name with blanks"

        Models and system prompts can have names of yours, for -m and -s::

            %g4f_config alias.fast=groq:llama-3.1-8b-instant
            %g4f_config system.brief="Answer in one sentence."

        Nothing after the = forgets a setting. --save keeps those of the line in a file for
        all notebooks; without any, all that this session has set.
        """
        arguments, words = split_words(line)
        try:
            options = parsed(ChatMagics.g4f_config.parser, arguments, "%g4f_config?")
            settings, configured = self._session.settings, self._configured()
            lines = settings.configure(words, configured, is_kept=options.save)
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__
        print("\n".join(lines))  # noqa: T201  # this is what the cell shows

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
            new NAME                 begin another one
            use NAME                 go on with another one
            undo                     take the last turn away
            fork NAME                go on with a copy
            rename [OLD] NEW         give it another name
            delete NAME --yes        delete it with all its turns
            export FILE [--force]    write it to a .md, .json, .jsonl or .ipynb file;
                                     the two of JSON have the pictures of prompts
            import FILE              begin one with what is in such a file
            usage                    requests and tokens by model
            cache clear              forget the answers that --cache would give again

        Without a name it is the current conversation, which %%chat continues.
        """
        from .cell.chat_verbs import run

        arguments, words = split_words(line)
        try:
            options = parsed(ChatMagics.g4f_chats.parser, arguments, "%g4f_chats?")
            return run(words, options, self._session.chats, takes_value(ChatMagics.chat.parser))
        except KeyboardInterrupt:
            message = "Stopped; %g4f_chats shows what there is."
            raise Stopped(message) from None
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
            options = parsed(ChatMagics.g4f_models.parser, line.split(), "%g4f_models?")
            refuse_no_time(options.timeout)
            if options.pick:
                return self._session.pick(options)
            models = self._session.models(options)
        except KeyboardInterrupt:
            message = "Stopped; nothing is listed."
            raise Stopped(message) from None
        except G4FError as error:
            raise self._without_stack(error) from error.__cause__
        if not options.json:
            return models
        print(models.to_json())  # noqa: T201  # this is what the cell shows
        return None

    @validate("provider", "proxy")
    def _veil_password(self, proposal: dict[str, Any]) -> str:
        return veiled_address(proposal["value"])

    def _configured(self) -> dict[str, Any]:
        """Return the settings in IPython's configuration; None or "" if they are not there."""
        return SecretDict({key: getattr(self, key) for key in KEYS})

    def _chat(
        self, line: str, cell: str | None, scope: dict[str, Any]
    ) -> Answer | Comparison | None:
        options, words = chat_options(ChatMagics.chat.parser, line)
        if options.show:
            return self._show_again(words + (cell or ""), options.format)
        body = None if cell is None else self._session.front_end.as_written(line, cell)
        text = words if body is None else "\n".join(filter(None, (words, body)))
        try:
            settings, configured = self._session.settings, self._configured()
            rows = int(settings.number("preview_rows", configured))
            prompt = composed(text, options, scope, rows, settings.limit(ATTACHMENT, configured))
        except KeyboardInterrupt:
            message = "Stopped; nothing was sent."
            raise Stopped(message) from None
        options.system = prompt.system
        about = self.last_cell.about(fix=options.fix, explain=options.explain)
        words = "\n\n".join(filter(None, (about, prompt.text)))
        if words.strip():
            find_named(options, scope, settings, configured)
            parts = (about, *prompt.parts) if about and prompt.parts else prompt.parts
            return self._ask(words, options, parts)
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

    def _ask(
        self, prompt: str, options: argparse.Namespace, parts: tuple[Part, ...] = ()
    ) -> Answer | Comparison | None:
        result: Answer | Comparison
        if len(options.models) > 1:
            result, failure = self._session.compare(prompt, options, parts)
        else:
            result, failure = self._session.ask(prompt, options, parts)
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
        from .display.views import publish_as

        if hasattr(self.shell, "kernel"):
            publish_as(form, self.shell.display_pub, answer)
        else:
            print(printable(answer.text))  # noqa: T201  # this is what the terminal shows


def _parsers() -> dict[str, Any]:
    """Return what parses the lines of the magics, by their names."""
    names = ("chat", "g4f_chats", "g4f_config", "g4f_models")
    return {name: getattr(ChatMagics, name).parser for name in names}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; what they need is loaded later, while the kernel is idle."""
    magics = ChatMagics(shell)
    shell.register_magics(magics)
    magics.tab.register()
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
    magics.tab.unregister()
    shell.events.unregister("pre_run_cell", magics.forget_shown)
    shell.events.unregister("pre_run_cell", magics.warm_up.cell_began)
    shell.events.unregister("post_run_cell", magics.warm_up.cell_ended)
    shell.events.unregister("post_run_cell", magics.last_cell.ended)
