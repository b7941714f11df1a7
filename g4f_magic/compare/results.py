"""Comparisons as JSON Lines: a heading, then one answer a line, in a file that is whole or not."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from ..errors import UsageError
from ..formats.archive import answer_from, whole_record
from ..formats.files import read_file, write_file
from ..formats.reading import Source, decoded, whole
from .tasks import Outcome

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from ..formats.reading import Node
    from ..messages import Message
    from .tasks import Prompt

FORMAT = 1
_HINT = "nothing was loaded; Comparison.save writes files that can be"
_HUGE = 1e15  # no score and no cost is as large


def save(outcomes: Sequence[Outcome], kept: int | None, path: str | os.PathLike[str]) -> Path:
    """Write answers to a file, in place of what is there, and return where.

    No key is in it, nor any request. Raises ``UsageError`` and leaves the old file.
    """
    heading = {"g4f_magic": FORMAT, "answers": len(outcomes), "kept": kept}
    records = [heading, *map(_record, outcomes)]
    text = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records)
    return write_file(path, whole(text).encode(), may_replace=True)


def load(path: str | os.PathLike[str]) -> tuple[list[Outcome], int | None]:
    """Return the answers of a file, and which of them is kept; all of it or nothing.

    Raises ``UsageError`` with the line and the reason.
    """
    data, name = read_file(path), PurePath(path).name
    try:
        return _read(Source(name, decoded(data, name)))
    except UsageError as error:
        raise UsageError(str(error), hint=_HINT) from None


def _read(source: Source) -> tuple[list[Outcome], int | None]:
    first, *rest = source.lines()
    heading = first.json()
    version, count = heading["g4f_magic"], heading["answers"].count_or_none()
    if version.value != FORMAT or isinstance(version.value, bool):
        version.refuse(f"is {str(version.value)[:40]}, and only format {FORMAT} is known")
    outcomes = [_outcome(line.json()) for line in rest if line.text.strip()]
    if count != len(outcomes):
        heading["answers"].refuse(f"says {count}, and {len(outcomes)} follow")
    kept = heading["kept"].count_or_none()
    if kept is not None and not 0 <= kept < len(outcomes):
        heading["kept"].refuse(f"is {kept}, and {len(outcomes)} answers follow")
    return outcomes, kept


def _record(outcome: Outcome) -> dict[str, Any]:
    record = {
        "number": outcome.number,
        "prompt": outcome.prompt,
        "model": outcome.label,
        "repeat": outcome.repeat,
        "answer": whole_record(outcome.answer),
        "error": outcome.error or None,
        "cost": outcome.cost,
        "score": outcome.score,
        "judge_error": outcome.judge_error or None,
    }
    return {name: value for name, value in record.items() if value is not None}


def _outcome(node: Node) -> Outcome:
    if node["answer"].value is None:
        node.refuse("has no 'answer'")
    repeat = node["repeat"].count_or_none()
    return Outcome(
        label=node["model"].text(),
        answer=answer_from(node["answer"]),
        error=node["error"].text(),
        cost=_figure(node["cost"]),
        number=node["number"].count_or_none() or 0,
        prompt=_prompt(node["prompt"]),
        repeat=1 if repeat is None else repeat,
        score=_figure(node["score"]),
        judge_error=node["judge_error"].text(),
    )


def _prompt(node: Node) -> Prompt:
    if isinstance(node.value, list):
        return [cast("Message", message.object()) for message in node.each()]
    return node.text()


def _figure(node: Node) -> float | None:
    value = node.value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _HUGE:
        node.refuse("is no number that can be")
    return float(value)
