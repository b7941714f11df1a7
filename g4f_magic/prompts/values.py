"""A value of the notebook as compact text, in which every cut is stated."""

from __future__ import annotations

import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..messages import Answer
from .frames import LONGEST, clipped, frame_text, inner_text, is_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONGEST_INNER = 200  # characters of a text or an object inside something that is cut
_DEEPEST_WHOLE = 50
_DEEPEST_CUT = 4

# By the method that Python would show them with: a class that has its own is asked itself.
_BRACKETS: dict[Any, tuple[str, str]] = {
    list.__repr__: ("[", "]"),
    tuple.__repr__: ("(", ")"),
    set.__repr__: ("{", "}"),
    frozenset.__repr__: ("frozenset({", "})"),
    deque.__repr__: ("deque([", "])"),
    array.array.__repr__: ("array([", "])"),
    type({}.keys()).__repr__: ("dict_keys([", "])"),
    type({}.values()).__repr__: ("dict_values([", "])"),
    type({}.items()).__repr__: ("dict_items([", "])"),
    dict.__repr__: ("{", "}"),
    defaultdict.__repr__: ("defaultdict({", "})"),
    OrderedDict.__repr__: ("OrderedDict({", "})"),
    Counter.__repr__: ("Counter({", "})"),
}
_MAPPINGS = (dict.__repr__, defaultdict.__repr__, OrderedDict.__repr__, Counter.__repr__)


def shown(value: Any, *, rows: int = 10) -> str:
    """Return a value as a model should read it: texts and answers as they are.

    Of frames, arrays and all that is long there is the size and the start, ``rows``
    rows or items of each. What is left out is not rendered, unless by a ``__repr__``
    that is not Python's own; whatever such a one raises comes out.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Answer):
        return value.text
    if is_frame(value):
        return frame_text(value, rows)
    whole = _Repr(LONGEST, longest=LONGEST, deepest=_DEEPEST_WHOLE)
    text = whole.of(value)
    if not whole.is_cut:
        return text
    return _Repr(rows, longest=_LONGEST_INNER, deepest=_DEEPEST_CUT).of(value)


class _Repr:
    """Writes a value as ``repr`` does until it is long; ``is_cut`` tells that some is missing."""

    def __init__(self, items: int, *, longest: int, deepest: int) -> None:
        self.is_cut = False
        self._items, self._longest, self._deepest = items, longest, deepest
        self._left = LONGEST
        self._around: list[Any] = []

    def of(self, value: Any) -> str:
        """Return the text of a value, which may stand inside another one."""
        kind = type(value).__repr__
        if kind in _BRACKETS and len(value):
            return self._container(value, kind)
        if names := _field_names(value):
            parts = ((name, getattr(value, name)) for name in names)
            brackets = f"{type(value).__name__}(", ")"
            return self._inside(value, brackets, parts, len(names), "{}=".format)
        return self._single(value)

    def _container(self, value: Any, kind: Any) -> str:
        opening, closing = _BRACKETS[kind]
        if kind in _MAPPINGS:
            counted = kind is Counter.__repr__
            entries = value.most_common(self._items) if counted else value.items()
            return self._inside(value, (opening, closing), entries, len(value), self._key)
        if kind is tuple.__repr__ and len(value) == 1:
            closing = ",)"
        items = (("", item) for item in value)
        return self._inside(value, (opening, closing), items, len(value), str)

    def _key(self, key: Any) -> str:
        return f"{self.of(key)}: "

    def _inside(
        self,
        value: Any,
        brackets: tuple[str, str],
        parts: Iterable[tuple[Any, Any]],
        count: int,
        label: Callable[[Any], str],
    ) -> str:
        if any(value is outer for outer in self._around):
            return "...".join(brackets)
        self._around.append(value)
        self._left -= len("".join(brackets))
        most = self._items if len(self._around) <= self._deepest else 0
        written: list[str] = []
        for name, inner in islice(parts, most):
            if self._left <= 0:
                break
            self._left -= len(", ")
            written.append(label(name) + self.of(inner))
        self._around.pop()
        if len(written) < count:
            self.is_cut = True
            written.append(f"… {count - len(written)} more")
            self._left -= len(written[-1])
        return ", ".join(written).join(brackets)

    def _single(self, value: Any) -> str:
        longest = self._longest if self._around else LONGEST
        if isinstance(value, (str, bytes, bytearray)) and len(value) > longest:
            unit = "characters" if isinstance(value, str) else "bytes"
            text = f"{value[:longest]!r}… {len(value) - longest} more {unit}"
            self.is_cut = True
        else:
            whole = inner_text(value) or repr(value)
            text = clipped(whole, longest)
            self.is_cut |= text is not whole
        self._left -= len(text)
        return text


def _field_names(value: Any) -> list[str]:
    """Return the fields that Python itself shows of a dataclass or a named tuple."""
    kind = type(value).__repr__
    if is_dataclass(value) and hasattr(kind, "__wrapped__"):  # else it is written by hand
        return [field.name for field in fields(value) if field.repr]
    if isinstance(value, tuple) and getattr(kind, "__module__", "") == "collections":
        return list(type(value)._fields)  # type: ignore[attr-defined]  # a named tuple has it
    return []
