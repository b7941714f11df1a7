"""The pieces of a card as safe Markdown: text, folded reasoning and tool calls."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ..fenced import fenced
from .harmless import neutralise
from .markdown import blocks, close_open_fence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..messages import ToolCall

_CODE = ("fence", "code_block")
_RESULT_CHARACTERS = 4000  # of what a function returned; the notebook is not its place
_THOUGHT_CHARACTERS = 4000  # of a thought under way; the whole one is there at its end
# Hebrew, Arabic and their kin (Unicode 16, blocks with bidi class R or AL).
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def shown_text(text: str) -> str:
    """Return text of the model as Markdown that is safe, and reads from the right where it is."""
    safe = neutralise(text)
    if not _RIGHT_TO_LEFT.search(safe):
        return safe
    return "".join(_directed(kind, block) for kind, block in blocks(safe))


def _directed(kind: str, block: str) -> str:
    """Let the browser find out which way a block reads; code always reads from the left."""
    if kind in _CODE or not _RIGHT_TO_LEFT.search(block):
        return block
    return f'<div dir="auto">\n\n{block.rstrip()}\n\n</div>\n\n'


def text_with_calls(text: str, calls: Iterable[ToolCall]) -> str:
    """Return the text with each call where the model made it."""
    pieces, since = [], 0
    for call in calls:
        pieces += [close_open_fence(shown_text(text[since : call.after])), folded_call(call)]
        since = call.after
    pieces.append(shown_text(text[since:]))
    return "\n\n".join(piece for piece in pieces if piece.strip())


def folded_reasoning(reasoning: str) -> str:
    """Return the whole reasoning, folded; empty if there is none."""
    inner = shown_text(_quoted(reasoning))
    return _folded("Reasoning", inner) if reasoning.strip() else ""


def open_reasoning(reasoning: str) -> str:
    """Return the end of a thought under way, unfolded."""
    text = reasoning.strip()
    if len(text) > _THOUGHT_CHARACTERS:
        cut = text.find("\n", len(text) - _THOUGHT_CHARACTERS) + 1
        text = "…\n\n" + text[cut or len(text) - _THOUGHT_CHARACTERS :]
    return _folded("Reasoning", shown_text(_quoted(text)), is_open=True) if text else ""


def folded_call(call: ToolCall) -> str:
    """Return a tool call with its arguments and its result, folded."""
    said = "" if call.outcome in ("", "done") else f" · {call.outcome}"
    parts = [fenced(_indented(call.arguments), "json")]
    if call.result:
        parts.append(f"→\n\n{fenced(_cut(_indented(call.result)))}")
    summary = f"Tool call: <code>{_escaped(call.name)}</code>{said}"
    return _folded(summary, neutralise("\n\n".join(parts)))


def plain_call(call: ToolCall) -> str:
    """Return a tool call as plain text, in one line unless its result has more."""
    said = "" if call.outcome in ("", "done") else f" {call.outcome}"
    result = f" → {_cut(call.result)}" if call.result else ""
    return f"[tool call{said}: {call.name}({' '.join(call.arguments.split())}){result}]"


def _cut(result: str) -> str:
    if len(result) <= _RESULT_CHARACTERS:
        return result
    return f"{result[:_RESULT_CHARACTERS]}\n… (of {len(result)} characters; .tool_calls has all)"


def _quoted(text: str) -> str:
    """Return Markdown as a quotation, which it stays where nothing can be folded (PDF)."""
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def _folded(summary: str, inner: str, *, is_open: bool = False) -> str:
    return f"<details{' open' * is_open}><summary>{summary}</summary>\n\n{inner}\n\n</details>"


def _indented(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def _escaped(name: str) -> str:
    """Return a name as HTML, in which MathJax finds nothing either."""
    return re.sub(r"[^\w. -]", lambda odd: f"&#{ord(odd[0])};", name)
