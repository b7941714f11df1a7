"""What Tab offers where the cursor stands in a line or a cell of the magics."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cell.chat_verbs import VERBS
from ..cell.options import FORMS, split_options
from ..errors import UsageError
from ..settings.settings import KEYS
from .candidates import Candidates, fitting

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Callable, Iterable, Mapping

    from ..cell.session import Session

_CELL = re.compile(r"\s*%%chat(?=\s)([^\n]*)(\n?)(.*)", re.DOTALL)
_LINE = re.compile(r"\s*(?:[\w.,\s]+=\s*)?%(chat|g4f_chats|g4f_config|g4f_models)\s(.*)")
_WORD = re.compile(r"""(?:(?<=\s)|^)(?:"[^"]*|'[^']*|\S*)$""")
_HERE = "\0"  # stands for the word at the cursor; no cell has it
_LEVELS = ("low", "medium", "high")


class Offer(NamedTuple):
    """``texts`` may take the place of ``begun``, which ends where the cursor stands.

    Nothing else may be offered there, even if there are none. ``kinds`` is what front ends
    write beside them, where that is not ``magic``.
    """

    begun: str
    texts: list[str]
    kinds: Mapping[str, str] = MappingProxyType({})


class Completion:
    """Finds what can be typed next in one shell.

    ``parsers`` are those of the magics by name. ``in_expression`` offers what continues a
    Python expression of the notebook.
    """

    def __init__(
        self,
        shell: Any,
        session: Session,
        parsers: Mapping[str, Any],
        in_expression: Callable[[str], Offer],
    ) -> None:
        self._known = Candidates(shell, session)
        self._options = {
            magic: {name: action for action in parser._actions for name in action.option_strings}  # noqa: SLF001  # argparse lists them nowhere else
            for magic, parser in parsers.items()
        }
        self._in_expression = in_expression

    def offer(self, text: str, offset: int) -> Offer | None:
        """Return what can stand at this place of a cell; None where it is no magic of ours."""
        before = text[:offset]
        if cell := _CELL.fullmatch(before):
            line, newline, body = cell.groups()
            if newline:
                return self._in_prompt(body, is_raw="--raw" in line.split())
            return self._in_chat(line)
        found = _LINE.fullmatch(before.rpartition("\n")[2])
        if not found:
            return None
        magic, line = found.groups()
        return self._in_chat(line) if magic == "chat" else self._in_words(magic, line)

    def _in_chat(self, line: str) -> Offer:
        """Return what continues the options of `%%chat`, or the text after them."""
        options = self._options["chat"]
        takes_value = {name: action.nargs != 0 for name, action in options.items()}
        word = _word(line)
        head = line[: len(line) - len(word)]
        try:
            arguments, rest = split_options(head + _HERE, takes_value)
        except UsageError:
            return Offer(word, [])
        if rest not in {"", _HERE} or head.split()[-1:] == ["--"]:
            return self._in_prompt(line, is_raw="--raw" in arguments)
        given = dict(argument.partition("=")[::2] for argument in arguments)
        if not rest:  # the option before it takes it
            option = arguments[-1].partition("=")[0]
            return self._value(options[option], word, given)
        if word and not word.startswith("-"):
            return self._in_prompt(line, is_raw="--raw" in arguments)
        return self._option(options, word, given)

    def _in_words(self, magic: str, line: str) -> Offer:
        """Return what continues a line in which options and words may stand in any order."""
        options = self._options[magic]
        word = _word(line)
        words = line[: len(line) - len(word)].split()
        last = options.get(words[-1]) if words else None
        if last is not None and last.nargs != 0:
            return self._value(last, word, {})
        if word.startswith("-"):
            return self._option(options, word, {})
        if magic == "g4f_config":
            return self._setting(word)
        if magic == "g4f_chats":
            return self._verb([one for one in words if not one.startswith("-")], word)
        return Offer(word, [] if word else [*options])

    def _in_prompt(self, text: str, *, is_raw: bool) -> Offer:
        """Return what continues the expression between braces; what is no expression is text."""
        _, braces, expression = text.rpartition("{{{{")[2].rpartition("{{")  # four are literal
        if is_raw or not braces or "}}" in expression:
            return Offer(_word(text), [])
        return self._in_expression(expression.lstrip())

    def _option(self, options: Mapping[str, Action], word: str, given: Mapping[str, str]) -> Offer:
        """Return the options that begin with a word, or what continues a value in it."""
        name, equals, value = word.partition("=")
        if equals and name in options:
            return self._value(options[name], value, given)
        short = options.get(word[:2])
        if len(word) > 2 and short is not None and short.nargs != 0:  # noqa: PLR2004  # as in -mgpt
            return self._value(short, word[2:], given)
        return Offer(word, fitting(options, word))

    def _value(self, option: Action, word: str, given: Mapping[str, str]) -> Offer:
        """Return the values of an option that begin with a word."""
        known = self._known
        if option.dest == "tools":
            *before, word = word.split(",")
            return Offer(word, fitting((n for n in known.tools() if n not in before), word))
        if option.dest == "model":
            provider = given.get("-p") or given.get("--provider") or ""
            return _offer(known.models(word, provider), word)
        if option.dest in {"attach", "prompt_file"}:
            names = known.attachments() if option.dest == "attach" else []
            return _offer([*names, *known.paths(word.lstrip("'\""))], word)
        named: dict[str, Callable[[], Iterable[str]]] = {
            "conversation": known.conversations,
            "format": lambda: FORMS,
            "provider": known.providers,
            "reasoning_effort": lambda: _LEVELS,
            "schema": known.schemas,
            "system": known.system_prompts,
        }
        return _offer(named[option.dest]() if option.dest in named else (), word)

    def _setting(self, word: str) -> Offer:
        key, equals, value = word.partition("=")
        if not equals:
            return Offer(word, fitting([*self._known.settings(), "--save"], word))
        if key == "model" or key.startswith("alias."):
            return _offer(self._known.models(value), value)
        if key == "provider":
            return _offer(self._known.providers(), value)
        if key == "env_file":
            return _offer(self._known.paths(value.lstrip("'\"")), value)
        return _offer(KEYS[key].values if key in KEYS else (), value)

    def _verb(self, words: list[str], word: str) -> Offer:
        """Return the verbs of `%g4f_chats`, or what the verb at the start of the line takes."""
        if not words:
            return _offer(VERBS, word)
        takes = VERBS[words[0]].takes if words[0] in VERBS else ""
        if "FILE" in takes:
            return _offer(self._known.paths(word.lstrip("'\"")), word)
        if "NAME" in takes or "OLD" in takes:
            return _offer(self._known.conversations(), word)
        return _offer(["clear"] if words == ["cache"] else (), word)


def _word(text: str) -> str:
    """Return the word that ends a text, which may begin with a quote that is still open."""
    found = _WORD.search(text.rpartition("\n")[2])
    return found[0] if found else ""


def _offer(names: Iterable[str], word: str) -> Offer:
    """Return the names that begin like a word, in quotes if there are spaces in them."""
    quote = word[:1] if word[:1] in {"'", '"'} else ""
    found = fitting(names, word[len(quote) :])
    return Offer(word, [_quoted(name, quote) for name in found])


def _quoted(name: str, quote: str) -> str:
    if not quote and " " in name:
        quote = "'" if '"' in name else '"'
    return f"{quote}{name}{quote}"
