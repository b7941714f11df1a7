"""The options of a magic: where they end, and what of them goes into the request."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..secret import Secret, veiled

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

FORMS = ("markdown", "text", "html", "json", "code")
"""The forms that an answer can be shown in; the first if nothing says it."""

_FIELDS = ("temperature", "top_p", "max_tokens", "stop", "seed", "reasoning_effort", "n", "size")
_WORD = re.compile(r"""([^\s"'=]+=)?(?:"([^"]*)"|'([^']*)')(?!\S)|(\S+)""")


def split_options(line: str, takes_value: Mapping[str, bool]) -> tuple[list[str], str]:
    """Return the options at the start of a line as arguments, and the rest untouched.

    ``takes_value`` says of each option (``-m``, ``--model``) whether a value
    follows it. Values may be quoted; ``--`` ends the options; the first word
    that is none ends them too. Raises ``UsageError``.
    """
    arguments: list[str] = []
    rest = line.lstrip()
    while rest.startswith("-"):
        word = rest.split(maxsplit=1)[0]
        if word == "--":
            return arguments, rest[3:]
        if word == "-":
            break
        option, attached = _option_of(word, takes_value)
        rest = rest[len(option) :]
        if not takes_value[option]:
            arguments.append(option)
            rest = rest.lstrip()
            continue
        value, rest = _attached(rest, option) if attached else _value(rest.lstrip(), option)
        if value == "--":  # which argparse leaves out (Python 3.10 to 3.12)
            message = f"{option} cannot be --"
            raise UsageError(message, hint="two dashes end the options")
        arguments.append(f"{option}={value}")  # argparse takes this form for every value
        rest = rest.lstrip()
    return arguments, rest


def split_words(line: str) -> tuple[list[str], list[str]]:
    """Return the options of a line, and its other words; quoted, a word may be anything.

    So may what follows the ``=`` of a word.
    """
    options: list[str] = []
    words: list[str] = []
    for found in _WORD.finditer(line):
        is_option = (found[4] or "").startswith("--")
        word = "".join(group for group in found.groups() if group)
        (options if is_option else words).append(word)
    return options, words


def request_fields(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a request that options name, as they are; raises ``UsageError``."""
    fields = {name: getattr(options, name) for name in _FIELDS}
    fields = {name: value for name, value in fields.items() if value is not None}
    return veiled(fields | dict(_param(given) for given in options.param or ()))


def settle_form(options: argparse.Namespace) -> None:
    """Decide the form that an answer is shown in; raises ``UsageError``."""
    if len(options.models) > 1 and options.format not in {None, "markdown"}:
        message = (
            f"-f {options.format} shows one answer, and {len(options.models)} models are named"
        )
        raise UsageError(message, hint="leave out -f, or ask one model")
    if len(options.models) > 1 and options.schema:
        message = f"--schema is for one answer, and {len(options.models)} models are named"
        raise UsageError(message, hint="ask one model")
    options.format = options.format or ("json" if options.schema else FORMS[0])


def way_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what options say of the way to the service; raises ``UsageError``."""
    if options.retries is not None and options.retries < 0:
        message = f"--retries {options.retries} is no number of times"
        raise UsageError(message)
    named = {"max_retries": options.retries, "proxy": options.proxy and Secret(options.proxy)}
    return {name: value for name, value in named.items() if value is not None}


def _param(given: str) -> tuple[str, Any]:
    """Return the name and the value of ``KEY=JSON``."""
    name, equals, value = given.partition("=")
    try:
        if name and equals:
            return name, json.loads(value)
    except (ValueError, RecursionError):
        pass
    message = f"--param {given!r} is not KEY=JSON"
    hint = """--param 'user="me"' and --param 'logit_bias={"50256": -100}' are"""
    raise UsageError(message, hint=hint)


def _option_of(word: str, takes_value: Mapping[str, bool]) -> tuple[str, bool]:
    """Return the option that a word begins with, and whether its value is attached."""
    name = word.partition("=")[0]
    if name in takes_value and (name == word or takes_value[name]):
        return name, name != word
    if not word.startswith("--") and takes_value.get(word[:2]):
        return word[:2], True
    if name in takes_value:
        message = f"{name} takes no value"
        raise UsageError(message, hint="-- before the text ends the options")
    alike = get_close_matches(name, takes_value, n=1)
    meant = f"did you mean {alike[0]!r}? " if alike else ""
    message = f"there is no option {name!r}"
    raise UsageError(
        message, hint=f"{meant}%%chat? lists them; -- before the text ends the options"
    )


def _attached(rest: str, option: str) -> tuple[str, str]:
    """Return the value right after an option, which is empty after ``--system=``."""
    rest = rest.removeprefix("=")
    return ("", rest) if not rest[:1].strip() else _value(rest, option)


def _value(text: str, option: str) -> tuple[str, str]:
    """Return the quoted or bare word at the start of a text, and what follows it."""
    quote = text[:1]
    if quote in {"'", '"'}:
        end = text.find(quote, 1)
        while end > 0 and text[end - 1] == "\\":
            end = text.find(quote, end + 1)
        if end < 0:
            message = f"the quote {quote} after {option} is not closed"
            raise UsageError(message, hint="the options stand on the first line")
        return text[1:end].replace(f"\\{quote}", quote), text[end + 1 :]
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    if not word:
        message = f"{option} needs a value"
        raise UsageError(message, hint="%%chat? shows what it takes")
    return word, text[len(word) :]
