"""Several answers to one prompt beside each other, with their figures, as one document."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import footer
from .document import facts, is_empty_failure, printable
from .images import image_outputs
from .pieces import plain_call
from .rendered import as_text, rendered
from .table import Cell, Table, bar, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..messages import Answer, Compared

# Up to four beside each other; where styles are taken away, it is still a table. What these are
# made of is left by JupyterLab's sanitiser (4.6), which a notebook from somebody else goes through.
_TABLE = "display:block;width:100%;margin:0"
_BODY = "display:block"
_ROW = "display:flex;flex-wrap:wrap;background:none"
_COLUMN = (
    "display:block;box-sizing:border-box;flex-grow:1;flex-shrink:1;flex-basis:22%;min-width:200px;"
    "padding:4px 8px;border-top:2px solid gray;text-align:left;vertical-align:top;"
    "overflow-x:auto;overflow-wrap:break-word;white-space:normal"
)
HEADING = "── "  # begins the line above an answer in plain text
_BAR_COLUMNS = 6
_UNKNOWN = "–"
_KEPT = " ✓ kept"


def beside(
    columns: Sequence[Compared], text_of: Callable[[Compared], str], kept: str | None = None
) -> str:
    """Return the columns as HTML, with what ``text_of`` makes of each as its text.

    ``kept`` is the label of the one that the conversation goes on with.
    """
    cells = "".join(
        _cell(column, text_of(column), is_kept=column.label == kept) for column in columns
    )
    row = f'<tr style="{_ROW}">{cells}</tr>'
    return f'<table style="{_TABLE}"><tbody style="{_BODY}">{row}</tbody></table>'


def bundle(columns: Sequence[Compared], kept: str | None = None) -> dict[str, str]:
    """Return ended answers as a page and as text, each with a table of the figures."""
    figures = summary(columns)
    page = f"{beside(columns, _whole, kept)}\n{figures.html()}"
    sections = (_section(column, is_kept=column.label == kept) for column in columns)
    plain = "\n\n".join([*sections, figures.plain()])
    return {"text/html": page, "text/plain": plain}


def metadata(columns: Sequence[Compared], kept: str | None = None) -> dict[str, Any]:
    """Return what the notebook keeps about the answers: no prompt, no key."""
    shown = [replace(column.answer, text=_text(column.answer)) for column in columns]
    told: dict[str, Any] = {"comparison": [facts(answer) for answer in shown]}
    if kept is not None:
        told["kept"] = [column.label for column in columns].index(kept)
    return {"g4f_magic": told}


def heading(column: Compared, *, is_kept: bool = False) -> str:
    """Return the line above an answer in plain text."""
    return f"{HEADING}{one_line(column.label)} ──{_KEPT if is_kept else ''}"


def closing(column: Compared) -> str:
    """Return the lines below an answer in plain text: what is missing, why, and its figures."""
    answer = column.answer
    calls = map(plain_call, answer.tool_calls)
    pictures = (shown["text/plain"] for shown, _ in image_outputs(answer))
    ends = (_note(answer), column.error, footer.footer(answer))
    return printable("\n".join(filter(None, [*calls, *pictures, *ends])))


def summary(columns: Sequence[Compared]) -> Table:
    """Return the figures side by side, with a bar for each that compares."""
    first = [column.answer.first_token_s for column in columns]
    total = [column.answer.elapsed_s for column in columns]
    rates = [footer.tokens_a_second(column.answer) for column in columns]
    usages = [column.answer.usage for column in columns]
    lengths = [len(column.answer.text) for column in columns]
    names = [Cell(_name(column), footer.header(column.answer)) for column in columns]
    costs = [column.cost for column in columns]
    parts: dict[str, list[tuple[Cell, ...]]] = {
        "first token": _measured(first, "{:.2f} s"),
        "total": _measured(total, "{:.1f} s"),
        "tokens/s": _measured(rates, "{:.0f}"),
        "tokens": [(_number(usage.tokens_out if usage else None, "{}"),) for usage in usages],
        "cost": _measured(costs, "${:,.6f}") if any(costs) else [()] * len(columns),
        "length": _measured(lengths, "{}"),
    }
    rows = (
        (name, *(cell for cells in figures for cell in cells))
        for name, *figures in zip(names, *parts.values(), strict=True)
    )
    over = ((heading, *[""] * (len(cells[0]) - 1)) for heading, cells in parts.items() if cells[0])
    headings = ("model", *(heading for cells in over for heading in cells))
    return Table(headings, tuple(rows))


def _measured(values: Sequence[float | None], form: str) -> list[tuple[Cell, ...]]:
    """Return each value with its bar; the largest has the longest."""
    most = max((value or 0 for value in values), default=0)
    bars = [bar((value or 0) / most, _BAR_COLUMNS) if most else "" for value in values]
    return [(_number(v, form), Cell(drawn)) for v, drawn in zip(values, bars, strict=True)]


def _number(value: float | None, form: str) -> Cell:
    return Cell(_UNKNOWN if value is None else form.format(value), is_number=True)


def _name(column: Compared) -> str:
    state = "cached" if column.answer.cached else column.answer.state
    return column.label if state == "complete" else f"{column.label} · {state}"


def _note(answer: Answer) -> str:
    """Return what is missing, unless all is: then the error says it."""
    return "failed" if is_empty_failure(answer) else footer.note(answer)


def _cell(column: Compared, text: str, *, is_kept: bool) -> str:
    answer = column.answer
    is_open = answer.state == "streaming"
    ends = (_note(answer), footer.footer(answer))
    line = footer.status(answer) if is_open else " · ".join(filter(None, ends))
    role = ' role="timer"' if is_open else ""
    told = html.escape(one_line(footer.header(answer)))
    error = f"<p>{as_text(column.error)}</p>" if column.error else ""
    return (
        f'<td style="{_COLUMN}"><b title="{told}">{as_text(one_line(column.label))}</b>'
        f"{_KEPT if is_kept else ''}<br>"
        f'<small{role}>{as_text(one_line(line))}</small><div dir="auto">{text}{error}</div></td>'
    )


def _whole(column: Compared) -> str:
    """Return an answer with its reasoning, which is folded, its tool calls and its pictures."""
    answer = column.answer
    thought = rendered(answer.reasoning, with_formulas=True)
    folded = f"<details><summary>Reasoning</summary>{thought}</details>" if thought else ""
    text = rendered(answer.text, with_formulas=True)
    calls = (f"<p><code>{as_text(plain_call(call))}</code></p>" for call in answer.tool_calls)
    pictures = (_picture(shown, about) for shown, about in image_outputs(answer))
    return "".join([folded, text, *calls, *pictures])


def _picture(shown: dict[str, str], about: dict[str, Any]) -> str:
    """Return one output of a picture as HTML."""
    if "text/html" in shown:
        return shown["text/html"]
    kind = next((kind for kind in shown if kind.startswith("image/")), "")
    if not kind:
        return f"<p>{as_text(shown['text/plain'])}</p>"
    told = about.get(kind, {})
    wide = f' width="{told["width"]}"' if "width" in told else ""
    alt = html.escape(one_line(str(told.get("alt", ""))))
    style = "max-width:100%;height:auto"
    return f'<img src="data:{kind};base64,{shown[kind]}" alt="{alt}"{wide} style="{style}">'


def _section(column: Compared, *, is_kept: bool) -> str:
    lines = [heading(column, is_kept=is_kept), _text(column.answer), closing(column)]
    return "\n".join(filter(None, lines))


def _text(answer: Answer) -> str:
    return printable(answer.text).strip("\n")
