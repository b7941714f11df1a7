"""Fills in what pages repeat of the code: ``python docs/make_reference.py``."""  # noqa: INP001  # a script

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from g4f_magic import errors
from g4f_magic.cell.chat_verbs import VERBS
from g4f_magic.magics import ChatMagics
from g4f_magic.settings.settings import FAMILIES, KEYS, Key

sys.path.insert(0, str(Path(__file__).parent))
from error_messages import HOLE, Message, messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DOCS = Path(__file__).parent
PACKAGE = Path(errors.__file__).parent
_ERRORS = [name for name, one in vars(errors).items() if isinstance(one, type)]
_PART = re.compile(r"(<!-- made by make_reference: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """Return a page with its parts as the code has them now."""
    return _PART.sub(lambda part: f"{part[1]}\n{_made(part[2])}\n\n{part[3]}", page)


def pages() -> dict[Path, str]:
    """Return the pages that have such parts, filled in."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
    return {path: filled(text) for path, text in texts.items() if _PART.search(text)}


def _made(what: str) -> str:
    kind, _, name = what.partition(" ")
    return _MAKERS[kind](name)


def _options(magic: str) -> str:
    """Return the options of a magic as its parser has them."""
    actions = getattr(ChatMagics, magic).parser._actions  # noqa: SLF001  # argparse lists them nowhere else
    return _table(["option", "meaning"], (_option(one) for one in actions))


def _option(action: Any) -> list[str]:
    if not action.option_strings:
        name = action.metavar or action.dest
        return [_code(name + " …" if action.nargs != "?" else name), action.help]
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    choices = f" ({', '.join(map(_code, action.choices))})" if action.choices else ""
    named = ", ".join(_code(name + value) for name in action.option_strings)
    return [named, action.help + choices]


def _verbs(_: str) -> str:
    """Return the verbs of ``%g4f_chats`` with what they take."""
    told = dict(_told_verbs(ChatMagics.g4f_chats.__doc__ or ""))
    rows = ([_code(f"{name} {verb.takes}".strip()), told[name]] for name, verb in VERBS.items())
    return _table(["verb", "what it does"], rows)


def _told_verbs(page: str) -> Iterator[tuple[str, str]]:
    """Yield each verb with what the help page of the magic says of it."""
    lines = page.partition("The verbs::")[2].partition("Without a name")[0].strip().split("\n")
    told: list[list[str]] = []
    for line in lines:
        before, _, after = line.strip().partition("  ")
        if after:
            told.append([before, after.strip()])
        elif line.strip():
            told[-1][1] += f" {line.strip()}"
    for before, after in told:
        yield before.split()[0], after


def _settings(_: str) -> str:
    """Return all that ``%g4f_config`` sets."""
    head = ["key", "what it is for", "value", "default", "variable"]
    named = [*KEYS.items(), *((f"{name}.NAME", key) for name, key in FAMILIES.items())]
    return _table(head, (_setting(name, key) for name, key in named))


def _setting(name: str, key: Key) -> list[str]:
    default, variable = (_code(text) if text else "" for text in (key.default, key.variable))
    return [_code(name), key.meaning, _kind(key), default, variable]


def _kind(key: Key) -> str:
    if key.values:
        return " or ".join(map(_code, key.values))
    if key.span is None:
        return "text"
    least, most = key.span
    return f"{'whole number' if key.is_whole else 'number'}, {least:g} to {most:,.0f}"


def _messages(error: str) -> str:
    """Return what errors of one class say, each with its hint."""
    said = (one for one in all_messages() if one.error == error and one.text != HOLE)
    return _table(["message", "its hint"], ([_code(one.text), _hint(one.hint)] for one in said))


@functools.cache
def all_messages() -> list[Message]:
    """Return what the errors of the package say."""
    return messages(PACKAGE, _ERRORS)


def _tree(_: str) -> str:
    """Return the tree of errors as their module draws it."""
    drawn = (errors.__doc__ or "").partition("\n\n")[2].strip()
    return f"```\n{drawn}\n```"


def _exceptions(_: str) -> str:
    """Return what has Sphinx describe each class of error."""
    lines = (
        f".. autoexception:: {errors.__name__}.{name}()\n   :show-inheritance:" for name in _ERRORS
    )
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _hint(text: str) -> str:
    return _code(text) if text.strip("…") else ""


_MAKERS = {
    "exceptions": _exceptions,
    "messages": _messages,
    "options": _options,
    "settings": _settings,
    "tree": _tree,
    "verbs": _verbs,
}

if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
