"""Many answers in little room: the figures of the models, and the first answers as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .summary import summarized
from .table import Cell, Table, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..compare.tasks import Outcome, Prompt

_SHOWN = 10
_LONGEST = 80  # characters of a prompt or an answer
_HEADINGS = ("prompt", "model", "state", "total", "answer")


def overview(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return both tables as a page and as text."""
    figures = summarized(outcomes).table()
    first = Table(_HEADINGS, tuple(map(_row, outcomes[:_SHOWN])))
    if len(outcomes) > _SHOWN:
        more = f"… {len(outcomes) - _SHOWN:,} more: .rows() and .to_dataframe() have all"
        first = replace(first, notes=(more,))
    return {
        "text/html": f"{figures.html()}\n{first.html()}",
        "text/plain": f"{figures.plain()}\n\n{first.plain()}",
    }


def _row(outcome: Outcome) -> tuple[Cell, ...]:
    answer = outcome.answer
    repeat = f" ({outcome.repeat})" if outcome.repeat > 1 else ""
    return (
        Cell(_beginning(_words(outcome.prompt))),
        Cell(outcome.label + repeat),
        Cell("cached" if answer.cached else answer.state),
        Cell(f"{answer.elapsed_s:.1f} s", is_number=True),
        Cell(_beginning(outcome.error or answer.text)),
    )


def _words(prompt: Prompt) -> str:
    """Return the text of a prompt, of messages that of the last one."""
    if isinstance(prompt, str):
        return prompt
    content = prompt[-1].get("content")
    return content if isinstance(content, str) else f"{len(prompt)} messages"


def _beginning(text: str) -> str:
    line = one_line(text[: 4 * _LONGEST])
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
