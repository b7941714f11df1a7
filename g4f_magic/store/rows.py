"""The rows behind the store, a few at a time, inside somebody else's transaction."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..messages import Answer, Compared
from .saved import (
    answer_columns,
    read_answer,
    read_images,
    read_parts,
    read_turn,
    stored,
    stored_if_any,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..messages import Image
    from ..parts import Part
    from .database import Connection
    from .saved import SavedTurn

_APART = 1 << 20  # between the positions of cells: room for all chats of one execution
_TURN = """SELECT turns.id AS turn, turns.answer, prompt, system, starts_afresh, cell_id, execution,
    created_at, answers.* FROM turns LEFT JOIN answers ON answers.id = turns.answer"""


def insert(db: Connection, table: str, row: dict[str, Any]) -> int:
    """Add a row to a table and return its number."""
    places = ", ".join("?" * len(row))
    text = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})"  # noqa: S608  # our own names
    number = db.execute(text, tuple(row.values())).lastrowid
    assert number is not None  # noqa: S101  # it never is after an INSERT
    return number


def create_conversation(db: Connection, notebook: str, name: str) -> int:
    """Return the conversation of this name, used now; it is made where there is none."""
    key = stored(notebook)
    db.execute("INSERT INTO notebooks (key) VALUES (?) ON CONFLICT DO NOTHING", (key,))
    db.execute(
        "INSERT INTO conversations (notebook, name, used_at)"
        " SELECT id, ?, ? FROM notebooks WHERE key = ?"
        " ON CONFLICT (notebook, name) DO UPDATE SET used_at = excluded.used_at",
        (stored(name), time.time(), key),
    )
    return find(db, notebook, name)


def put_turn(db: Connection, conversation: int, turn: SavedTurn, owner: Callable[[], str]) -> int:
    """Add a turn, in place of its cell's earlier run; return its number. ``owner`` writes it."""
    answer, compared = None, list[int]()
    if turn.prompt or turn.answer is not None:
        answer, compared = add_answers(db, turn, owner())
    position, stale = place_for(db, conversation, turn.cell_id, turn.execution)
    db.executemany("DELETE FROM turns WHERE id = ?", [(old,) for old in stale])
    row = {
        "conversation": conversation,
        "position": position,
        "answer": answer,
        "starts_afresh": turn.starts_afresh,
        "created_at": turn.created_at or time.time(),
        "cell_id": stored_if_any(turn.cell_id),
        "execution": stored_if_any(turn.execution),
        "system": stored_if_any(turn.system),
        "prompt": stored(turn.prompt),
    }
    number = insert(db, "turns", row)
    for place, (one, told) in enumerate(zip(compared, turn.compared, strict=True)):
        column = {"turn": number, "place": place, "answer": one, "label": stored(told.label)}
        insert(db, "compared", column)
    add_parts(db, number, turn.parts)
    return number


def id_of(db: Connection, notebook: str, name: str) -> int | None:
    """Return the number of a conversation; None where there is none of that name."""
    row = db.execute(
        "SELECT c.id FROM conversations AS c JOIN notebooks ON notebooks.id = c.notebook"
        " WHERE key = ? AND name = ?",
        (stored(notebook), stored(name)),
    ).fetchone()
    return None if row is None else row[0]


def find(db: Connection, notebook: str, name: str) -> int:
    """Return the number of a conversation; ``UsageError`` where there is none of that name."""
    number = id_of(db, notebook, name)
    if number is None:
        message = f"no conversation {name!r} is kept for this notebook"
        raise UsageError(message, hint="%g4f_chats lists them")
    return number


def refuse_taken(db: Connection, notebook: str, name: str) -> None:
    """Raise ``UsageError`` where there is a conversation of that name."""
    if id_of(db, notebook, name) is not None:
        message = f"a conversation {name!r} is there already"
        raise UsageError(message, hint="choose another name, or delete that one first")


def place_for(
    db: Connection, conversation: int, cell_id: str | None, execution: str | None
) -> tuple[int, list[int]]:
    """Return the position for a turn of this cell, and the turns of its earlier runs."""
    if cell_id is not None:
        rows = db.execute(
            "SELECT id, position, execution FROM turns"
            " WHERE conversation = ? AND cell_id = ? ORDER BY position",
            (conversation, stored(cell_id)),
        ).fetchall()
        run = stored_if_any(execution)
        same = [position for _, position, other in rows if other == run]
        stale = [(number, position) for number, position, other in rows if other != run]
        if rows:
            return (same[-1] + 1 if same else stale[0][1]), [number for number, _ in stale]
    last = db.execute("SELECT max(position) FROM turns WHERE conversation = ?", (conversation,))
    found: int | None = last.fetchone()[0]
    return (0 if found is None else (found // _APART + 1) * _APART), []


def start_of(db: Connection, conversation: int, end: int) -> int:
    """Return the position where the history before ``end`` starts."""
    row = db.execute(
        "SELECT position FROM turns WHERE conversation = ? AND position < ? AND starts_afresh"
        " ORDER BY position DESC LIMIT 1",
        (conversation, end),
    ).fetchone()
    return 0 if row is None else row[0]


def read_turns(db: Connection, conversation: int, last: int | None = None) -> list[SavedTurn]:
    """Return the turns of a conversation in order, or only the ``last``."""
    those = (conversation, -1 if last is None else last)
    which = "WHERE conversation = ? ORDER BY position DESC LIMIT ?"
    rows = db.execute(f"{_TURN} {which}", those).fetchall()
    images = read_images(db, f"SELECT answer FROM turns {which}", those)  # noqa: S608  # our own
    compared = _read_compared(db, f"SELECT id FROM turns {which}", those)  # noqa: S608  # our own
    parts = read_parts(db, f"SELECT id FROM turns {which}", those)  # noqa: S608  # our own
    return [
        read_turn(
            row,
            images.get(row["answer"], ()),
            compared.get(row["turn"], ()),
            parts.get(row["turn"], ()),
        )
        for row in reversed(rows)
    ]


def _read_compared(db: Connection, turns: str, values: Sequence[Any]) -> dict[int, list[Compared]]:
    """Return what was compared by turn, in order, of those turns that a SELECT names."""
    compared: dict[int, list[Compared]] = {}
    which = f"FROM compared JOIN answers ON answers.id = compared.answer WHERE turn IN ({turns})"
    images = read_images(db, f"SELECT answer {which}", values)  # our own names
    for row in db.execute(f"SELECT turn, label, answers.* {which} ORDER BY turn, place", values):
        answer = read_answer(row, images.get(row["id"], ()))
        one = Compared(text_of(row["label"]), answer, text_of(row["error"]))
        compared.setdefault(row["turn"], []).append(one)
    return compared


def add_answer(db: Connection, answer: Answer, error: str, owner: str | None) -> int:
    """Add an answer and return its number; ``owner`` is who still writes it."""
    columns = answer_columns(answer, error) | {"updated_at": time.time(), "owner": owner}
    number = insert(db, "answers", columns)
    add_pictures(db, number, answer.images)
    return number


def add_answers(db: Connection, turn: SavedTurn, owner: str) -> tuple[int, list[int]]:
    """Add the answers of a turn; return the number of its own, and of all that are compared.

    ``owner`` is who writes those that are still under way.
    """

    def add(answer: Answer, error: str) -> int:
        return add_answer(db, answer, error, owner if answer.state == "streaming" else None)

    if not turn.compared:
        return add(turn.answer or Answer(state="streaming"), turn.error), []
    numbers = [add(one.answer, one.error) for one in turn.compared]
    return numbers[_place_of(turn.answer, turn.compared)], numbers


def answers_of(db: Connection, turn_id: int, compared: Sequence[Compared]) -> list[int]:
    """Return the number of a turn's answer, or of all that are compared; none if it is gone."""
    if compared:
        numbers = "SELECT answer FROM compared WHERE turn = ? ORDER BY place"
    else:
        numbers = "SELECT answer FROM turns WHERE id = ?"
    return [row[0] for row in db.execute(numbers, (turn_id,))]


def choose(db: Connection, turn_id: int, answer: Answer, compared: Sequence[Compared]) -> None:
    """Let a turn go on with one of the answers that are compared in it."""
    numbers = answers_of(db, turn_id, compared) if compared else []
    if numbers:
        chosen = numbers[_place_of(answer, compared)]
        db.execute("UPDATE turns SET answer = ? WHERE id = ?", (chosen, turn_id))


def _place_of(answer: Answer | None, compared: Sequence[Compared]) -> int:
    """Return where an answer is among others; 0 if it is not."""
    answers = [one.answer for one in compared]
    return answers.index(answer) if answer in answers else 0


def update_answer(db: Connection, number: int, columns: dict[str, Any]) -> None:
    """Change an answer."""
    columns = columns | {"updated_at": time.time()}
    assignments = ", ".join(f"{column} = ?" for column in columns)
    update = f"UPDATE answers SET {assignments} WHERE id = ?"  # noqa: S608  # our own names
    db.execute(update, (*columns.values(), number))


def add_pictures(db: Connection, answer: int, images: Sequence[Image]) -> None:
    """Keep the pictures of an answer, each content once for all answers."""
    for place, image in enumerate(images):
        digest = _add_blob(db, image.data) if image.data else None
        shown = (image.media_type, image.url, image.revised_prompt, image.trouble)
        picture = "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)"
        db.execute(picture, (answer, place, digest, *map(stored, shown)))


def add_parts(db: Connection, turn_id: int, parts: Sequence[Part]) -> None:
    """Keep what a prompt is made of, each content once for all prompts and answers."""
    for place, part in enumerate(parts):
        row: dict[str, Any] = {"turn": turn_id, "place": place}
        if isinstance(part, str):
            row["text"] = stored(part)
        else:
            names = {"media_type": part.media_type, "name": part.name, "note": part.note}
            row |= {column: stored(text) for column, text in names.items()}
            row |= {"kind": part.kind, "blob": _add_blob(db, part.data)}
        insert(db, "parts", row)


def _add_blob(db: Connection, data: bytes) -> bytes:
    """Keep a content where it is not yet kept, and return its hash."""
    digest = hashlib.sha256(data).digest()
    db.execute("INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, data))
    return digest


def spend(db: Connection, turn_id: int, answer: Answer) -> None:
    """Add a request to what the turn's notebook has spent."""
    if answer.cached or not (answer.request or answer.text):
        return
    columns = answer_columns(answer, "")
    tokens = columns["tokens_in"], columns["tokens_out"]
    db.execute(
        """INSERT INTO spent SELECT notebook, ?, ?, 1, ?, ?, ? FROM turns
        JOIN conversations ON conversations.id = turns.conversation WHERE turns.id = ?
        ON CONFLICT (notebook, provider, model) DO UPDATE SET requests = requests + 1,
            uncounted = uncounted + excluded.uncounted,
            tokens_in = tokens_in + excluded.tokens_in,
            tokens_out = tokens_out + excluded.tokens_out""",
        (
            *(columns["provider"], columns["model"], tokens == (None, None)),
            *(number or 0 for number in tokens),
            turn_id,
        ),
    )
