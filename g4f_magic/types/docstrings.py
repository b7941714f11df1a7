"""What a docstring says about a function and its parameters, for a model that may call it."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

# Google: "Args:", then "name (type): text" further in. Numpy: "Parameters", a line of dashes,
# then "name : type" with its text further in. Sphinx: ":param type name: text" anywhere.
_GOOGLE_HEAD = re.compile(
    r"(?:(Args|Arguments|Parameters|Params)"
    r"|Returns?|Yields?|Raises|Examples?|Notes?|Warnings?|Attributes|See Also):\s*"
)
_GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?()")
_SPHINX_PARAM = re.compile(
    r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)"
)
_SPHINX_FIELD = re.compile(r":\w+[^:]*:(?:\s|$)")


class Described(NamedTuple):
    """What is said of the function, and of each parameter by name."""

    text: str
    parameters: dict[str, str]


def described(docstring: str | None) -> Described:
    """Return what a docstring in Google's, numpy's or Sphinx' style says."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    end = next((place for place in range(len(lines)) if _begins_section(lines, place)), len(lines))
    parameters: dict[str, str] = {}
    for place in range(end, len(lines)):
        if (match := _SPHINX_PARAM.match(lines[place])) is not None:
            parameters[match[1]] = _joined([match[2], *_further_in(lines, place)])
        elif (head := _GOOGLE_HEAD.fullmatch(lines[place])) is not None and head[1]:
            parameters |= _items(_section(lines, place + 1), _GOOGLE_ITEM)
        elif lines[place].strip().endswith("Parameters") and _is_ruled(lines, place):
            parameters |= _items(_section(lines, place + 2, is_numpy=True), _NUMPY_ITEM)
    return Described(" ".join("\n".join(lines[:end]).split()), parameters)


def _begins_section(lines: list[str], place: int) -> bool:
    line = lines[place]
    is_google = _GOOGLE_HEAD.fullmatch(line) is not None
    return is_google or _SPHINX_FIELD.match(line) is not None or _is_ruled(lines, place)


def _is_ruled(lines: list[str], place: int) -> bool:
    """Tell whether a line is the head of a numpy section."""
    below = lines[place + 1] if place + 1 < len(lines) else ""
    return bool(lines[place].strip()) and re.fullmatch(r"-{3,}\s*", below) is not None


def _further_in(lines: list[str], place: int) -> list[str]:
    """Return the lines after this one that are indented more."""
    found = []
    for line in lines[place + 1 :]:
        if line.strip() and _indent(line) <= _indent(lines[place]):
            break
        found.append(line)
    return found


def _section(lines: list[str], start: int, *, is_numpy: bool = False) -> list[str]:
    """Return the lines up to the next section; those of numpy's are not indented."""
    if not is_numpy:
        return _further_in(lines, start - 1)
    ends = (place for place in range(start, len(lines)) if _is_ruled(lines, place))
    return lines[start : next(ends, len(lines))]


def _items(lines: list[str], item: re.Pattern[str]) -> dict[str, str]:
    """Return the texts of the names at the outermost indent."""
    outer = min((_indent(line) for line in lines if line.strip()), default=0)
    found: dict[str, str] = {}
    for place, line in enumerate(lines):
        match = item.fullmatch(line.strip()) if line.strip() and _indent(line) == outer else None
        if match is not None:
            text = _joined([match[2], *_further_in(lines, place)])
            found |= {name.strip(" *"): text for name in match[1].split(",")}
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
