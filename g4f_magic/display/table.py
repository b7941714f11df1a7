"""Small tables of strangers' words: as HTML for a page, aligned for a terminal."""

from __future__ import annotations

import html
import re
import shutil
import unicodedata
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from .document import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_NARROWEST = 16  # of the last column, which gets what the others leave of the terminal's width
_GAP = "  "


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
        cells = [[_td(cell) for cell in row] for row in self.rows]
        head = [_element("th", heading, style="text-align:left") for heading in self.headings]
        body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in cells)
        table = (
            f"<table>\n<thead><tr>{''.join(head)}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
        )
        return "\n".join(
            [table if self.rows else "", *(_element("p", note) for note in self.notes)]
        )

    def plain(self) -> str:
        """Return the table as text, its last column cut to the width of the terminal."""
        head = tuple(map(Cell, self.headings))
        lines = [[one_line(cell.text) for cell in row] for row in (head, *self.rows)]
        widths = [max(map(_width, column)) for column in zip_longest(*lines, fillvalue="")]
        left = shutil.get_terminal_size().columns - sum(width + len(_GAP) for width in widths[:-1])
        widths[-1] = min(widths[-1], max(left, _NARROWEST))
        numbers = [cell.is_number for cell in self.rows[0]] if self.rows else []
        rows = [_aligned(line, widths, numbers) for line in lines] if self.rows else []
        return "\n".join([*rows, *map(one_line, self.notes)])


def one_line(text: str) -> str:
    """Return the text as one line that neither a page nor a terminal takes for more."""
    return " ".join(printable(text).split()).encode(errors="replace").decode()


def _td(cell: Cell) -> str:
    align = f"text-align:{'right' if cell.is_number else 'left'}"
    titled = {"title": cell.title} if cell.title else {}
    return _element("td", cell.text, dir="auto", style=align, **titled)


def _element(tag: str, text: str, **attributes: str) -> str:
    """Return an element, in whose text neither a browser nor MathJax finds anything."""
    told = "".join(f' {name}="{html.escape(one_line(v))}"' for name, v in attributes.items())
    # MathJax reads no formula across the border of an element, and \href in one runs scripts.
    apart = re.sub(r"[$\\]", r"<span>\g<0></span>", html.escape(one_line(text)))
    return f"<{tag}{told}>{apart}</{tag}>"


def _aligned(line: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    cells = []
    for text, width, is_number in zip(line, widths, numbers, strict=True):
        cut = _cut(text, width)
        padding = " " * (width - _width(cut))
        cells.append(padding + cut if is_number else cut + padding)
    return _GAP.join(cells).rstrip()


def _cut(text: str, width: int) -> str:
    """Return the text, or as much of it as fits with an ellipsis."""
    if _width(text) <= width:
        return text
    while _width(text) > width - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
