"""Conversations on disk: what was said in each notebook, turn by turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..messages import Compared
from ..parts import content
from ..paths import kept_at
from .cache import AnswerCache
from .database import BUSY_S, Database, MemoryDatabase
from .rows import (
    add_pictures,
    answers_of,
    choose,
    create_conversation,
    find,
    id_of,
    place_for,
    put_turn,
    read_turns,
    refuse_taken,
    spend,
    start_of,
    update_answer,
)
from .saved import (
    Found,
    History,
    SavedConversation,
    SavedTurn,
    Spent,
    answer_columns,
    read_parts,
    stored,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..messages import Answer
    from .saved import Text

_FILE = "chats.db"

_LIST = """SELECT key, name, used_at,
    sum(prompt <> ''), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),
    (SELECT model FROM turns AS t JOIN answers ON answers.id = t.answer
    WHERE conversation = c.id ORDER BY position DESC LIMIT 1),
    (SELECT prompt FROM turns WHERE conversation = c.id AND prompt <> ''
    ORDER BY position LIMIT 1)
    FROM conversations AS c JOIN notebooks ON notebooks.id = c.notebook
    LEFT JOIN turns ON turns.conversation = c.id
    LEFT JOIN answers ON answers.id = turns.answer"""
_TEXTS = """SELECT key, name, turns.id, prompt, coalesce(text, '')
    FROM turns LEFT JOIN answers ON answers.id = turns.answer
    JOIN conversations AS c ON c.id = turns.conversation
    JOIN notebooks ON notebooks.id = c.notebook"""


def default_path() -> Path:
    """Return where the conversations are: in ``G4F_HOME``, else among the user's data."""
    return kept_at(_FILE, "data")


class Store:
    """The conversations of all notebooks, for one thread of one process.

    A notebook goes by any text that tells it from others, a conversation by its name in
    it. Nothing is opened before the first use; without a ``path`` all of it lives in memory.
    All methods raise ``StoreError`` when the disk fails, and ``UsageError`` for a name that
    is not there, or already taken.
    """

    def __init__(self, path: Path | None, *, busy_s: float = BUSY_S) -> None:
        self.database: Database | MemoryDatabase = (
            Database(path, busy_s=busy_s) if path else MemoryDatabase()
        )
        self.cache: AnswerCache = AnswerCache(self.database)

    def begin(self, notebook: str, name: str, turn: SavedTurn) -> int:
        """Keep a turn as its request leaves: in place of its cell's earlier run, else at the end.

        Returns its number. A turn that brings an answer is kept as it is, one without a
        prompt is a mark; else the answer is under way from now on, until `finish`.
        """
        with self.database.write() as db:
            conversation = create_conversation(db, notebook, name)
            return put_turn(db, conversation, turn, self.database.owner_token)

    def add(self, notebook: str, name: str, turns: Iterable[SavedTurn]) -> None:
        """Begin a conversation with turns that are over: with all of them, or not at all."""
        with self.database.write() as db:
            refuse_taken(db, notebook, name)
            conversation = create_conversation(db, notebook, name)
            for turn in turns:
                put_turn(db, conversation, turn, self.database.owner_token)

    def grow(self, turn_id: int, answer: Answer, compared: Sequence[Compared] = ()) -> None:
        """Keep what has arrived of an answer, or of all that are compared.

        ``answer`` is then one of those. Of a turn replaced meanwhile nothing is kept.
        """
        told = compared or [Compared("", answer)]
        with self.database.write() as db:
            for number, one in zip(answers_of(db, turn_id, compared), told, strict=False):
                grown = answer_columns(one.answer, "")
                del grown["state"]  # under way until `finish`
                update_answer(db, number, grown)
            choose(db, turn_id, answer, compared)

    def finish(
        self, turn_id: int, answer: Answer, error: str = "", compared: Sequence[Compared] = ()
    ) -> None:
        """Keep the whole answer, or all that are compared, of which it is one.

        ``error`` is the line of what ended it, if anything did.
        """
        told = compared or [Compared("", answer, error)]
        with self.database.write() as db:
            for number, one in zip(answers_of(db, turn_id, compared), told, strict=False):
                update_answer(db, number, answer_columns(one.answer, one.error) | {"owner": None})
                add_pictures(db, number, one.answer.images)
                spend(db, turn_id, one.answer)
            choose(db, turn_id, answer, compared)

    def keep(self, turn_id: int, answer: Answer, compared: Sequence[Compared]) -> None:
        """Let the conversation go on with another one of the answers that are compared."""
        with self.database.write() as db:
            choose(db, turn_id, answer, compared)

    def undo(self, notebook: str, name: str) -> SavedTurn | None:
        """Take the last turn away and return it; None where there is none."""
        with self.database.write() as db:
            conversation = id_of(db, notebook, name)
            turns = [] if conversation is None else read_turns(db, conversation, last=1)
            db.executemany("DELETE FROM turns WHERE id = ?", [(turn.id,) for turn in turns])
        return turns[0] if turns else None

    def history(
        self,
        notebook: str,
        name: str,
        cell_id: str | None = None,
        execution: str | None = None,
        *,
        last: int | None = None,
    ) -> History:
        """Return what a prompt of this cell would continue: at most the ``last`` turns in force.

        In force is what came since the history last started afresh, before the place
        that `begin` would give the prompt. Turns without any text are left out.
        """
        with self.database.read() as db:
            conversation = id_of(db, notebook, name)
            if conversation is None:
                return History()
            end = place_for(db, conversation, cell_id, execution)[0]
            between = (conversation, start_of(db, conversation, end), end)
            system = db.execute(
                "SELECT system FROM turns WHERE conversation = ? AND position >= ?"
                " AND position < ? AND system IS NOT NULL ORDER BY position DESC LIMIT 1",
                between,
            ).fetchone()
            said = db.execute(
                "SELECT turns.id, position, prompt, text"
                " FROM turns JOIN answers ON answers.id = turns.answer"
                " WHERE conversation = ? AND position >= ? AND position < ? AND text <> ''"
                " ORDER BY position DESC LIMIT ?",
                (*between, -1 if last is None else last),
            ).fetchall()
            first = said[-1]["position"] if said else end
            turns = "SELECT id FROM turns WHERE conversation = ? AND position >= ? AND position < ?"
            parts = read_parts(db, turns, (conversation, first, end))
        pairs = tuple(
            (content(parts[number]) if number in parts else text_of(prompt), text_of(text))
            for number, _, prompt, text in reversed(said)
        )
        return History(text_of(system[0]) if system else "", pairs)

    def turns(self, notebook: str, name: str, *, last: int | None = None) -> list[SavedTurn]:
        """Return the turns in order, or only the ``last``; none where there is no such name."""
        with self.database.read() as db:
            conversation = id_of(db, notebook, name)
            return [] if conversation is None else read_turns(db, conversation, last)

    def conversations(self, notebook: str | None = None) -> list[SavedConversation]:
        """Return the conversations of a notebook, or of all; the last used first."""
        where, values = _only(notebook)
        with self.database.read() as db:
            rows = db.execute(
                f"{_LIST} {where} GROUP BY c.id ORDER BY used_at DESC, c.id DESC",
                values,
            ).fetchall()
        return [
            SavedConversation(
                *(text_of(key), text_of(name), used_at, turns or 0, tokens_in, tokens_out),
                model=text_of(model or ""),
                first_words=" ".join(text_of(prompt or "").split())[:80],
            )
            for key, name, used_at, turns, tokens_in, tokens_out, model, prompt in rows
        ]

    def rename(self, notebook: str, name: str, new_name: str) -> None:
        """Give a conversation another name."""
        with self.database.write() as db:
            conversation = find(db, notebook, name)
            refuse_taken(db, notebook, new_name)
            rename = "UPDATE conversations SET name = ? WHERE id = ?"
            db.execute(rename, (stored(new_name), conversation))

    def fork(self, notebook: str, name: str, new_name: str) -> None:
        """Begin another conversation with all turns of this one; both go on by themselves."""
        with self.database.write() as db:
            conversation = find(db, notebook, name)
            refuse_taken(db, notebook, new_name)
            forked = create_conversation(db, notebook, new_name)
            columns = (
                "position, answer, starts_afresh, created_at, cell_id, execution, system, prompt"
            )
            db.execute(
                f"INSERT INTO turns (conversation, {columns})"  # noqa: S608  # our own names
                f" SELECT ?, {columns} FROM turns WHERE conversation = ? ORDER BY position",
                (forked, conversation),
            )
            db.execute(
                "INSERT INTO compared (turn, place, answer, label)"
                " SELECT new.id, place, compared.answer, label FROM compared"
                " JOIN turns AS old ON old.id = compared.turn"
                " JOIN turns AS new ON new.position = old.position"
                " WHERE old.conversation = ? AND new.conversation = ?",
                (conversation, forked),
            )
            db.execute(
                "INSERT INTO parts (turn, place, kind, media_type, name, note, blob, text)"
                " SELECT new.id, place, kind, media_type, name, note, blob, text FROM parts"
                " JOIN turns AS old ON old.id = parts.turn"
                " JOIN turns AS new ON new.position = old.position"
                " WHERE old.conversation = ? AND new.conversation = ?",
                (conversation, forked),
            )

    def delete(self, notebook: str, name: str) -> None:
        """Delete a conversation with all its turns."""
        with self.database.write() as db:
            db.execute("DELETE FROM conversations WHERE id = ?", (find(db, notebook, name),))

    def search(self, words: Sequence[str], notebook: str | None = None) -> list[Found]:
        """Return the turns, of one notebook or of all, that have all words; the newest first.

        Upper and lower case are the same, in every language.
        """
        where, values = _only(notebook)
        wanted = [word.casefold() for word in words]
        with self.database.read() as db:
            rows = db.execute(
                f"{_TEXTS} {where} ORDER BY turns.created_at DESC, turns.id DESC",
                values,
            )
            found = (
                Found(text_of(key), text_of(name), number, text_of(prompt), text_of(text))
                for key, name, number, prompt, text in rows
            )
            return [turn for turn in found if _has_all(turn, wanted)]

    def usage(self, notebook: str) -> list[Spent]:
        """Return what a notebook asked of each model, also in turns that are gone since."""
        with self.database.read() as db:
            rows = db.execute(
                """SELECT provider, model, requests, uncounted, tokens_in, tokens_out
                FROM spent JOIN notebooks ON notebooks.id = spent.notebook WHERE key = ?
                ORDER BY tokens_in + tokens_out DESC, provider, model""",
                (stored(notebook),),
            ).fetchall()
        return [Spent(text_of(row[0]), text_of(row[1]), *row[2:]) for row in rows]

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self.database.close()


def _only(notebook: str | None) -> tuple[str, tuple[Text, ...]]:
    """Return the condition for one notebook, or for all, and its values."""
    return ("", ()) if notebook is None else ("WHERE key = ?", (stored(notebook),))


def _has_all(turn: Found, words: Sequence[str]) -> bool:
    text = f"{turn.prompt}\n{turn.text}".casefold()
    return all(word in text for word in words)
