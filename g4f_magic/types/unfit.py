"""What is told of JSON that does not fit: which place, what it ought to be, and what it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_LINES = 5
_LONGEST_LINE = 200  # in characters
_LONGEST_VALUE = 100


class UnfitError(ValueError):
    """JSON is not what a form asks for; each of the ``lines`` tells a model one reason."""

    def __init__(self, *lines: str) -> None:
        super().__init__(_joined(lines))
        self.lines = lines


def unfit(where: str, demand: str, value: Any) -> str:
    """Return the line that says what a value ought to be."""
    shown = json.dumps(value, ensure_ascii=False, default=repr)
    return f"{where or 'the value'} {demand}, not {shown[:_LONGEST_VALUE]}"


def one_of(values: Iterable[Any]) -> str:
    """Return the demand for one of these values."""
    return f"must be one of {', '.join(map(json.dumps, values))}"


def inside(where: str, name: str) -> str:
    """Return where a key of an object is."""
    return f"{where}.{name}" if where else name


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in JSON, where true is no number."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def lines_of(error: Exception, where: str) -> Iterator[str]:
    """Return what a check of a class has against a value; pydantic lists it."""
    listed = getattr(error, "errors", None)
    if not callable(listed):
        yield f"{where or 'the value'}: {str(error) or type(error).__name__}"
        return
    for one in listed():
        place = where
        for part in one["loc"]:
            place = f"{place}[{part}]" if isinstance(part, int) else inside(place, part)
        yield f"{place or 'the value'}: {one['msg']}"


def _joined(lines: tuple[str, ...]) -> str:
    """Return some of the reasons in one line, in which nothing of a model moves a cursor."""
    more = len(lines) - _MOST_LINES
    told = [line[:_LONGEST_LINE] for line in lines[:_MOST_LINES]]
    line = "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
