"""A provider's events in, results in the shape of OpenAI's SDK out; and its messages back."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import ResponseError, UsageError
from .messages import (
    Event,
    FinishReason,
    FirstChoice,
    Image,
    ImageResponse,
    OtherChoice,
    Reasoning,
    Sent,
    ToolCalls,
    Usage,
)
from .shapes import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionToolCall,
    Choice,
    ChoiceDelta,
    ChunkChoice,
    CompletionUsage,
    FunctionCall,
    ImageDatum,
    ImagesResponse,
    Model,
    ModelPage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .messages import Message
    from .providers import Provider

MessageLike: TypeAlias = "Mapping[str, Any] | ChatCompletionMessage"
"""What callers may give as a message: a dict, or the message of an earlier answer."""

MESSAGES_EXAMPLE = 'messages=[{"role": "user", "content": "Hello"}]'
"""The hint where messages are none."""


async def chunks_of(
    events: AsyncGenerator[Event, None], provider: Provider
) -> AsyncGenerator[ChatCompletionChunk, None]:
    """Yield the events of an answer as OpenAI's chunks, each with the index of its choice."""
    model, created = "", int(time.time())
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Sent):
                model = str(event.body.get("model") or "")
            index, said = _placed(event)
            if (chunk := _chunk(said)) is not None:
                chunk.choices[0].index = index
                chunk.model, chunk.created = model, created
                chunk.provider = _answering(provider)
                yield chunk


async def completion_of(events: AsyncGenerator[Event, None], provider: Provider) -> ChatCompletion:
    """Fold the events of one answer into a completion with all its choices in order."""
    folds = {0: _ChoiceFold()}
    completion = ChatCompletion([], provider=provider.name, created=int(time.time()))
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Sent):
                completion.model = str(event.body.get("model") or "")
                folds = {0: _ChoiceFold()}  # who is asked now thinks anew
            index, said = _placed(event)
            if (chunk := _chunk(said)) is not None:
                completion.provider = _answering(provider)
                completion.usage = chunk.usage or completion.usage
                if index not in folds:
                    folds[index] = _ChoiceFold()
                folds[index].add(chunk.choices[0])
    completion.choices = [fold.choice(index) for index, fold in sorted(folds.items())]
    return completion


async def pictures_of(events: AsyncGenerator[Event, None], provider: Provider) -> ImagesResponse:
    """Return the pictures among the events.

    Raises ``ResponseError`` where there are none, as with a provider that only chats.
    """
    found = ImagesResponse(int(time.time()))
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Sent):
                found.model = str(event.body.get("model") or "")
            elif isinstance(event, ImageResponse):
                found.data += [_datum(image) for image in event.images]
    found.provider = _answering(provider)
    if not found.data:
        message = f"{found.provider} sent no picture"
        hint = "name a model that makes pictures"
        raise ResponseError(message, hint=hint, provider=found.provider, status=200)
    return found


def page_of(names: Sequence[str], provider: Provider) -> ModelPage:
    """Return the models with these names."""
    return ModelPage([Model(name, owned_by=provider.name) for name in names])


def plain_messages(messages: Sequence[MessageLike]) -> list[Message]:
    """Return the messages with results of earlier answers among them as plain dicts.

    ``messages.append(response.choices[0].message)`` is how OpenAI's SDK is used;
    its own objects are taken, too. Raises ``UsageError`` for what is no list of messages.
    """
    if isinstance(messages, (str, Mapping)):
        message = f"messages must be a list, and this is a {type(messages).__name__}"
        raise UsageError(message, hint=MESSAGES_EXAMPLE)
    return [_plain(message) for message in messages]


def _plain(value: Any) -> Any:
    if callable(getattr(value, "model_dump", None)):
        return value.model_dump(exclude_none=True)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


class _ChoiceFold:
    """Adds up the deltas of one choice."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[ChatCompletionToolCall] | None = None
        self._finish_reason: str | None = None

    def add(self, choice: ChunkChoice) -> None:
        """Fold one delta in."""
        self._text.append(choice.delta.content or "")
        self._thoughts.append(choice.delta.reasoning_content or "")
        self._calls = choice.delta.tool_calls or self._calls
        self._finish_reason = choice.finish_reason or self._finish_reason

    def choice(self, index: int) -> Choice:
        """Return the whole choice."""
        message = ChatCompletionMessage(
            "".join(self._text),
            reasoning_content="".join(self._thoughts) or None,
            tool_calls=self._calls,
        )
        return Choice(message, self._finish_reason, index)


def _answering(provider: Provider) -> str:
    last = getattr(provider, "last_provider", None)
    return str((last or provider).name)


def _placed(event: Event) -> tuple[int, FirstChoice]:
    """Return the number of the choice that an event belongs to, and what it says of it."""
    return (event.index, event.event) if isinstance(event, OtherChoice) else (0, event)


def _chunk(event: FirstChoice) -> ChatCompletionChunk | None:
    """Return what an event adds, as OpenAI's chunk; None for what is not part of an answer."""
    if isinstance(event, str):
        delta = ChoiceDelta(content=event)
    elif isinstance(event, Reasoning):
        delta = ChoiceDelta(reasoning_content=event.text)
    elif isinstance(event, ImageResponse):
        delta = ChoiceDelta(content=str(event))
    elif isinstance(event, ToolCalls):
        delta = ChoiceDelta(tool_calls=_tool_calls(event))
    elif isinstance(event, FinishReason):
        return ChatCompletionChunk([ChunkChoice(ChoiceDelta(), event.reason)])
    elif isinstance(event, Usage):
        # With a choice, unlike OpenAI's: nobody here asked for this chunk to come.
        return ChatCompletionChunk([ChunkChoice(ChoiceDelta())], usage=_usage(event))
    else:
        return None
    return ChatCompletionChunk([ChunkChoice(delta)])


def _tool_calls(event: ToolCalls) -> list[ChatCompletionToolCall]:
    return [
        ChatCompletionToolCall(
            call.id,
            FunctionCall(call.name, call.arguments),
            index,
            extra_content=json.loads(call.extra) if call.extra else None,
        )
        for index, call in enumerate(event.calls)
    ]


def _usage(usage: Usage) -> CompletionUsage:
    total = usage.raw.get("total_tokens")
    return CompletionUsage(usage.tokens_in, usage.tokens_out, total)


def _datum(image: Image) -> ImageDatum:
    text = base64.b64encode(image.data).decode() or None
    return ImageDatum(text, image.url or None, image.revised_prompt or None)
