"""Notebook values in prompts: ``{{ expression }}`` becomes the value's text."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_AS_IT_STANDS = "--raw sends the text as it stands"

# More }} than this do not stand inside one expression; trying all would take for ever.
_MOST_ENDS = 64


def expand(text: str, evaluate: Callable[[str], Any]) -> str:
    """Return the text with each ``{{ expression }}`` replaced by its value.

    Strings go in as they are, everything else by ``repr``; what came in is not
    expanded again, and single braces are never touched. Raises ``UsageError``
    that names an expression which cannot be evaluated.
    """
    pieces: list[str] = []
    done = 0
    while (start := text.find("{{", done)) >= 0:
        expression, end = _expression_at(text, start + 2)
        pieces += [text[done:start], _text_of(expression, evaluate)]
        done = end
    return "".join([*pieces, text[done:]])


def _expression_at(text: str, start: int) -> tuple[str, int]:
    """Return the shortest Python expression that ``}}`` ends, and where it has ended."""
    end = start - 1
    for _ in range(_MOST_ENDS):
        end = text.find("}}", end + 1)
        if end < 0:
            break
        expression = text[start:end].strip()
        if _is_expression(expression):
            return expression, end + 2
    shown = " ".join(text[start : start + 80].split())[:40]
    message = f"what follows {{{{ is not a Python expression closed by }}}}: {shown!r}"
    raise UsageError(message, hint=_AS_IT_STANDS)


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deep
        return False
    return True


def _text_of(expression: str, evaluate: Callable[[str], Any]) -> str:
    try:
        value = evaluate(expression)
        return value if isinstance(value, str) else repr(value)
    except NameError as error:
        message = f"{{{{ {expression} }}}}: {error}"
        raise UsageError(message, hint=f"nothing was sent; {_AS_IT_STANDS}") from None
    except Exception as error:
        message = f"{{{{ {expression} }}}} failed: {type(error).__name__}: {error}"
        raise UsageError(message, hint=f"nothing was sent; {_AS_IT_STANDS}") from error
