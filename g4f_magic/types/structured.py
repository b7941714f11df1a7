"""Ask for JSON of a type: by the request's own field, else in words; and once more if need be."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..errors import ResponseError, RetryProviderError
from ..messages import Remark, usage_of_both
from .unfit import UnfitError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from ..messages import Answer, Event, Message
    from .answer_type import AnswerType

_IN_WORDS = (
    "Answer with JSON alone, without a fence or a word around it, that fits this JSON schema:"
)
ASKED_TWICE = "asked twice: the first answer did not fit"
_REFUSED = Remark("asked in words: the service takes no schema")
_NAMES_OF_IT = ("response_format", "json_schema")
_OF_THE_REQUEST = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class Structured:
    """A provider that asks another one again, in words, if that takes no ``response_format``."""

    def __init__(self, provider: Any, wanted: AnswerType) -> None:
        self._provider = provider
        self._wanted = wanted
        self.name: str = provider.name
        self.default_model: str = provider.default_model

    @property
    def last_provider(self) -> Any:
        """Who answered."""
        return getattr(self._provider, "last_provider", None) or self._provider

    async def create_async_generator(
        self, model: str | None, messages: Sequence[Message], **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of the answer, be it to the first request or to the second."""
        ask = self._provider.create_async_generator
        try:
            async with aclosing(ask(model, messages, **params)) as events:
                async for event in events:
                    yield event
        except (ResponseError, RetryProviderError) as error:
            if not _is_refusal_of_the_format(error):
                raise
        else:
            return
        params["response_format"] = {"type": "json_object"}
        yield _REFUSED
        async with aclosing(ask(model, in_words(messages, self._wanted), **params)) as events:
            async for event in events:
                yield event


def in_words(messages: Sequence[Message], wanted: AnswerType) -> list[Message]:
    """Return messages with the schema in their system prompt."""
    told = f"{_IN_WORDS}\n\n{json.dumps(wanted.schema, ensure_ascii=False)}"
    has_system = bool(messages) and messages[0].get("role") == "system"
    before = [str(messages[0].get("content") or "")] if has_system else []
    system: Message = {"role": "system", "content": "\n\n".join([*before, told])}
    return [system, *messages[has_system:]]


def once_more(
    sent: Sequence[Message], answer: Answer, wanted: AnswerType, misfit: str
) -> list[Message]:
    """Return the messages that ask for a better answer than one that does not fit."""
    schema = json.dumps(wanted.schema, ensure_ascii=False)
    asked = f"That does not fit: {misfit}.\n\n{_IN_WORDS}\n\n{schema}"
    reply: Message = {"role": "assistant", "content": answer.text}
    return [*sent, reply, {"role": "user", "content": asked}]


def fitted(
    answer: Answer,
    wanted: AnswerType,
    ask_again: Callable[[str], tuple[Answer, BaseException | None]],
) -> tuple[Answer, BaseException | None]:
    """Return an answer with the object that it stands for in ``parsed``, and no error.

    Where it does not fit, ``ask_again`` is told why and gives another answer, and the error that
    ended it. If that one does not fit either, it is returned with the error that says so; where
    nothing of it arrives, the text of the first one stays.
    """
    try:
        return replace(answer, parsed=wanted.read(answer.text)), None
    except UnfitError as error:
        second, failure = ask_again(str(error))
    if not second.text and second.state in {"failed", "interrupted"}:
        return replace(answer, state=second.state), failure
    second = replace(second, usage=usage_of_both(answer.usage, second.usage))
    if failure is not None or second.state == "interrupted":
        return second, failure
    try:
        return replace(second, parsed=wanted.read(second.text)), None
    except UnfitError as error:
        message = f"the answer does not fit {wanted.name}, nor did the one before: {error}"
        hint = "its text is kept: -o NAME binds it, and %chat --show shows it"
        return second, ResponseError(
            message, hint=hint, provider=second.provider, partial=second.text
        )


def _is_refusal_of_the_format(error: ResponseError | RetryProviderError) -> bool:
    causes = error.causes if isinstance(error, RetryProviderError) else (error,)
    return all(
        isinstance(cause, ResponseError)
        and cause.status in _OF_THE_REQUEST
        and any(name in str(cause) for name in _NAMES_OF_IT)
        for cause in causes
    )
