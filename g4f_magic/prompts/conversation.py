"""What was said, and what to send next: turns in order, each owned by its cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..parts import content

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..messages import Answer, Compared, Message
    from ..parts import Content, Part


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell, and which of its executions: both as the front end names them."""

    id: str
    execution: str


@dataclass(slots=True, eq=False)
class Turn:
    """A prompt and its answer.

    ``system`` is the system prompt set with this turn: None leaves the one in
    force, an empty one removes it. ``starts_afresh`` hides what came before.
    Where several models were asked, ``compared`` has what all of them said, and
    ``answer`` is the one of them that the conversation goes on with. ``parts`` has
    what was sent where that is more than text; ``prompt`` is then how it reads.
    """

    prompt: str
    system: str | None = None
    starts_afresh: bool = False
    cell: Cell | None = None
    answer: Answer | None = None
    compared: tuple[Compared, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def content(self) -> Content:
        """The prompt as a message has it."""
        return content(self.parts) if self.parts else self.prompt


@dataclass(slots=True)
class Conversation:
    """The turns under one name, oldest first."""

    name: str = "main"
    turns: list[Turn] = field(default_factory=list)

    def add(self, turn: Turn) -> None:
        """Take a turn in: in place of those of its cell's earlier run, else at the end."""
        place = self._place(turn)
        if turn.cell is not None:
            stale = [old for old in self.turns if _is_earlier_run(old, turn.cell)]
            self.turns = [old for old in self.turns if old not in stale]
        self.turns.insert(place, turn)

    def messages(self, turn: Turn, *, last: int | None = None) -> list[Message]:
        """Return what to send for a turn: the system prompt, the turns before it, itself.

        A turn without any text of an answer is kept but not sent; ``last`` is how many of
        the others are sent at most.
        """
        before = self._before(turn)
        system = next((old.system for old in reversed(before) if old.system is not None), "")
        said = [(old.content, old.answer.text) for old in before if old.answer and old.answer.text]
        said = said if last is None else said[max(0, len(said) - last) :]
        return with_history(turn, system, said)

    def in_force(self) -> list[Turn]:
        """Return the turns that the next prompt continues."""
        starts = [i for i, turn in enumerate(self.turns) if turn.starts_afresh]
        return self.turns[starts[-1] if starts else 0 :]

    def _place(self, turn: Turn) -> int:
        """Return where a turn belongs: in its cell's place, else at the end."""
        if turn.cell is None:
            return len(self.turns)
        stale = [i for i, old in enumerate(self.turns) if _is_earlier_run(old, turn.cell)]
        same_run = [i for i, old in enumerate(self.turns) if old.cell == turn.cell]
        return min([i + 1 for i in same_run[-1:]] or stale or [len(self.turns)])

    def _before(self, turn: Turn) -> list[Turn]:
        if turn.starts_afresh:
            return []
        end = self.turns.index(turn) if turn in self.turns else self._place(turn)
        starts = [i for i in range(end) if self.turns[i].starts_afresh]
        return self.turns[starts[-1] if starts else 0 : end]


def with_history(turn: Turn, system: str, said: Iterable[tuple[Content, str]]) -> list[Message]:
    """Return the messages of a turn after pairs of a prompt's content and its answer's text."""
    if turn.starts_afresh:
        system, said = "", ()
    system = system if turn.system is None else turn.system
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for prompt, text in said:
        messages.append({"role": "user", "content": prompt})
        messages.append({"role": "assistant", "content": text})
    return [*messages, {"role": "user", "content": turn.content}]


def best_of(answers: Sequence[Answer]) -> Answer | None:
    """Return what a conversation goes on with: the first whole answer, else the first text."""
    whole = (answer for answer in answers if answer.state == "complete")
    return next(whole, None) or next((answer for answer in answers if answer.text), None)


def _is_earlier_run(turn: Turn, cell: Cell) -> bool:
    return turn.cell is not None and turn.cell.id == cell.id and turn.cell != cell
