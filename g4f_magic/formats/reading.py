"""Files of strangers, read with their types checked and refused with the place and reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_HINT = "nothing was imported; %g4f_chats export writes files that can be"
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_LONGEST_S = 1e12
_DEEPEST = 50
_DECODER = json.JSONDecoder()


def whole(text: str) -> str:
    """Return the text with surrogate pairs as one character, and single ones as U+FFFD.

    JSON can spell a half of a character, which nothing else can carry.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def decoded(data: bytes, name: str) -> str:
    """Return the text of a file, or refuse it at the line where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refusal(name, f"line {line}", "it is not UTF-8 text") from None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, or the part of it that begins with line ``first_line``."""

    name: str
    text: str
    first_line: int = 1

    def lines(self) -> Iterator[Source]:
        r"""Yield the lines, each able to say which one it is; only ``\n`` ends a line."""
        for number, line in enumerate(self.text.split("\n"), self.first_line):
            yield Source(self.name, line, number)

    def json(self) -> Node:
        """Return the JSON value that the text is."""
        try:
            return Node(self, json.loads(self.text, parse_constant=_no_constant))
        except json.JSONDecodeError as error:
            self.refuse(f"it is not JSON: {error.msg}", error.pos)
        except RecursionError:
            self.refuse("it is nested too deep")
        except ValueError as error:  # a constant, or a number of thousands of digits
            self.refuse(f"it is not JSON: {error}")

    def refuse(self, reason: str, offset: int = 0) -> NoReturn:
        """Raise the error for what stands at an offset of the text."""
        line = self.first_line + self.text.count("\n", 0, offset)
        column = offset - self.text.rfind("\n", 0, offset)
        raise _refusal(self.name, f"line {line}, column {column}", reason) from None


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a JSON text, and the keys and indices that lead to it; absent ones are None."""

    source: Source
    value: Any
    path: tuple[str | int, ...] = ()

    def __getitem__(self, key: str) -> Node:
        """Return the member of an object."""
        members = {} if self.value is None else self._of(dict, "an object")
        return Node(self.source, members.get(key), (*self.path, key))

    def each(self) -> list[Node]:
        """Return the members of a list; none if it is absent."""
        members = [] if self.value is None else self._of(list, "a list")
        return [Node(self.source, one, (*self.path, i)) for i, one in enumerate(members)]

    def text(self) -> str:
        """Return a text; an empty one if it is absent."""
        return "" if self.value is None else whole(self._of(str, "a text"))

    def text_or_none(self) -> str | None:
        """Return a text, or None if it is absent."""
        return None if self.value is None else self.text()

    def lines(self) -> str:
        """Return a text that may be a list of its lines."""
        if isinstance(self.value, list):
            return whole("".join(node.text() for node in self.each()))
        return self.text()

    def object(self) -> dict[str, Any]:
        """Return an object whatever is in it; an empty one if it is absent."""
        members = {} if self.value is None else self._of(dict, "an object")
        if not _fits(members, _DEEPEST):  # what can be read may be too deep to be written
            self.refuse("is nested too deep")
        checked: dict[str, Any] = json.loads(whole(json.dumps(members, ensure_ascii=False)))
        return checked

    def flag(self) -> bool:
        """Return true or false; the latter if it is absent."""
        return self.value is not None and bool(self._of(bool, "true or false"))

    def count_or_none(self) -> int | None:
        """Return a whole number, or None if it is absent."""
        if isinstance(self.value, bool):
            self.refuse("is true or false, not a whole number")
        return None if self.value is None else int(self._of(int, "a whole number"))

    def seconds_or_none(self) -> float | None:
        """Return a time in seconds, or None if it is absent."""
        if self.value is None:
            return None
        is_number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        if not is_number or not 0 <= self.value < _LONGEST_S:
            self.refuse("is no number of seconds")
        return float(self.value)

    def one_of(self, words: Collection[str], default: str) -> str:
        """Return one of several words; the default if it is absent."""
        word = self.text() or default
        if word not in words:
            self.refuse(f"is {word[:40]!r}, not one of {', '.join(map(repr, words))}")
        return word

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error that names the value and the line it stands in."""
        steps = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path)
        name = "".join(steps).removeprefix(".") or "it"
        self.source.refuse(f"{name} {reason}", _offset(self.source.text, self.path))

    def _of(self, kind: type, meant: str) -> Any:
        if not isinstance(self.value, kind):
            self.refuse(f"is {_KINDS[type(self.value)]}, not {meant}")
        return self.value


def _refusal(name: str, place: str, reason: str) -> UsageError:
    return UsageError(f"{name!r} cannot be imported: {place}: {reason}", hint=_HINT)


def _no_constant(name: str) -> None:
    message = f"{name} is no number"
    raise ValueError(message)


def _fits(value: Any, levels: int) -> bool:
    members = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)):
        return True
    return levels > 0 and all(_fits(member, levels - 1) for member in members)


def _offset(text: str, path: tuple[str | int, ...]) -> int:
    """Return where the value at a path stands in a valid JSON text, or what should hold it."""
    at = _past_space(text, 0)
    for key in path:
        at = _member(text, at, key)
    return at


def _member(text: str, start: int, wanted: str | int) -> int:
    """Return where a member of the object or list at ``start`` begins; without it, ``start``."""
    found, index = start, 0
    at = _past_space(text, start + 1)
    while text[start] in "{[" and text[at] not in "}]":
        key: str | int = index
        if text[start] == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _past_space(text, _past_space(text, at) + 1)
        if key == wanted:
            found = at
        _, at = _DECODER.raw_decode(text, at)
        at = _past_space(text, at)
        at = _past_space(text, at + 1) if text[at] == "," else at
        index += 1
    return found


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] in {" ", "\t", "\n", "\r"}:
        at += 1
    return at
