"""Notebook values in prompts: ``{{ expression }}`` becomes the value's text or picture."""

from __future__ import annotations

import ast
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import UsageError
from ..messages import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..parts import Part

T = TypeVar("T")

_AS_IT_STANDS = "--raw sends the text as it stands"
_NOTHING_SENT = f"nothing was sent; {_AS_IT_STANDS}"

# More }} than this do not stand inside one expression; trying all would take for ever.
_MOST_ENDS = 64


def expand(text: str, evaluate: Callable[[str], Any], *, rows: int = 10) -> str:
    """Return the text with each ``{{ expression }}`` replaced by its value, for texts alone.

    As ``expand_parts``, but a picture raises ``UsageError``, too.
    """
    parts: list[str] = []
    for expression, part in _parts(text, evaluate, rows):
        if not isinstance(part, str):
            message = f"{{{{ {expression} }}}} is a picture, where only text can stand"
            raise UsageError(message, hint=_NOTHING_SENT)
        parts.append(part)
    return "".join(parts)


def expand_parts(text: str, evaluate: Callable[[str], Any], *, rows: int = 10) -> list[Part]:
    """Return the text with values in it, divided where pictures stand.

    Texts go in as they are, pictures and figures as attachments, everything else as
    ``values.shown`` has it with ``rows`` of what is long. What came in is not expanded
    again, single braces are never touched, and ``{{{{`` is a plain ``{{``. Raises
    ``UsageError`` that names an expression which cannot be evaluated or shown.
    """
    parts = [part for _, part in _parts(text, evaluate, rows)]
    joined: list[Part] = []
    for is_text, neighbours in groupby(parts, lambda part: isinstance(part, str)):
        group = list(neighbours)
        joined += ["".join(part for part in group if isinstance(part, str))] if is_text else group
    return [part for part in joined if part]


def _parts(text: str, evaluate: Callable[[str], Any], rows: int) -> Iterator[tuple[str, Part]]:
    """Yield texts and pictures in order, each with the expression that it came from."""
    done = 0
    while (start := text.find("{{", done)) >= 0:
        yield "", text[done:start]
        if text.startswith("{{{{", start):
            yield "", "{{"
            done = start + 4
            continue
        expression, done = _expression_at(text, start + 2)
        for part in _value_of(expression, evaluate, rows):
            yield expression, part
    yield "", text[done:]


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


def _value_of(expression: str, evaluate: Callable[[str], Any], rows: int) -> list[Part]:
    from .attachments import pictures  # most prompts are plain text and need none of it
    from .values import shown

    def parts_of(expression: str) -> list[Part]:
        value = evaluate(expression)
        found = pictures(value, name=expression if expression.isidentifier() else "")
        text = "" if found and not isinstance(value, Answer) else shown(value, rows=rows)
        return [text, *found]

    return evaluated(expression, parts_of, f"{{{{ {expression} }}}}", _NOTHING_SENT)


def evaluated(
    expression: str, evaluate: Callable[[str], T], named: str = "", hint: str = "nothing was sent"
) -> T:
    """Return what an expression comes to; ``UsageError`` names the one that fails."""
    named = named or expression
    try:
        return evaluate(expression)
    except UsageError as error:
        message = f"{named}: {error}"
        raise UsageError(message, hint=error.hint or hint) from error
    except NameError as error:
        message = f"{named}: {error}"
        raise UsageError(message, hint=hint) from None
    except Exception as error:
        message = f"{named} failed: {type(error).__name__}: {error}"
        raise UsageError(message, hint=hint) from error
