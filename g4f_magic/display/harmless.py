"""Makes Markdown that a model writes do nothing but be read.

What "safe" means follows from JupyterLab 4: outputs that were executed are trusted, so nothing
is sanitised after marked has rendered them, and formulas are taken out of the source before
marked sees it and put back without their quotes being escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .controls import CONTROLS
from .markdown import LINE_END, OPENS_FORMULA

if TYPE_CHECKING:
    from collections.abc import Iterator

_JOINER = "\u2060"  # WORD JOINER: no width, no meaning, and what it stands in is no syntax
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$")
_CLOSER = re.compile(r" {0,3}([`~]{3,})([ \t]*)$")
_ITEM = re.compile(r"(?! {0,3}([-*_])(?: *\1){2,} *$)( {0,3}([-*+]|\d{1,9}[.)]) {1,4})(?=\S)")
_INTERRUPTING = ("-", "*", "+", "1.", "1)")  # markers of a list that needs no blank line before
_MARKER = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?!\S)|[>]")
_ENDS_LIST = re.compile(r"(?![-+*\d])\S|\*\*\w")
_MAYBE_CODE = re.compile(
    r"`|~~~|^(?: {2}| ?\t|[ >]*>)|^ ?(?:[-*+]|\d+[.)])(?: {5}| *\t)", re.MULTILINE
)
_SWALLOWS = re.compile(r"^\s*>|\]:\s*$")  # the line of a fence: quotations, definitions
_INNER_FENCE = re.compile(r"(?:```|~~~)[^\n]*")  # or what is one without its formulas
_IN_ATTRIBUTE = {ord('"'): "'"} | dict.fromkeys(map(ord, "$\\@"), "\ufffd")
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
    "href|url|html(?:Id|Class|Style|Data)|includegraphics|style|cssId|class|data|require|unicode"
    r"|csname|mmlToken|bbox(?!\[[\w ,.]*\])"
)
# JupyterLab draws the fences of one language. What a diagram may say in HTML, CSS or by name
# loads pictures while it is drawn; and configuration in YAML and JSON can be spelt with escapes.
_DIAGRAM = "mermaid"
_IN_DIAGRAM = re.compile(
    r"<(?=[A-Za-z/!?])(?!br ?/?>)(?!(?<=<<)\w+>>)|/(?=/)|\\(?![n\u2060])"
    r"|(?i:https?(?=:)|url(?=\s*\()|\bim(?=g\b))"
)
_SYNTAX = re.compile(
    rf"""
    (?P<keep><(?:https?://|mailto:)[\w\-.~:/?\#@!*+,;=%&()']{{1,2000}}>
      |<[\w.+\-]{{1,64}}@(?:[\w\-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,63}}>
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


def neutralise(text: str) -> str:
    """Return the Markdown with nothing in it that runs, loads or hides something.

    Fenced code stays as it is, and so does Markdown without HTML, images or odd links. What was
    broken on purpose mostly contains a word joiner (U+2060), which shows nothing.
    """
    text = CONTROLS.sub("\ufffd", LINE_END.sub("\n", text))
    ends = text.endswith("\n")
    lines = text[:-1] if ends else text
    pieces = list(_pieces(lines.split("\n")))
    return "\n".join(pieces) + ("\n" if ends else "")


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
    that stands within: code and text would change places. A blank line ends every formula,
    and whatever else may take that line in.
    """
    fences, run = _Fences(), list[str]()
    is_risky = is_vague = has_closed = is_diagram = False
    for line in lines:
        was, is_blank = fences.open, not line.strip(" \t")
        fences.read(line)
        is_vague = is_vague or len(fences.open) > 1
        is_code = None not in was
        begins_code = not is_code and None not in fences.open
        if run and (is_blank or is_code or begins_code):
            is_risky = is_risky or (begins_code and _SWALLOWS.search(run[-1]) is not None)
            yield _defuse("\n".join(run), is_vague=is_vague)
            run, is_vague = [], False
        if is_risky and not is_blank and (begins_code or has_closed):
            yield ""
            is_risky = False
        has_closed = is_code and None in fences.open
        if begins_code:
            is_diagram = _DIAGRAM in line
            yield _fence_line(line)
        elif is_code or is_blank:
            yield _IN_DIAGRAM.sub(rf"\g<0>{_JOINER}", line) if is_code and is_diagram else line
        else:
            run.append(line)
        is_risky = not is_blank and (is_risky or bool(OPENS_FORMULA.search(line)))
    if run:
        yield _defuse("\n".join(run), is_vague=is_vague)


def _fence_line(line: str) -> str:
    """Return the first line of a fence; what it says ends up in an attribute, or as text."""
    return _SYNTAX.sub(_Breaker("", may_be_code=True), line.translate(_IN_ATTRIBUTE))


def _inner_fence(line: re.Match[str]) -> str:
    """Return the first line of a fence within text, whose code ends nobody knows where."""
    diagram = f"{_DIAGRAM[0]}{_JOINER}{_DIAGRAM[1:]}"
    return line[0].translate(_IN_ATTRIBUTE).replace(_DIAGRAM, diagram)


def _defuse(run: str, *, is_vague: bool) -> str:
    """Return lines of text in which nothing but plain Markdown is left."""
    if "`" in run and not is_vague and _is_plain(run):
        parts = _CODE_SPAN.split(run)
        return "".join(
            part if i % 2 else _SYNTAX.sub(_Breaker("", may_be_code=False), part)
            for i, part in enumerate(parts)
        )
    if '"' in run and OPENS_FORMULA.search(run):
        run = _BARE_URL.sub(lambda url: url[0].replace("$", "%24").replace("\\", "%5C"), run)
    run = _INNER_FENCE.sub(_inner_fence, run)
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
