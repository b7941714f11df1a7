"""Small tables of strangers' words: as HTML for a page, aligned for a terminal."""

from __future__ import annotations

import html
import re
import shutil
import unicodedata
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile

from .document import printable

_WIDEST = 48  # of a column but the last, which gets what the others leave of the terminal's width
_NARROWEST = 16
_GAP = "  "
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_RIGHT_TO_LEFT = {"R", "AL"}
_MARK = "\u200e"  # LEFT-TO-RIGHT MARK


@dataclass(frozen=True, slots=True)
class Cell:
    """A line of text; ``title`` is what a page says when the mouse rests on it."""

    text: str
    title: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings, then lines about them; in any text may be anything."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def bundle(self) -> dict[str, str]:
        """Return the table as ``text/html`` and ``text/plain``."""
        return {"text/html": self.html(), "text/plain": self.plain()}

    def html(self) -> str:
        """Return the table as HTML without any markup of a stranger's."""
        notes = [_element("p", note) for note in self.notes]
        if not self.rows:
            return "\n".join(notes)
        head = "".join(_cell("th", cell) for cell in self._head())
        rows = ("".join(_cell("td", cell) for cell in row) for row in self.rows)
        body = "".join(f"<tr>{row}</tr>\n" for row in rows)
        table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
        return "\n".join([table, *notes])

    def plain(self) -> str:
        """Return the table as text, its last column cut to the width of the terminal."""
        notes = map(one_line, self.notes)
        if not self.rows:
            return "\n".join(notes)
        rows = [
            [replace(cell, text=one_line(cell.text)) for cell in row]
            for row in (self._head(), *self.rows)
        ]
        columns = zip(*rows, strict=True)
        *widths, last = (max(_width(cell.text) for cell in column) for column in columns)
        widths = [min(width, _WIDEST) for width in widths]
        left = shutil.get_terminal_size().columns - sum(width + len(_GAP) for width in widths)
        widths.append(min(last, max(left, _NARROWEST)))
        lines = (_GAP.join(map(_padded, row, widths)).rstrip() for row in rows)
        return "\n".join([*lines, *notes])

    def _head(self) -> tuple[Cell, ...]:
        """Return the headings, each on the side where its column's text is."""
        return tuple(
            Cell(heading, is_number=below.is_number)
            for heading, below in zip(self.headings, self.rows[0], strict=True)
        )


def one_line(text: str) -> str:
    """Return the text as one line that neither a page nor a terminal takes for more."""
    if text.isascii() and text.isprintable():  # as most names are, and there may be thousands
        return " ".join(text.split())
    return " ".join(printable(text).split())


def bar(share: float, columns: int) -> str:
    """Return a bar of characters; a share that is not nothing can be seen."""
    full, part = divmod(round(share * columns * len(_EIGHTHS)), len(_EIGHTHS))
    return "█" * full + _EIGHTHS[part] or (_EIGHTHS[1] if share else "")


def _cell(tag: str, cell: Cell) -> str:
    align = f"text-align:{'right' if cell.is_number else 'left'}"
    titled = {"title": cell.title} if cell.title else {}
    return _element(tag, cell.text, dir="auto", style=align, **titled)


def _element(tag: str, text: str, **attributes: str) -> str:
    """Return an element, in whose text neither a browser nor MathJax finds anything."""
    told = "".join(f' {name}="{html.escape(one_line(v))}"' for name, v in attributes.items())
    # MathJax reads no formula across the border of an element, and \href in one runs scripts.
    apart = re.sub(r"[$\\]", r"<span>\g<0></span>", html.escape(one_line(text)))
    return f"<{tag}{told}>{apart}</{tag}>"


def _padded(cell: Cell, width: int) -> str:
    text = _cut(cell.text, width)
    padding = " " * (width - _width(text))
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in text):
        text += _MARK  # or the number in the next column would move before the text
    return padding + text if cell.is_number else text + padding


def _cut(text: str, width: int) -> str:
    """Return the text, or as much of it as fits with an ellipsis."""
    if _width(text) <= width:
        return text
    ends = accumulate(map(_columns, text))
    fitting = sum(1 for _ in takewhile(lambda end: end < width, ends))
    return f"{text[:fitting].rstrip()}…"


def _width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
