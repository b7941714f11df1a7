"""Answers to requests that were made before, for whoever makes the very same one again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import add_answer
from .saved import read_answer, read_images, stored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..messages import Answer
    from .database import Database


class AnswerCache:
    """Complete answers by the key of their request: a hash of all that decides the answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(self, key: str, answer: Answer) -> None:
        """Keep an answer for this request; one that is not complete is not kept."""
        self.remember_all([(key, answer)])

    def remember_all(self, answers: Iterable[tuple[str, Answer]]) -> None:
        """Keep those that are complete, all at once: a transaction costs more than an answer."""
        whole = [(stored(key), answer) for key, answer in answers if answer.state == "complete"]
        with self._database.write() as db:
            for key, answer in whole:
                db.execute("DELETE FROM cache WHERE key = ?", (key,))
                number = add_answer(db, answer, "", None)
                db.execute("INSERT INTO cache VALUES (?, ?)", (key, number))

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
