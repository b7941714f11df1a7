"""What a grid of prompts and models asks, one request each, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..messages import Compared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..messages import Answer, Message

Prompt: TypeAlias = "str | list[Message]"
"""What is sent to each model: a text of the user, or all messages of a conversation."""


@dataclass(frozen=True, slots=True)
class Task:
    """One request of a grid, for this process or another one; no key is in it.

    ``number`` is the place of the prompt among all, ``label`` what its model was called,
    ``repeat`` counts from 1. ``provider`` is a name or a base URL; without it the model's
    name or the environment says who is asked. ``fields`` are those of the request.
    """

    number: int
    prompt: Prompt
    label: str
    model: str
    provider: str | None = None
    system: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 1

    def messages(self) -> list[Message]:
        """Return what is sent."""
        prompt = self.prompt
        before: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        if isinstance(prompt, str):
            return [*before, {"role": "user", "content": prompt}]
        return [*before, *prompt]

    def outcome(self, answer: Answer, error: str = "") -> Outcome:
        """Return what came of it."""
        return Outcome(
            label=self.label,
            answer=answer,
            error=error,
            number=self.number,
            prompt=self.prompt,
            repeat=self.repeat,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Compared):
    """What a task came to: an answer, or the line of the error that ended it.

    ``score`` is a judge's, and ``judge_error`` why there is none where one was asked.
    """

    number: int = 0
    prompt: Prompt = ""
    repeat: int = 1
    score: float | None = None
    judge_error: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A service that is left alone for so many more seconds, and why."""

    provider: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a grid is: how many tasks have ended, with an error, or by the cache.

    ``trouble`` is why answers were not kept, if they were not.
    """

    total: int
    done: int = 0
    failed: int = 0
    cached: int = 0
    pauses: tuple[Pause, ...] = ()
    trouble: str = ""
