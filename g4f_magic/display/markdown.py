"""Makes Markdown that a model writes safe to show, in pieces while it still grows.

What "safe" means follows from JupyterLab 4: outputs that were executed are trusted, so nothing
is sanitised after marked has rendered them, and formulas are taken out of the source before
marked sees it and put back without their quotes being escaped.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_JOINER = "\u2060"  # WORD JOINER: no width, no meaning, and what it stands in is no syntax
_LONGEST_FORMULA = 8192  # a "$$" that nothing closes may not hold the text back for ever

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE_END = re.compile(r"\r\n?|\n")
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$")
_CLOSER = re.compile(r" {0,3}([`~]{3,})([ \t]*)$")
_ITEM = re.compile(r"(?! {0,3}([-*_])(?: *\1){2,} *$)( {0,3}([-*+]|\d{1,9}[.)]) {1,4})(?=\S)")
_INTERRUPTING = ("-", "*", "+", "1.", "1)")  # markers of a list that needs no blank line before
_MARKER = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?!\S)|[>]")
_ENDS_LIST = re.compile(r"(?![-+*\d])\S|\*\*\w")
_OPENS_FORMULA = re.compile(r"\$|\\begin|\\\\[(\[]")  # for JupyterLab; blank lines end it
_MAYBE_CODE = re.compile(
    r"`|~~~|^(?: {2}| ?\t|[ >]*>)|^ ?(?:[-*+]|\d+[.)])(?: {5}| *\t)", re.MULTILINE
)
_INNER_FENCE = re.compile(r"(?:```|~~~)[^\n]*")  # or what is one without its formulas
_IN_ATTRIBUTE = re.compile(r"[$\\@]")
_CODE_SPAN = re.compile(r"(`[^`]+`)")
_BALANCED = re.compile(r"[^`]*(?:`[^`]+`[^`]+)*(?:`[^`]+`)?")
_NO_PLAIN_TEXT = re.compile(r"[\\$|\[~<>]|://|www\.")  # may swallow a backtick in some parser
_BARE_URL = re.compile(r"(?i:https?://|ftp://|www\.)[^\s<]*")

# Where a link may lead: to one of four schemes, or nowhere but a path. Before its first slash
# stands no colon and no entity, so no other scheme can be spelt, however it is disguised.
_CHAR = r"[^\s()<>\[\]\\$`\"]"
_SCHEME = r"(?:(?:https?|ftp)://|mailto:|(?![^/?#\s()<>\[\]]*(?:[:&]|%3a)))"
_PART = rf"(?:{_CHAR}|\({_CHAR}{{0,500}}\))"
_TITLE = r"[ \t]+(?:\"[^\"\\$`<\n]{0,500}\"|'[^'\\$`<\n]{0,500}')[ \t]*"
_TARGET = re.compile(rf"[ \t]*{_SCHEME}{_PART}{{0,4000}}(?:{_TITLE}|[ \t]*)\)", re.IGNORECASE)
_DEFINED = re.compile(
    rf"[ \t]*(?:\Z|(?:\n[ \t]*)?{_SCHEME}{_PART}{{1,4000}}"
    rf"(?:{_TITLE}(?=\n|\Z)|(?=\s|\Z)(?!\s*[\"'(])))",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,1000}\]\(")
_ENTITIES = "nbsp|amp|lt|gt|quot|copy|reg|trade|hellip|mdash|ndash|[lrud]arr|times|deg|bull|middot"
_COMMANDS = (
    "href|url|html(?:Id|Class|Style|Data)|includegraphics|style|cssId|class|require|unicode|csname"
)
_SYNTAX = re.compile(
    rf"""
    (?P<keep><(?:https?://|mailto:)[\w\-.~:/?\#@!*+,;=%&()']{{1,2000}}>
      |!\[[^\[\]\\$`<>&@"\n]{{0,1000}}\]\(data:image/(?:png|jpe?g|gif|webp);base64,[\w+/=]+\))
    |(?P<tag><)(?=[A-Za-z/!?])
    |(?P<image>!\[)
    |(?P<link>\]\()
    |(?P<definition>\]:)
    |(?P<label>^[ \t]*)(?=\[(?![^\[\]\\\n]+\]))
    |(?P<command>\\)(?=@|(?:{_COMMANDS})(?![A-Za-z]))
    |(?P<entity>&)(?=\#|[A-Za-z]\w{{0,40}};)(?!(?:{_ENTITIES});)
    |(?P<scheme>(?i:(?:java|vb)script(?=:\S)|data(?=:(?:text|application|image/svg))))
    """,
    re.VERBOSE | re.MULTILINE | re.ASCII,
)

_FORMULA = re.compile(
    r"(?P<ticks>`+)|\\[\\$`](?![\[\]])"
    r"|(?P<mark>\$\$|\\{1,2}[\[\]]|\\(?:begin|end)\{[A-Za-z]+\*?\})"
)


class Split(NamedTuple):
    """An open block in two: what can be shown for good, and what goes on below it."""

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
    tokens = _parser().parse(sure)
    top = [token for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    if not top:
        return 0
    starts = [token.map[0] for token in top if token.map]
    limits = [*starts, *_finished_end(top[-1], sure, lines)]
    cut = max(limit for limit in limits if not _may_swallow(text, lines, limit))
    return lines[_before_formula(tokens, cut, lines)]


def split_open_block(text: str, limit: int) -> Split | None:
    """Return the parts of a long fenced block or table that ``text`` begins with.

    ``head`` is about ``limit`` long and complete, with its fence closed; ``rest`` starts with
    the same fence, or the same header row, again. None if there is nothing to split.
    """
    if len(text) <= limit or text[:1] in ("", " ", "\t", "\n", "-", ">"):
        return None
    tokens = _parser().parse(text)
    lines = _line_starts(text)
    if not tokens or tokens[0].map is None or tokens[0].map[0] != 0:
        return None
    is_fence = tokens[0].type == "fence" and not _is_closed(tokens[0], text, lines)
    if not is_fence and tokens[0].type != "table_open":
        return None
    opening_lines = 1 if is_fence else 2
    last = min(tokens[0].map[1], len(lines) - 1)
    cut = max(opening_lines + 1, bisect_right(lines, limit) - 1)
    if cut > last or lines[cut] >= len(text):
        return None
    opening, length = text[: lines[opening_lines]], lines[cut]
    ending = f"{tokens[0].markup}\n\n" if is_fence else "\n"
    return Split(text[:length] + ending, opening + text[length:], opening, length)


def close_open_fence(text: str) -> str:
    """Return the text with its last fence closed, so that something can follow it."""
    if "```" not in text and "~~~" not in text:
        return text
    whole = text if text.endswith("\n") else f"{text}\n"
    top = [token for token in _parser().parse(whole) if token.level == 0]
    if not top or top[-1].type != "fence" or _is_closed(top[-1], whole, _line_starts(whole)):
        return text
    return whole + top[-1].markup


def neutralise(text: str) -> str:
    """Return the Markdown with nothing in it that runs, loads or hides something.

    Fenced code stays as it is, and so does Markdown without HTML, images or odd links. What was
    broken on purpose mostly contains a word joiner (U+2060), which shows nothing.
    """
    text = _CONTROLS.sub("\ufffd", _LINE_END.sub("\n", text))
    ends = text.endswith("\n")
    lines = text[:-1] if ends else text
    pieces = list(_pieces(lines.split("\n")))
    return "\n".join(pieces) + ("\n" if ends else "")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    return parser.disable(["inline", "text_join", "reference"])


def _line_starts(text: str) -> list[int]:
    """Return where each line begins; the last one may be empty."""
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


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


def _may_swallow(text: str, lines: list[int], limit: int) -> bool:
    """Tell whether a formula may be open at a line, with no blank line to end it."""
    start = limit
    while start and text[lines[start - 1] : lines[start]].strip(" \t\r\n"):
        start -= 1
    return _OPENS_FORMULA.search(text, lines[start], lines[limit]) is not None


def _is_closed(token: Token, text: str, lines: list[int]) -> bool:
    """Tell whether a token is a fence with its last line, and that line has its end."""
    if token.type != "fence" or token.map is None:
        return False
    start, end = token.map
    if end - start < 2 or end >= len(lines):  # noqa: PLR2004 - a fence and its counterpart
        return False
    line = text[lines[end - 1] : lines[end]].strip()
    return len(line) >= len(token.markup) and set(line) == set(token.markup)


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


class _Fences:
    """Follows the fences of a text line by line, as marked and CommonMark understand them.

    Where one of the two may take a line differently, both readings are kept: ``open`` holds
    the fences that may be open, and None if it may be that none is.
    """

    def __init__(self) -> None:
        self.open: set[str | None] = {None}
        self._item: int | None = None  # the indent of what belongs to the list item above
        self._is_vague = False  # whether the list may have ended
        self._after_blank = True

    def read(self, line: str) -> None:
        """Take in the next line."""
        if None in self.open:
            self._follow_list(line)
        opener, closer = _FENCE.match(line), _CLOSER.match(line)
        after: set[str | None] = set()
        for fence in self.open:
            if fence is None:
                after |= self._opened(opener) if opener else {None}
            elif closer and closer[1].startswith(fence):
                is_plain = set(closer[1]) == {fence[0]} and "\t" not in closer[2]
                after |= {None} if is_plain else {None, fence}
            else:
                after.add(fence)
        self.open = after
        self._after_blank = not line.strip(" \t")

    def _opened(self, opener: re.Match[str]) -> set[str | None]:
        indent = len(opener[1])
        if not indent or (self._item is None and not self._is_vague):
            return {opener[2]}
        if self._item is not None and indent >= self._item and not self._is_vague:
            return {None}  # it belongs to the item and ends with it
        return {opener[2], None}

    def _follow_list(self, line: str) -> None:
        """Note whether the line begins, continues or ends a list, or may do so."""
        indent = len(line) - len(line.lstrip(" "))
        item = _ITEM.match(line)
        is_in_list = self._item is not None and not self._is_vague
        if not line.strip(" \t"):
            return
        if item:
            can_begin = self._after_blank or is_in_list or item[3] in _INTERRUPTING
            self._is_vague = self._is_vague or not can_begin
            if self._item is None or indent < self._item:
                self._item = len(item[2])
        elif self._after_blank and _ENDS_LIST.match(line):
            self._item, self._is_vague = None, False
        elif line[0] == "\t" or _MARKER.match(line) or indent < (self._item or 0):
            self._is_vague = True


def _pieces(lines: list[str]) -> Iterator[str]:
    """Yield the text in safe pieces: lines of code, blank lines and the runs between them.

    JupyterLab takes a formula out before it looks for fences, and with it the line of a fence
    that stands within: code and text would change places. A blank line ends every formula.
    """
    fences, run = _Fences(), list[str]()
    is_risky = is_vague = has_closed = False
    for line in lines:
        was, is_blank = fences.open, not line.strip(" \t")
        fences.read(line)
        is_vague = is_vague or len(fences.open) > 1
        is_code = None not in was
        begins_code = not is_code and None not in fences.open
        if run and (is_blank or is_code or begins_code):
            is_risky = is_risky or (begins_code and run[-1].lstrip().startswith(">"))
            yield _defuse("\n".join(run), is_vague=is_vague)
            run, is_vague = [], False
        if is_risky and not is_blank and (begins_code or has_closed):
            yield ""
            is_risky = False
        has_closed = is_code and None in fences.open
        if is_code or begins_code or is_blank:
            yield _fence_line(line) if begins_code else line
        else:
            run.append(line)
        is_risky = not is_blank and (is_risky or bool(_OPENS_FORMULA.search(line)))
    if run:
        yield _defuse("\n".join(run), is_vague=is_vague)


def _fence_line(line: str) -> str:
    """Return the first line of a fence; what it says ends up in an attribute, or as text."""
    return _SYNTAX.sub(_Breaker("", may_be_code=True), _IN_ATTRIBUTE.sub("\ufffd", line))


def _defuse(run: str, *, is_vague: bool) -> str:
    """Return lines of text in which nothing but plain Markdown is left."""
    if "`" in run and not is_vague and _is_plain(run):
        parts = _CODE_SPAN.split(run)
        return "".join(
            part if i % 2 else _SYNTAX.sub(_Breaker("", may_be_code=False), part)
            for i, part in enumerate(parts)
        )
    if '"' in run and _OPENS_FORMULA.search(run):
        run = _BARE_URL.sub(lambda url: url[0].replace("$", "%24").replace("\\", "%5C"), run)
    run = _INNER_FENCE.sub(lambda line: _IN_ATTRIBUTE.sub("\ufffd", line[0]), run)
    may_be_code = is_vague or _MAYBE_CODE.search(run) is not None
    return _SYNTAX.sub(_Breaker(run, may_be_code=may_be_code), run)


def _is_plain(run: str) -> bool:
    """Tell whether all parsers agree on which parts of the lines are inline code."""
    if "``" in run or not all(_BALANCED.fullmatch(line) for line in run.split("\n")):
        return False
    return not any(_NO_PLAIN_TEXT.search(part) for part in _CODE_SPAN.split(run)[::2])


class _Breaker:
    """Breaks one piece of syntax at a time, unless it is known to be harmless."""

    def __init__(self, run: str, *, may_be_code: bool) -> None:
        self._may_be_code = may_be_code
        # An entity would be shown as it is written in code, and in formulas.
        self._may_use_entities = not may_be_code and not re.search(r"[$\\]", run)

    def __call__(self, match: re.Match[str]) -> str:
        """Return what to write in place of the match."""
        text, kind, rest = match[0], match.lastgroup, match.string
        if kind == "keep":
            return text
        if kind in ("tag", "entity") and self._may_use_entities:
            return "&lt;" if kind == "tag" else "&amp;"
        if kind == "image":
            return self._link(match)
        if kind == "link":
            return text if _TARGET.match(rest, match.end()) else f"]{_JOINER}("
        if kind == "definition":
            return text if _DEFINED.match(rest, match.end()) else f"]{_JOINER}:"
        return text + _JOINER

    def _link(self, match: re.Match[str]) -> str:
        """Return the beginning of a link in place of an image's, if that is what it is."""
        is_image = _IMAGE.match(match.string, match.start()) is not None
        is_escaped = match.string[max(0, match.start() - 1) : match.start()] in ("\\", "!")
        if is_image and not is_escaped and not self._may_be_code:
            return "[🖼 "
        return f"!{_JOINER}["
