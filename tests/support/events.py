"""Asks a provider from a test and tells what it said, error included."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from g4f_magic.errors import G4FError
from g4f_magic.messages import Event, FinishReason, Reasoning, Sent, ToolCalls, Usage, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from g4f_magic.messages import Message, ToolCall
    from g4f_magic.providers import Provider
    from support.byteserver import ByteServer, Exchange

    #: What the fixture ``byte_server`` is.
    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

T = TypeVar("T")

HELLO: list[Message] = [{"role": "user", "content": "hello"}]


@dataclass
class Heard:
    """The events of one answer, and the error that ended it if one did."""

    events: list[Event] = field(default_factory=list)
    error: G4FError | None = None

    @property
    def text(self) -> str:
        """The text of the answer."""
        return "".join(event for event in self.events if isinstance(event, str))

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(event.text for event in self.events if isinstance(event, Reasoning))

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls."""
        return [call for event in self.all_of(ToolCalls) for call in event.calls]

    @property
    def told(self) -> tuple[str, str, list[ToolCall], list[Usage], list[FinishReason]]:
        """All that the answer says, however it was cut into events."""
        ends = self.all_of(Usage), self.all_of(FinishReason)
        return (self.text, self.reasoning, self.calls, *ends)

    @property
    def sent(self) -> Sent:
        """The request that went out."""
        return self.all_of(Sent)[-1]

    @property
    def waits(self) -> list[Waiting]:
        """The pauses."""
        return self.all_of(Waiting)

    def all_of(self, kind: type[T]) -> list[T]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]


def hear(
    provider: Provider,
    model: str | None = "m",
    messages: Sequence[Message] = HELLO,
    **params: Any,
) -> Heard:
    """Asks and listens to the end; our own errors are kept, others are raised."""
    heard = Heard()

    async def listen() -> None:
        events = provider.create_async_generator(model, messages, **params)
        async with aclosing(events):
            async for event in events:
                heard.events.append(event)

    try:
        asyncio.run(listen())
    except G4FError as error:
        heard.error = error
    return heard
