"""Cuts Markdown that still grows into blocks that are finished and a tail that is open."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LONGEST_PARAGRAPH = 8192
_MOST_INDENT = 3  # spaces before the end of a fence; with more it is a line of the code
_LONGEST_FORMULA = 8192  # a "$$" that nothing closes may not hold the text back for ever

LINE_END = re.compile(r"\r\n?|\n")
OPENS_FORMULA = re.compile(r"\$|\\begin|\\\\[(\[]")  # for JupyterLab; blank lines end it
_FORMULA = re.compile(
    r"(?P<ticks>`+)|\\[\\$`](?![\[\]])"
    r"|(?P<mark>\$\$|\\{1,2}[\[\]]|\\(?:begin|end)\{[A-Za-z]+\*?\})"
)


class Split(NamedTuple):
    """A text in two: what can be shown for good, and what goes on below it."""

    head: str
    rest: str
    opening: str  # what ``rest`` begins with besides text that was not shown yet
    length: int  # how much of the text stands in ``head``


def finished_length(text: str) -> int:
    """Return how much of a growing Markdown text no later text can alter.

    What is before that offset and what is after it look the same rendered separately as
    together, but for links whose definition stands on the other side.
    """
    lines = _line_starts(text)
    sure = text if _is_sure(text[lines[-1] :]) else text[: lines[-1]]
    tokens = _parsed(sure)
    top = [token for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    if not top:
        return 0
    starts = [token.map[0] for token in top if token.map]
    limits = {*starts, *_finished_end(top[-1], sure, lines)}
    cut = max(limits - _in_formulas(text, lines))
    return lines[_before_formula(tokens, cut, lines)]


def split_open_block(text: str, limit: int) -> Split | None:
    """Return the text in two, cut within the fenced block, table or list that it ends with.

    Any other block is cut, too, if nobody would read it as one. ``head`` has at least
    ``limit`` characters of it and is complete, with its fence closed; ``rest`` starts with
    the same fence, or the same header row, again. None if there is nothing to split.
    """
    tokens = _parsed(text)
    lines = _line_starts(text)
    top = [token for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    if not top or top[-1].map is None:
        return None
    start, end = top[-1].map
    cuts: Sequence[int]
    if top[-1].type == "fence" and not _is_closed(top[-1], text, lines):
        opening_lines, ending, cuts = 1, f"{top[-1].markup}\n\n", range(start + 2, len(lines))
    elif top[-1].type == "table_open":
        opening_lines, ending, cuts = 2, "\n", range(start + 3, end)
    elif top[-1].type in ("bullet_list_open", "ordered_list_open"):
        items = [t.map[0] for t in tokens if t.type == "list_item_open" and t.level == 1 and t.map]
        opening_lines, ending, cuts = 0, "\n", [line for line in items if line > start]
    elif len(text) - lines[start] > _LONGEST_PARAGRAPH:
        opening_lines, ending, cuts = 0, "\n", range(start + 1, end)
    else:
        return None
    cut = next((line for line in cuts if limit <= lines[line] < len(text)), None)
    if cut is None:
        return None
    opening, length = text[lines[start] : lines[start + opening_lines]], lines[cut]
    return Split(text[:length] + ending, opening + text[length:], opening, length)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the top-level blocks of a text, joined the text again, each with its token's type."""
    lines = _line_starts(text)
    top = [token for token in _parsed(text) if token.level == 0 and token.nesting >= 0]
    starts = [token.map[0] for token in top if token.map]
    yield "", text[: lines[starts[0]] if starts else len(text)]
    for token, start, end in zip(top, starts, [*starts[1:], None], strict=True):
        yield token.type, text[lines[start] : None if end is None else lines[end]]


def close_open_fence(text: str) -> str:
    """Return the text with its last fence closed, so that something can follow it."""
    if "```" not in text and "~~~" not in text:
        return text
    whole = text if text.endswith("\n") else f"{text}\n"
    top = [token for token in _parsed(whole) if token.level == 0]
    if not top or top[-1].type != "fence" or _is_closed(top[-1], whole, _line_starts(whole)):
        return text
    return whole + top[-1].markup


def _parsed(text: str) -> list[Token]:
    """Return the tokens of a text, whose last line is given an end.

    Without one markdown-it-py looks beyond it for quoted tables (3.0 to 4.2, its issue 415)
    and HTML in lists in quotes (4.3), and raises ``IndexError``.
    """
    return _parser().parse(text if text.endswith("\n") else f"{text}\n")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    return parser.disable(["inline", "text_join", "reference"])


def _line_starts(text: str) -> list[int]:
    """Return where each line begins; the last one may be empty."""
    return [0, *(match.end() for match in LINE_END.finditer(text))]


def _is_sure(line: str) -> bool:
    """Tell whether an unfinished line is a paragraph's, a heading's or an item's, come what may."""
    return re.match(r"[^\W\d_]|[^\x00-\x7f]|#{1,6} +\S|[-+*] +\w|\*\*\w|>", line) is not None


def _finished_end(token: Token, text: str, lines: list[int]) -> list[int]:
    """Return the line after the last block, if it is one that ends with a line of its own."""
    if token.map is None or token.map[1] >= len(lines):
        return []
    is_heading = token.type == "heading_open" and token.markup.startswith("#")
    is_whole = is_heading or token.type == "hr" or _is_closed(token, text, lines)
    return [token.map[1]] if is_whole else []


def _in_formulas(text: str, lines: list[int]) -> set[int]:
    """Return the lines at which a formula may be open, with no blank line to end it."""
    found, is_open = set(), False
    for number, (start, end) in enumerate(pairwise(lines), 1):
        is_open = is_open or OPENS_FORMULA.search(text, start, end) is not None
        is_open = is_open and text[start:end].strip(" \t\r\n") != ""
        if is_open:
            found.add(number)
    return found


def _is_closed(token: Token, text: str, lines: list[int]) -> bool:
    """Tell whether a token is a fence with its last line, and that line has its end."""
    if token.type != "fence" or token.map is None:
        return False
    start, end = token.map
    if end - start < 2 or end >= len(lines):  # noqa: PLR2004 - a fence and its counterpart
        return False
    line = text[lines[end - 1] : lines[end]].rstrip(" \t\r\n")
    marks = line.lstrip(" ")
    if len(line) - len(marks) > _MOST_INDENT:
        return False
    return len(marks) >= len(token.markup) and set(marks) == set(token.markup)


def _before_formula(tokens: list[Token], limit: int, lines: list[int]) -> int:
    """Return a line, or if it is within a display formula, that where its block begins."""
    block, opened, closer = 0, limit, ""
    for token in tokens:
        if token.level == 0 and token.map:
            block = token.map[0]
        if block >= limit:
            break
        if token.type == "inline" or (closer and token.type == "code_block"):
            before, closer = closer, _formula_after(token.content, closer)
            opened = opened if closer and before else block
    is_short = lines[limit] - lines[opened] <= _LONGEST_FORMULA
    return opened if closer and is_short else limit


def _formula_after(content: str, closer: str) -> str:
    """Return what closes the formula that is open after a block, given the one before it."""
    marks = list(_FORMULA.finditer(content))
    last = {mark["ticks"]: mark.start() for mark in marks if mark["ticks"]}
    ticks = ""
    for mark in marks:
        if ticks:
            ticks = "" if mark["ticks"] == ticks else ticks
        elif mark["ticks"] and not closer:
            ticks = mark["ticks"] if last[mark["ticks"]] > mark.start() else ""
        elif mark["mark"]:
            closer = _next_closer(mark["mark"], closer)
    return closer


def _next_closer(mark: str, closer: str) -> str:
    if closer:
        return "" if mark == closer else closer
    if mark.startswith("\\begin"):
        return mark.replace("begin", "end", 1)
    return {"$$": "$$", "\\[": "\\]", "\\\\[": "\\\\]"}.get(mark, "")
