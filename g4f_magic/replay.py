"""A provider that gives an answer again."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from .messages import FinishReason, ImageResponse, Reasoning, Sent, ToolCalls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .messages import Answer, Event, Message

_WORDS_A_SECOND = 20  # somewhat faster than anyone reads
_WORD = re.compile(r"\S+\s*|\s+")


class Replay:
    """A provider that gives one answer again: at once, or word by word (``is_live``)."""

    def __init__(self, answer: Answer, *, is_live: bool) -> None:
        self.name: str = answer.provider
        self.default_model: str = answer.model
        self._answer = answer
        self._pause_s = 1 / _WORDS_A_SECOND if is_live else 0.0

    async def create_async_generator(
        self, _model: str | None, messages: Sequence[Message], **_: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the events that the answer was made of."""
        answer = self._answer
        yield Sent("", {**answer.request, "messages": list(messages)}, answer.provider)
        async for piece in self._pieces(answer.reasoning):
            yield Reasoning(piece)
        async for piece in self._pieces(answer.text):
            yield piece
        if answer.images:
            yield ImageResponse(answer.images, str(answer.request.get("prompt") or ""))
        if answer.tool_calls:
            yield ToolCalls(answer.tool_calls)
        if answer.usage is not None:
            yield answer.usage
        if answer.finish_reason is not None:
            yield FinishReason(answer.finish_reason)

    def get_models(self, *_: Any) -> list[str]:
        """Return the one model that answered."""
        return [self.default_model]

    async def _pieces(self, text: str) -> AsyncGenerator[str, None]:
        if not self._pause_s:
            if text:
                yield text
            return
        for word in _WORD.findall(text):
            yield word
            await asyncio.sleep(self._pause_s)
