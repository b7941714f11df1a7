"""Answers to requests that were made before, for whoever makes the very same one again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..limits import CACHE
from .rows import add_answer
from .saved import read_answer, read_images, stored
from .schema import SIZE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..messages import Answer
    from .database import Connection, Database


_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM cache)"
_ADD = f"""INSERT INTO cache (key, answer, used, size_bytes)
    SELECT :key, id, {_NEXT}, {SIZE_BYTES} FROM answers WHERE id = :answer"""  # noqa: S608  # our own
_TOUCH = f"UPDATE cache SET used = {_NEXT} WHERE key = ?"  # noqa: S608  # as above


class AnswerCache:
    """Complete answers by the key of their request: a hash of all that decides the answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(self, key: str, answer: Answer) -> None:
        """Keep an answer for this request; one that is not complete is not kept."""
        self.remember_all([(key, answer)])

    def remember_all(
        self, answers: Iterable[tuple[str, Answer]], limit_bytes: int = CACHE.size_bytes
    ) -> None:
        """Keep those that are complete, all at once: a transaction costs more than an answer.

        Where all together have more than the limit, those go that were not used for longest.
        """
        whole = [(stored(key), answer) for key, answer in answers if answer.state == "complete"]
        with self._database.write() as db:
            for key, answer in whole:
                db.execute("DELETE FROM cache WHERE key = ?", (key,))
                number = add_answer(db, answer, "", None)
                db.execute(_ADD, {"key": key, "answer": number})
            db.execute("DELETE FROM cache WHERE size_bytes > ?", (limit_bytes,))
            for key in _too_many(db, limit_bytes):
                db.execute("DELETE FROM cache WHERE key = ?", (key,))

    def touch(self, keys: Iterable[str]) -> None:
        """Note that these were used just now."""
        with self._database.write() as db:
            db.executemany(_TOUCH, [(stored(key),) for key in keys])

    def recall(self, key: str) -> Answer | None:
        """Return the answer that this request was given, or None."""
        with self._database.read() as db:
            row = db.execute(
                "SELECT answers.* FROM cache JOIN answers ON answers.id = cache.answer"
                " WHERE key = ?",
                (stored(key),),
            ).fetchone()
            if row is None:
                return None
            return read_answer(row, read_images(db, "?", [row["id"]]).get(row["id"], ()))

    def clear(self) -> int:
        """Forget all answers, and return how many there were; turns keep theirs."""
        with self._database.write() as db:
            return db.execute("DELETE FROM cache").rowcount


def _too_many(db: Connection, limit_bytes: int) -> list[Any]:
    """Return the keys of what has to go, first what was not used for longest."""
    over_bytes = db.execute("SELECT total(size_bytes) FROM cache").fetchone()[0] - limit_bytes
    keys = []
    for key, size_bytes in db.execute("SELECT key, size_bytes FROM cache ORDER BY used"):
        if over_bytes <= 0:
            break
        keys.append(key)
        over_bytes -= size_bytes
    return keys
