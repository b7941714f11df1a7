"""The options of ``%%chat``, in the order of its help page, and what is refused of them."""

from __future__ import annotations

import argparse
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic_arguments import argument

from ..errors import UsageError
from .options import FORMS, settle_form, split_options

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_TURNS = 1 << 40
_CHAT = (
    argument("-m", "--model", action="append", metavar="MODEL", help="[PROVIDER:]MODEL; several"),
    argument("-p", "--provider", metavar="NAME_OR_URL", help="provider's name, or a base URL"),
    argument("-s", "--system", metavar="TEXT", help="system prompt from here on; '' removes it"),
    argument("-t", "--temperature", type=float, metavar="T", help="randomness; passed on as it is"),
    argument("--top-p", type=float, metavar="P", help="choose from this share of likely words"),
    argument("--max-tokens", type=int, metavar="N", help="longest answer, in tokens"),
    argument("--stop", action="append", metavar="TEXT", help="where to end; may be repeated"),
    argument("--seed", type=int, metavar="N", help="for the same answer to the same prompt"),
    argument("--reasoning-effort", metavar="LEVEL", help="low, medium, high …"),
    argument("-n", type=int, metavar="N", help="how many pictures"),
    argument("--size", metavar="WxH", help="of pictures, in pixels"),
    argument("--param", action="append", metavar="KEY=JSON", help="any other request field"),
    argument("-c", "--conversation", metavar="NAME", help="in which conversation (main)"),
    argument("--last", type=int, metavar="N", help="send only the last N turns"),
    argument("--new", action="store_true", help="start the conversation afresh"),
    argument("--alone", action="store_true", help="send no history and keep none"),
    argument(
        "-a", "--attach", action="append", metavar="WHAT", help="variable, file or URL; several"
    ),
    argument("--prompt-file", metavar="PATH", help="a text that the prompt begins with"),
    argument("--tools", action="append", metavar="NAME,…", help="functions the model may call"),
    argument("--max-rounds", type=int, metavar="N", help="of calls and answers (8)"),
    argument("-o", "--out", metavar="NAME", help="bind the answer to a variable"),
    argument("--fix", action="store_true", help="why did the last cell fail, and how is it right"),
    argument("--explain", action="store_true", help="what does the cell above do"),
    argument("-f", "--format", choices=FORMS, help="how to show it; code: in a new cell below"),
    argument("--schema", metavar="NAME", help="a type of the notebook that the answer is to have"),
    argument("--show", action="store_true", help="show the last answer once more"),
    argument("--quiet", action="store_true", help="show nothing; use with -o"),
    argument("--raw", action="store_true", help="send the text literally, no {{ }}"),
    argument("--retries", type=int, metavar="N", help="how often to try again (2)"),
    argument("--proxy", metavar="URL", help="for this call"),
    argument("--cache", action="store_true", default=None, help="answer from the cache if it can"),
    argument("--no-cache", dest="cache", action="store_false", help="ask again"),
    argument("--timeout", type=float, metavar="S", help="seconds without any byte (60)"),
    argument("text", nargs=argparse.REMAINDER, help="the prompt, all literal text"),
)


def chat_arguments(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Let a magic, which ``magic_arguments`` is to decorate next, take these options."""
    for one in reversed(_CHAT):
        magic = one(magic)
    return magic


def chat_options(parser: Any, line: str) -> tuple[argparse.Namespace, str]:
    """Return the options at the start of a line of ``%%chat``, and the text after them.

    ``models`` are all that are named, ``model`` is the only one. Raises ``UsageError``.
    """
    arguments, words = split_options(line, takes_value(parser))
    options = parsed(parser, arguments, "%%chat?")
    options.models = options.model or []
    options.model = options.models[0] if len(options.models) == 1 else None
    settle_form(options)
    refuse_no_time(options.timeout)
    if options.conversation is not None and not options.conversation.strip():
        message = f"-c {options.conversation!r} is no name for a conversation"
        raise UsageError(message)
    if options.last is not None and not 0 <= options.last < _MOST_TURNS:
        message = f"--last {options.last} is no number of turns"
        raise UsageError(message)
    if options.out is not None and not _is_variable(options.out):
        message = f"-o {options.out!r} is not a name a variable can have"
        raise UsageError(message)
    return options, words


def takes_value(parser: Any) -> dict[str, bool]:
    """Return of each option whether a value follows it."""
    actions = parser._actions  # noqa: SLF001  # argparse lists them nowhere else
    return {name: action.nargs != 0 for action in actions for name in action.option_strings}


def parsed(parser: Any, arguments: list[str], help_page: str) -> argparse.Namespace:
    """Return options as a magic's parser reads them; raises ``UsageError``."""
    try:
        options: argparse.Namespace = parser.parse_args(arguments)
    except IPythonUsageError as error:
        raise UsageError(str(error), hint=f"{help_page} shows what it takes") from None
    return options


def _is_variable(name: str) -> bool:
    return name.isidentifier() and not iskeyword(name)


def refuse_no_time(timeout_s: float | None) -> None:
    """Raise ``UsageError`` for what is no time to wait."""
    if timeout_s is not None and not timeout_s > 0:
        message = f"--timeout {timeout_s:g} is no number of seconds to wait"
        raise UsageError(message)
