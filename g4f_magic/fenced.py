"""What a text holds besides prose: fenced code, and the JSON or HTML among it."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_OPENING = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})[ \t]*([\w+#.-]*)")
_DEEPER = 4  # columns from which a fence is code itself (CommonMark 0.31, section 4.5)
_MARKUP = re.compile(r"\s*<(!doctype|[a-z])", re.IGNORECASE)
_HTML = frozenset({"html", "htm", "svg", "xhtml"})
_NO_CODE = frozenset({"markdown", "md", "output", "plaintext", "text", "txt"})
_SAME = {
    **dict.fromkeys(("", "ipython", "ipython3", "py", "pycon", "python3"), "python"),
    **dict.fromkeys(("shell", "zsh"), "bash"),
    "js": "javascript",
}
_CELL_MAGICS = frozenset({"bash", "html", "javascript", "latex", "perl", "ruby", "sh", "svg"})


class Block(NamedTuple):
    """A fenced block: what language its fence names, in lower case, and what stands in it."""

    language: str
    code: str


class CellCode(NamedTuple):
    """The code of a text as one cell; empty if there is none.

    ``language`` is what it is written in, ``left_out`` the other languages of the text.
    """

    code: str = ""
    language: str = ""
    left_out: tuple[str, ...] = ()


def fenced_blocks(text: str) -> list[Block]:
    """Return the blocks of a Markdown text whose fences are closed, in order."""
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    inside: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if opening is None:
            opening, inside = _OPENING.match(line), []
        elif _closes(line, opening):
            code = "".join(f"{inner}\n" for inner in inside)
            blocks.append(Block(opening[3].lower(), code))
            opening = None
        else:
            inside.append(line.removeprefix(opening[1]))
    return blocks


def fenced(text: str, language: str = "") -> str:
    """Return a text as a fenced block, whatever fences stand in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _closes(line: str, opening: re.Match[str]) -> bool:
    fence, mark = line.strip(), opening[2]
    indent = len(line) - len(line.lstrip()) - len(opening[1])
    return indent < _DEEPER and fence.startswith(mark) and not fence.strip(mark[0])


def json_in(text: str) -> Any:
    """Return a text parsed as JSON, or else the first of its blocks that is JSON.

    Raises ``ValueError`` where there is none.
    """
    found = _parsed(text)
    others = (_parsed(block.code) for block in fenced_blocks(text))
    if isinstance(found, ValueError):
        found = next((other for other in others if not isinstance(other, ValueError)), found)
    if isinstance(found, ValueError):
        raise found
    return found


def _parsed(text: str) -> Any:
    """Return a text parsed as JSON, or the ``ValueError`` that says why it cannot be."""
    try:
        return json.loads(text)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("the JSON is nested too deeply")


def html_in(text: str) -> str:
    """Return the HTML of a text, of several blocks joined; empty if there is none."""
    blocks = fenced_blocks(text)
    named = [block.code for block in blocks if block.language in _HTML]
    if named:
        return "\n".join(named)
    bare = [text, *(block.code for block in blocks if not block.language)]
    return next((candidate for candidate in bare if _MARKUP.match(candidate)), "")


def cell_code(text: str) -> CellCode:
    """Return the blocks of one language as a cell: those in Python, else of the first language.

    What is not Python gets the cell magic that runs it, where IPython has one.
    """
    blocks = [block for block in fenced_blocks(text) if block.language not in _NO_CODE]
    if any(block.language and _common(block) == "python" for block in blocks):
        blocks = [block for block in blocks if block.language]  # the others are what it prints
    languages = list(dict.fromkeys(map(_common, blocks)))
    if not languages:
        return CellCode()
    chosen = "python" if "python" in languages else languages[0]
    pieces = [block.code.strip("\n") for block in blocks if _common(block) == chosen]
    magic = f"%%{chosen}\n" if chosen in _CELL_MAGICS else ""
    left_out = tuple(language for language in languages if language != chosen)
    return CellCode(magic + "\n\n".join(filter(None, pieces)), chosen, left_out)


def _common(block: Block) -> str:
    return _SAME.get(block.language, block.language)
