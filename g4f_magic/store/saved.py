"""What the database keeps, as values, and how they become rows and come back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from ..messages import Answer, Compared, Image, ToolCall, Usage
from ..parts import Attachment
from ..secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..parts import Content, Part
    from .database import Connection, Row

Text: TypeAlias = str | bytes
"""A text in the database: bytes where it has halves of surrogate pairs, which UTF-8 has not."""

_MOST_TOKENS = 2**40  # a larger number is no count, and a sum of such might not fit


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTurn:
    """A prompt and its answer; see `conversation.Turn` for the first fields.

    ``answer`` is None in a mark, which only sets a system prompt or starts afresh. Its
    request comes back without the messages: those are the turns before. ``error`` is the
    line that was shown. ``compared`` has all answers where several models were asked; ``answer``
    is one of them. Times are seconds since 1970.
    """

    prompt: str
    system: str | None = None
    starts_afresh: bool = False
    cell_id: str | None = None
    execution: str | None = None
    answer: Answer | None = None
    error: str = ""
    compared: tuple[Compared, ...] = ()
    parts: tuple[Part, ...] = ()
    id: int = 0
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """What the next prompt continues: pairs of a prompt's content and its answer's text."""

    system: str = ""
    said: tuple[tuple[Content, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """A conversation in a list; ``first_words`` begin its first prompt, ``turns`` have prompts."""

    notebook: str
    name: str
    used_at: float
    turns: int
    tokens_in: int
    tokens_out: int
    model: str
    first_words: str


@dataclass(frozen=True, slots=True)
class Found:
    """A turn that has all the words looked for."""

    notebook: str
    conversation: str
    turn_id: int
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a notebook asked of one model; the tokens of ``uncounted`` requests are not known."""

    provider: str
    model: str
    requests: int
    uncounted: int
    tokens_in: int
    tokens_out: int


def stored(text: str) -> Text:
    """Return a text as the database can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def text_of(value: Text) -> str:
    """Return a text as it was before `stored`."""
    return value if isinstance(value, str) else value.decode(errors="surrogatepass")


def stored_if_any(text: str | None) -> Text | None:
    """Return a text as the database can hold it, None as NULL."""
    return None if text is None else stored(text)


def text_if_any(value: Text | None) -> str | None:
    """Return a text as it was before `stored_if_any`."""
    return None if value is None else text_of(value)


def answer_columns(answer: Answer, error: str) -> dict[str, Any]:
    """Return the values of a row of ``answers``, but for its owner and time."""
    usage = answer.usage
    return {
        "state": answer.state,
        "elapsed_s": answer.elapsed_s,
        "first_token_s": answer.first_token_s,
        "tokens_in": _count(usage.tokens_in) if usage else None,
        "tokens_out": _count(usage.tokens_out) if usage else None,
        "attempt": answer.attempt,
        "cached": answer.cached,
        "model": stored(answer.model),
        "provider": stored(answer.provider),
        "finish_reason": stored_if_any(answer.finish_reason),
        "error": stored(error),
        "usage": usage and (_json(usage.raw) or "{}"),
        "tool_calls": _json([asdict(call) for call in answer.tool_calls] or None),
        "request": _json({k: v for k, v in answer.request.items() if k != "messages"} or None),
        "reasoning": stored(answer.reasoning),
        "text": stored(answer.text),
    }


def read_answer(row: Row, images: Sequence[Image]) -> Answer:
    """Return the answer of a row of ``answers``."""
    usage = _value(row["usage"])
    return Answer(
        text=text_of(row["text"]),
        reasoning=text_of(row["reasoning"]),
        images=tuple(images),
        tool_calls=tuple(_tool_call(call) for call in _value(row["tool_calls"]) or ()),
        usage=None if usage is None else Usage(row["tokens_in"], row["tokens_out"], usage),
        finish_reason=text_if_any(row["finish_reason"]),
        model=text_of(row["model"]),
        provider=text_of(row["provider"]),
        elapsed_s=row["elapsed_s"],
        first_token_s=row["first_token_s"],
        request=_value(row["request"]) or {},
        state=row["state"],
        cached=bool(row["cached"]),
        attempt=row["attempt"],
    )


def read_turn(
    row: Row,
    images: Sequence[Image],
    compared: Sequence[Compared] = (),
    parts: Sequence[Part] = (),
) -> SavedTurn:
    """Return the turn of a row of ``turns`` joined with that of its answer."""
    return SavedTurn(
        prompt=text_of(row["prompt"]),
        system=text_if_any(row["system"]),
        starts_afresh=bool(row["starts_afresh"]),
        cell_id=text_if_any(row["cell_id"]),
        execution=text_if_any(row["execution"]),
        answer=None if row["answer"] is None else read_answer(row, images),
        error=text_of(row["error"] or ""),
        compared=tuple(compared),
        parts=tuple(parts),
        id=row["turn"],
        created_at=row["created_at"],
    )


def read_images(db: Connection, answers: str, values: Sequence[Any]) -> dict[int, list[Image]]:
    """Return the pictures by answer, in order, of those answers that a SELECT names."""
    images: dict[int, list[Image]] = {}
    pictures = "SELECT * FROM pictures LEFT JOIN blobs ON blobs.hash = pictures.blob WHERE answer"
    for row in db.execute(f"{pictures} IN ({answers}) ORDER BY place", values):
        shown = (row["media_type"], row["url"], row["revised_prompt"], row["trouble"])
        image = Image(row["content"] or b"", *map(text_of, shown))
        images.setdefault(row["answer"], []).append(image)
    return images


def read_parts(db: Connection, turns: str, values: Sequence[Any]) -> dict[int, list[Part]]:
    """Return the parts by turn, in order, of those turns that a SELECT names and that have some."""
    parts: dict[int, list[Part]] = {}
    those = "SELECT * FROM parts LEFT JOIN blobs ON blobs.hash = parts.blob WHERE turn"
    for row in db.execute(f"{those} IN ({turns}) ORDER BY turn, place", values):
        parts.setdefault(row["turn"], []).append(_part(row))
    return parts


def _part(row: Row) -> Part:
    if row["blob"] is None:
        return text_of(row["text"])
    media_type, name, note = (text_of(row[column]) for column in ("media_type", "name", "note"))
    return Attachment(row["kind"], row["content"], media_type, name, note)


def _tool_call(values: dict[str, Any]) -> ToolCall:
    known = {field.name for field in fields(ToolCall)}  # a newer version may have kept more
    return ToolCall(**{name: value for name, value in values.items() if name in known})


def _count(number: int | None) -> int | None:
    """Return a count of tokens; a server may say any number."""
    return number if number is None or abs(number) <= _MOST_TOKENS else None


def _json(value: Any) -> str | None:
    """Return the JSON of a value, without keys; None for None, and for what cannot be written."""
    try:
        return None if value is None else json.dumps(_without_secrets(value), default=repr)
    except (RecursionError, TypeError, ValueError):  # a server may nest without end
        return None


def _value(text: str | None) -> Any:
    """Return what JSON says; None for none, and for what a failing disk has made of it."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return "…"
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return value
