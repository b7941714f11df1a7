"""What was said, and what to send next: turns in order, each owned by its cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .messages import Answer, Message


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
    """

    prompt: str
    system: str | None = None
    starts_afresh: bool = False
    cell: Cell | None = None
    answer: Answer | None = None


@dataclass(slots=True)
class Conversation:
    """The turns under one name, oldest first."""

    name: str = "main"
    turns: list[Turn] = field(default_factory=list)

    def add(self, turn: Turn) -> None:
        """Take a turn in: in place of those of its cell's earlier run, else at the end."""
        place = len(self.turns)
        if turn.cell is not None:
            stale = [i for i, old in enumerate(self.turns) if _is_earlier_run(old, turn.cell)]
            same_run = [i for i, old in enumerate(self.turns) if old.cell == turn.cell]
            place = min([i + 1 for i in same_run[-1:]] or stale or [place])
            self.turns = [old for i, old in enumerate(self.turns) if i not in stale]
        self.turns.insert(place, turn)

    def messages(self, turn: Turn) -> list[Message]:
        """Return what to send for a turn: the system prompt, the turns before it, itself.

        A turn without any text of an answer is kept but not sent.
        """
        before = self._before(turn)
        system = next((t.system for t in reversed([*before, turn]) if t.system is not None), "")
        messages: list[Message] = [{"role": "system", "content": system}] if system else []
        for old in before:
            if old.answer is not None and old.answer.text:
                messages.append({"role": "user", "content": old.prompt})
                messages.append({"role": "assistant", "content": old.answer.text})
        return [*messages, {"role": "user", "content": turn.prompt}]

    def in_force(self) -> list[Turn]:
        """Return the turns that the next prompt continues."""
        starts = [i for i, turn in enumerate(self.turns) if turn.starts_afresh]
        return self.turns[starts[-1] if starts else 0 :]

    def _before(self, turn: Turn) -> list[Turn]:
        if turn.starts_afresh:
            return []
        end = self.turns.index(turn)
        starts = [i for i in range(end) if self.turns[i].starts_afresh]
        return self.turns[starts[-1] if starts else 0 : end]


def _is_earlier_run(turn: Turn, cell: Cell) -> bool:
    return turn.cell is not None and turn.cell.id == cell.id and turn.cell != cell
