"""Comparisons as JSON Lines: a heading, then one answer a line, in a file that is whole or not."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import UsageError
from ..formats.archive import answer_from, answer_record, image_record
from ..formats.reading import Source, decoded, whole
from ..paths import path_of
from .tasks import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    target = path_of(path)
    heading = {"g4f_magic": FORMAT, "answers": len(outcomes), "kept": kept}
    records = [heading, *map(_record, outcomes)]
    text = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records)
    try:
        _replace(target, whole(text).encode())
    except (OSError, ValueError) as error:  # the latter for what is no name of a file
        reason = getattr(error, "strerror", None) or error
        message = f"{str(target)!r} cannot be written: {reason}"
        raise UsageError(message) from error
    return target


def load(path: str | os.PathLike[str]) -> tuple[list[Outcome], int | None]:
    """Return the answers of a file, and which of them is kept; all of it or nothing.

    Raises ``UsageError`` with the line and the reason.
    """
    target = path_of(path)
    try:
        data = target.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"{str(target)!r} cannot be read: {reason}"
        raise UsageError(message) from error
    try:
        return _read(Source(target.name, decoded(data, target.name)))
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
    answer = answer_record(outcome.answer)
    if outcome.answer.images:
        answer["images"] = [image_record(one) for one in outcome.answer.images]
    record = {
        "number": outcome.number,
        "prompt": outcome.prompt,
        "model": outcome.label,
        "repeat": outcome.repeat,
        "answer": answer,
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


def _replace(target: Path, data: bytes) -> None:
    """Put a new file in the place of the old one, for the same eyes if there was one."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if target.exists():
            Path(name).chmod(target.stat().st_mode & 0o777)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
